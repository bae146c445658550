//! Ends of a queue that do not always do what they should.

use std::sync::Arc;

use async_trait::async_trait;
use protocol::task::{Assignment, Control, Report};

use super::{Faults, OnPurpose};
use crate::Description;
use crate::queue::{Delivery, Depths, QueueError, ReportDelivery, ServerEnd, WorkerEnd};

/// A server's end around another, with faults. What it takes in comes as it
/// comes: duplicates are made by who sends.
pub struct FaultyServerEnd {
    inner: Arc<dyn ServerEnd>,
    faults: Arc<Faults>,
}

impl FaultyServerEnd {
    /// Puts faults before a server's end.
    #[must_use]
    pub fn new(inner: Arc<dyn ServerEnd>, faults: Arc<Faults>) -> FaultyServerEnd {
        FaultyServerEnd { inner, faults }
    }
}

fn unavailable() -> QueueError {
    QueueError::Unavailable { source: Box::new(OnPurpose) }
}

#[async_trait]
impl ServerEnd for FaultyServerEnd {
    fn description(&self) -> Description {
        self.inner.description()
    }

    async fn publish(&self, assignment: &Assignment) -> Result<(), QueueError> {
        self.faults.send(|| self.inner.publish(assignment), unavailable).await
    }

    async fn next_report(&self) -> Result<ReportDelivery, QueueError> {
        self.inner.next_report().await
    }

    async fn control(&self, control: &Control) -> Result<(), QueueError> {
        self.faults.send(|| self.inner.control(control), unavailable).await
    }

    async fn depths(&self) -> Result<Depths, QueueError> {
        self.inner.depths().await
    }

    async fn purge(&self) -> Result<(), QueueError> {
        self.inner.purge().await
    }
}

/// A worker's end around another, with faults.
pub struct FaultyWorkerEnd {
    inner: Box<dyn WorkerEnd>,
    faults: Arc<Faults>,
}

impl FaultyWorkerEnd {
    /// Puts faults before a worker's end.
    #[must_use]
    pub fn new(inner: Box<dyn WorkerEnd>, faults: Arc<Faults>) -> FaultyWorkerEnd {
        FaultyWorkerEnd { inner, faults }
    }
}

#[async_trait]
impl WorkerEnd for FaultyWorkerEnd {
    async fn next_delivery(&self) -> Result<Delivery, QueueError> {
        self.inner.next_delivery().await
    }

    async fn report(&self, report: &Report) -> Result<(), QueueError> {
        self.faults.send(|| self.inner.report(report), unavailable).await
    }

    async fn next_control(&self) -> Result<Control, QueueError> {
        self.inner.next_control().await
    }
}
