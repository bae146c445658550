//! Workers as tasks inside the server.

use std::sync::Arc;

use async_trait::async_trait;
use platform::{Description, InputStores, ObjectStore, Queue};
use protocol::WorkerId;
use traces::Traces;
use worker::metrics::WorkerMetrics;
use worker::{Settings, Worker};

use super::WorkerPool;
use super::local::{LocalWorkers, Member};

/// Workers as tasks inside the server, named `worker-1` and so on. A name is
/// reused once its worker has stopped.
///
/// Unlike a pool of processes, all its workers share the server's memory and end
/// with the server.
pub struct EmbeddedPool {
    queue: Arc<dyn Queue>,
    store: Arc<dyn ObjectStore>,
    inputs: InputStores,
    settings: Settings,
    traces: Traces,
    workers: LocalWorkers,
}

impl EmbeddedPool {
    /// A pool without workers.
    #[must_use]
    pub fn new(
        queue: Arc<dyn Queue>,
        store: Arc<dyn ObjectStore>,
        inputs: InputStores,
        settings: Settings,
        traces: Traces,
    ) -> EmbeddedPool {
        let workers = LocalWorkers::new("worker-");
        EmbeddedPool { queue, store, inputs, settings, traces, workers }
    }

    /// Runs one worker.
    fn live(&self, member: Member) -> impl Future<Output = ()> + Send + 'static {
        let (queue, store, inputs) = (self.queue.clone(), self.store.clone(), self.inputs.clone());
        let (settings, traces) = (self.settings.clone(), self.traces.clone());
        async move {
            let Member { id, stop, .. } = member;
            let ended = async {
                let queue = queue.connect_worker(id.as_str()).await?;
                // The server counts what its own workers do.
                let metrics = WorkerMetrics::default();
                let id = id.clone();
                let node = None;
                let worker = Worker { id, node, queue, store, inputs, settings, metrics, traces };
                worker::run(worker, stop).await
            };
            if let Err(error) = ended.await {
                tracing::error!(worker_id = %id, %error, "worker failed");
            }
        }
    }
}

#[async_trait]
impl WorkerPool for EmbeddedPool {
    fn is_inside(&self) -> bool {
        true
    }

    fn description(&self) -> Description {
        Description::inside("embedded")
    }

    async fn ensure(&self, desired: u32) -> anyhow::Result<()> {
        self.workers.ensure(desired, |member| self.live(member));
        Ok(())
    }

    async fn drained(&self, worker: &WorkerId) -> anyhow::Result<()> {
        self.workers.drained(worker);
        Ok(())
    }

    async fn stop(&self) {
        self.workers.stop().await;
    }
}
