//! Workers that are started and stopped by something else.

use async_trait::async_trait;
use platform::Description;
use protocol::WorkerId;

use super::WorkerPool;

/// Workers that are started and stopped by something else: compose, a batch
/// system, a person. The scheduler neither requests nor drains any.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExternalPool;

#[async_trait]
impl WorkerPool for ExternalPool {
    fn description(&self) -> Description {
        Description::inside("external")
    }

    async fn drained(&self, _: &WorkerId) -> anyhow::Result<()> {
        Ok(())
    }

    async fn ensure(&self, _: u32) -> anyhow::Result<()> {
        Ok(())
    }

    async fn stop(&self) {}
}
