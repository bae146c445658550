//! Brings what waits in the queue to the driver.

use std::sync::Arc;
use std::time::Duration;

use platform::problems::with_sources;
use platform::{Description, ServerEnd};
use protocol::worker::QueueSnapshot;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::Fact;

/// How often the queue is asked.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long it may take to answer before it is said to be silent.
const SILENT_AFTER: Duration = Duration::from_secs(5);

/// Asks the queue how much waits in it and tells the driver what is new, until
/// the driver is gone.
pub async fn pump(
    queue: Arc<dyn ServerEnd>,
    management_url: Option<String>,
    facts: mpsc::Sender<Fact>,
) {
    let mut last = None;
    let Description { name, location } = queue.description();
    let mut seen = QueueSnapshot { name, location, management_url, ..QueueSnapshot::default() };
    loop {
        match timeout(SILENT_AFTER, queue.depths()).await {
            Ok(Ok(depths)) => {
                seen.assignments = depths.assignments;
                seen.reports = depths.reports;
                seen.dead_letters = depths.dead_letters;
                seen.silent = false;
            }
            Ok(Err(error)) => {
                tracing::debug!(error = with_sources(&error), "depths not known");
                seen.silent = true;
            }
            Err(_) => seen.silent = true,
        }
        if last.as_ref() != Some(&seen) {
            if facts.send(Fact::QueueSeen { queue: seen.clone() }).await.is_err() {
                return;
            }
            last = Some(seen.clone());
        }
        sleep(LOOK_EVERY).await;
    }
}
