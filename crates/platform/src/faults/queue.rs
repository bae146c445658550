//! Ends of a queue with injected faults.

use std::sync::Arc;

use async_trait::async_trait;
use protocol::task::{Assignment, Control, Report};

use super::{Faults, InjectedFault};
use crate::Description;
use crate::queue::{Delivery, Depths, Probed, QueueError, ReportDelivery, ServerEnd, WorkerEnd};

/// A decorator that injects faults into a server's end. Only what it sends meets
/// faults: what it receives is duplicated by the worker's end.
pub struct FaultyServerEnd {
    inner: Arc<dyn ServerEnd>,
    faults: Arc<Faults>,
}

impl FaultyServerEnd {
    /// Decorates a server's end.
    #[must_use]
    pub fn new(inner: Arc<dyn ServerEnd>, faults: Arc<Faults>) -> FaultyServerEnd {
        FaultyServerEnd { inner, faults }
    }
}

fn unavailable() -> QueueError {
    QueueError::Unavailable { source: Box::new(InjectedFault) }
}

#[async_trait]
impl ServerEnd for FaultyServerEnd {
    fn description(&self) -> Description {
        self.inner.description()
    }

    async fn publish(&self, assignments: &[Assignment]) -> Result<(), QueueError> {
        self.faults.send(|| self.inner.publish(assignments), unavailable).await
    }

    async fn next_reports(&self) -> Result<ReportDelivery, QueueError> {
        self.inner.next_reports().await
    }

    async fn control(&self, control: &Control) -> Result<(), QueueError> {
        self.faults.send(|| self.inner.control(control), unavailable).await
    }

    async fn control_one(&self, control: &Control, address: &str) -> Result<(), QueueError> {
        self.faults.send(|| self.inner.control_one(control, address), unavailable).await
    }

    async fn depths(&self) -> Result<Depths, QueueError> {
        self.inner.depths().await
    }

    async fn purge(&self) -> Result<(), QueueError> {
        self.inner.purge().await
    }

    async fn probe(&self) -> Result<Probed, QueueError> {
        self.inner.probe().await
    }

    async fn renew(&self) -> Result<(), QueueError> {
        self.inner.renew().await
    }
}

/// A decorator that injects faults into a worker's end.
pub struct FaultyWorkerEnd {
    inner: Box<dyn WorkerEnd>,
    faults: Arc<Faults>,
}

impl FaultyWorkerEnd {
    /// Decorates a worker's end.
    #[must_use]
    pub fn new(inner: Box<dyn WorkerEnd>, faults: Arc<Faults>) -> FaultyWorkerEnd {
        FaultyWorkerEnd { inner, faults }
    }
}

#[async_trait]
impl WorkerEnd for FaultyWorkerEnd {
    fn system(&self) -> &'static str {
        self.inner.system()
    }

    async fn next_delivery(&self) -> Result<Delivery, QueueError> {
        self.inner.next_delivery().await
    }

    async fn report(&self, reports: &[Report]) -> Result<(), QueueError> {
        self.faults.send(|| self.inner.report(reports), unavailable).await
    }

    async fn next_control(&self) -> Result<Control, QueueError> {
        self.inner.next_control().await
    }

    fn address(&self) -> Option<String> {
        self.inner.address()
    }
}
