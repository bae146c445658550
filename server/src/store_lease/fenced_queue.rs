//! The server's end of a queue that is used only while the store lease is valid.
//!
//! A server that was frozen and goes on may find reports that the queue had already given
//! it. They are another server's by now, so they go back; and what it meant to send is not
//! sent. Workers would do nothing wrong with it, but work.

use std::sync::Arc;

use async_trait::async_trait;
use platform::queue::{Depths, Probed, ReportDelivery};
use platform::{Description, QueueError, ServerEnd};
use protocol::task::{Assignment, Control};

use super::fence::Fence;

/// A decorator of the server's end of a queue.
pub(super) struct FencedQueue {
    inner: Arc<dyn ServerEnd>,
    fence: Fence,
}

impl FencedQueue {
    pub(super) fn new(inner: Arc<dyn ServerEnd>, fence: Fence) -> FencedQueue {
        FencedQueue { inner, fence }
    }

    async fn pass(&self) -> Result<(), QueueError> {
        let passed = self.fence.passed().await;
        passed.map_err(|expired| QueueError::Unavailable { source: Box::new(expired) })
    }
}

#[async_trait]
impl ServerEnd for FencedQueue {
    fn description(&self) -> Description {
        self.inner.description()
    }

    async fn publish(&self, assignments: &[Assignment]) -> Result<(), QueueError> {
        self.pass().await?;
        self.inner.publish(assignments).await
    }

    async fn next_reports(&self) -> Result<ReportDelivery, QueueError> {
        loop {
            let delivery = self.inner.next_reports().await?;
            if self.fence.is_valid() {
                return Ok(delivery);
            }
            drop(delivery);
            self.fence.valid().await;
        }
    }

    async fn control(&self, control: &Control) -> Result<(), QueueError> {
        self.pass().await?;
        self.inner.control(control).await
    }

    async fn control_one(&self, control: &Control, address: &str) -> Result<(), QueueError> {
        self.pass().await?;
        self.inner.control_one(control, address).await
    }

    async fn depths(&self) -> Result<Depths, QueueError> {
        self.inner.depths().await
    }

    async fn purge(&self) -> Result<(), QueueError> {
        self.pass().await?;
        self.inner.purge().await
    }

    async fn probe(&self) -> Result<Probed, QueueError> {
        self.inner.probe().await
    }

    async fn renew(&self) -> Result<(), QueueError> {
        self.pass().await?;
        self.inner.renew().await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use platform::QueuePlace;
    use platform::queue::conformance::report;
    use tokio::sync::watch;
    use tokio::time::{Instant, timeout};

    use super::*;

    #[tokio::test]
    async fn what_a_frozen_server_was_given_goes_back_and_what_it_has_is_not_sent() {
        let queue = QueuePlace::default().open("test");
        let end = queue.connect_server().await.unwrap();
        let worker = queue.connect_worker("w").await.unwrap();
        let (valid, valid_until) = watch::channel(Instant::now());
        let fenced = Arc::new(FencedQueue::new(end.clone(), Fence::new(valid_until)));
        worker.report(&[report(7)]).await.unwrap();
        let taking = fenced.clone();
        let taking = tokio::spawn(async move { taking.next_reports().await });
        let mut sending = {
            let fenced = fenced.clone();
            tokio::spawn(async move { fenced.control(&Control::RollCall).await })
        };
        assert!(timeout(Duration::from_millis(200), &mut sending).await.is_err());
        assert!(!taking.is_finished());
        assert!(timeout(Duration::from_millis(50), worker.next_control()).await.is_err());
        // It has gone back: another end of the server gets it.
        timeout(Duration::from_secs(5), end.next_reports()).await.unwrap().unwrap();
        // Another server has the lease.
        drop(valid);
        assert!(matches!(sending.await.unwrap(), Err(QueueError::Unavailable { .. })));
        taking.abort();
    }
}
