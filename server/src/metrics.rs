//! What the server counts and times, for Prometheus.
//!
//! Counts go on while the process runs and begin at zero with it, as Prometheus expects.
//! What can be read at any moment (workers, jobs by phase, open streams) is read when it is
//! asked for, by `http/status.rs`.

mod http;
mod jobs;
mod webhooks;

use std::sync::Arc;

use platform::store::measured::StoreMetrics;
use prometheus_client::registry::Registry;

pub use self::http::{HttpMetrics, OpenRequest};
pub use self::jobs::{Counts, JobMetrics};
pub use self::webhooks::WebhookMetrics;

/// All figures of a server. Clones share their counts.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Jobs, tasks and attempts.
    pub jobs: JobMetrics,
    /// Requests to the HTTP server.
    pub http: HttpMetrics,
    /// Calls of the object store.
    pub store: StoreMetrics,
    /// Messages to receivers of webhooks.
    pub webhooks: WebhookMetrics,
    registry: Arc<Registry>,
}

impl Metrics {
    /// Figures that are all zero.
    #[must_use]
    pub fn new() -> Metrics {
        let mut registry = program::metrics::registry("server");
        let own = program::metrics::own(&mut registry);
        let (jobs, http, store) =
            (JobMetrics::new(own), HttpMetrics::new(own), StoreMetrics::new(own));
        let webhooks = WebhookMetrics::new(own);
        Metrics { jobs, http, store, webhooks, registry: Arc::new(registry) }
    }

    /// All figures in the text format of Prometheus.
    #[must_use]
    pub fn text(&self) -> String {
        program::metrics::text(&self.registry)
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}
