//! Workers as tasks inside the server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use platform::queue::embedded::EmbeddedQueue;
use platform::{InputStores, ObjectStore};
use protocol::WorkerId;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use worker::{Settings, Worker};

use super::WorkerPool;

/// Workers as tasks inside the server. Their names are `worker-1` and so on; a
/// name is free again once its worker has gone.
///
/// It falls short of a pool of processes in that all its workers share the
/// server's memory and end with it.
pub struct EmbeddedPool {
    queue: EmbeddedQueue,
    store: Arc<dyn ObjectStore>,
    inputs: InputStores,
    settings: Settings,
    running: Arc<Mutex<BTreeMap<u32, Running>>>,
    tasks: TaskTracker,
}

impl EmbeddedPool {
    /// A pool without workers.
    #[must_use]
    pub fn new(
        queue: EmbeddedQueue,
        store: Arc<dyn ObjectStore>,
        inputs: InputStores,
        settings: Settings,
    ) -> EmbeddedPool {
        EmbeddedPool {
            queue,
            store,
            inputs,
            settings,
            running: Arc::default(),
            tasks: TaskTracker::new(),
        }
    }

    fn start(&self, number: u32) -> Running {
        let leave = CancellationToken::new();
        let id = WorkerId::from(format!("worker-{number}"));
        let worker = Worker {
            id: id.clone(),
            node: None,
            queue: Box::new(self.queue.worker_end()),
            store: self.store.clone(),
            inputs: self.inputs.clone(),
            settings: self.settings.clone(),
        };
        let (running, token, name) = (self.running.clone(), leave.clone(), id.clone());
        self.tasks.spawn(async move {
            if let Err(error) = worker::run(worker, token).await {
                tracing::error!(worker_id = %name, %error, "worker ended");
            }
            lock(&running).remove(&number);
        });
        Running { id, leave, is_draining: false }
    }
}

/// A worker of the pool.
struct Running {
    id: WorkerId,
    leave: CancellationToken,
    is_draining: bool,
}

#[async_trait]
impl WorkerPool for EmbeddedPool {
    fn kind(&self) -> &'static str {
        "embedded"
    }

    async fn ensure(&self, desired: u32) -> anyhow::Result<()> {
        let mut running = lock(&self.running);
        let kept = running.values().filter(|worker| !worker.is_draining).count();
        let missing = (desired as usize).saturating_sub(kept);
        let free: Vec<u32> =
            (1..).filter(|number| !running.contains_key(number)).take(missing).collect();
        for number in free {
            running.insert(number, self.start(number));
        }
        Ok(())
    }

    async fn drained(&self, worker: &WorkerId) -> anyhow::Result<()> {
        for running in lock(&self.running).values_mut().filter(|running| running.id == *worker) {
            running.is_draining = true;
        }
        Ok(())
    }

    async fn stop(&self) {
        for running in lock(&self.running).values() {
            running.leave.cancel();
        }
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The map stays whole even if somebody panicked while holding it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
