//! What keeps workers.

pub mod embedded;
pub mod external;
pub mod process;

use async_trait::async_trait;
use protocol::WorkerId;

/// Keeps a number of workers running.
///
/// # Guarantees
///
/// - **Declarative.** The last number asked for is what counts; asking twice
///   for the same does nothing.
/// - **Never stops a worker that was not told to drain.** Fewer are asked for
///   only after as many have been drained.
/// - **Does not wait.** Workers come and go later, and say so themselves.
#[async_trait]
pub trait WorkerPool: Send + Sync + 'static {
    /// What keeps the workers, in one word for the dashboard.
    fn kind(&self) -> &'static str;

    /// Hears that a worker has been told to drain, so that it counts no more
    /// and is the first to go.
    async fn drained(&self, worker: &WorkerId) -> anyhow::Result<()>;

    /// Sees to it that there are `desired` workers, not counting those told to drain.
    async fn ensure(&self, desired: u32) -> anyhow::Result<()>;

    /// Stops all workers and waits for them; what they were at is handed back.
    async fn stop(&self);
}
