//! Assignments to the workers, reports back, and words to all: the traits,
//! their guarantees, and their errors.

pub mod amqp;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod embedded;
pub mod place;

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use protocol::task::{Assignment, Control, Report};

use crate::Description;

/// A queue that can be connected to.
#[async_trait]
pub trait Queue: Send + Sync + 'static {
    /// Connects the server. There should be one at a time: several would share
    /// the reports among them.
    async fn connect_server(&self) -> Result<Arc<dyn ServerEnd>, QueueError>;

    /// Connects one more worker, known to the queue by `name`.
    async fn connect_worker(&self, name: &str) -> Result<Box<dyn WorkerEnd>, QueueError>;
}

/// The server's end of the queue.
///
/// # Guarantees
///
/// - **At least once.** What `publish` or a worker's `report` has returned from
///   is delivered, at least once, whatever process dies in between.
/// - **In no certain order.** Deliveries mostly come in the order they were
///   published; a redelivery comes when it comes.
/// - **Control is best effort.** It reaches the workers that are connected.
/// - **Cancel safe.** A future dropped before it returned has taken nothing.
/// - **It comes back.** Waits outlast an outage of the queue;
///   [`QueueError::Unavailable`] is for what could not be sent though it was
///   tried again and again.
#[async_trait]
pub trait ServerEnd: Send + Sync + 'static {
    /// What the queue is and where, for people.
    fn description(&self) -> Description;

    /// Gives the queue an assignment; returns once the queue answers for it.
    async fn publish(&self, assignment: &Assignment) -> Result<(), QueueError>;

    /// Waits for the next report.
    async fn next_report(&self) -> Result<ReportDelivery, QueueError>;

    /// Tells all workers something.
    async fn control(&self, control: &Control) -> Result<(), QueueError>;

    /// How many assignments and reports wait in the queue.
    async fn depths(&self) -> Result<Depths, QueueError>;

    /// Takes away every assignment that nobody has taken yet; for a server
    /// that starts and will publish anew.
    async fn purge(&self) -> Result<(), QueueError>;
}

/// A worker's end of the queue.
///
/// The guarantees are those of [`ServerEnd`], and two more:
///
/// - **One at a time.** A worker end that has an unacknowledged delivery is
///   given no other.
/// - **Nothing is lost with a worker.** A delivery that was neither
///   acknowledged nor returned is delivered again once its worker end is gone,
///   marked as redelivered.
#[async_trait]
pub trait WorkerEnd: Send + Sync + 'static {
    /// Waits for the next assignment.
    async fn next_delivery(&self) -> Result<Delivery, QueueError>;

    /// Tells the server something; returns once the queue answers for it.
    async fn report(&self, report: &Report) -> Result<(), QueueError>;

    /// Waits for the next word of the server to all workers.
    async fn next_control(&self) -> Result<Control, QueueError>;
}

/// An assignment in a worker's hands. Dropped unacknowledged it goes back to
/// the queue, for any worker to take.
pub struct Delivery {
    /// What is to be done.
    pub assignment: Assignment,
    /// Whether it may have been delivered before.
    pub redelivered: bool,
    receipt: Box<dyn Receipt>,
}

/// A report in the server's hands.
pub struct ReportDelivery {
    /// What a worker told.
    pub report: Report,
    receipt: Box<dyn Receipt>,
}

/// What settles one delivery.
///
/// Dropped unsettled it hands the message back, for anybody to take. An error means that the queue was lost in
/// between, so that the message may be delivered again.
#[async_trait]
pub trait Receipt: Send + Sync {
    /// It is done and must not be delivered again.
    async fn ack(self: Box<Self>) -> Result<(), QueueError>;
}

impl Delivery {
    /// For implementations.
    #[must_use]
    pub fn new(assignment: Assignment, redelivered: bool, receipt: Box<dyn Receipt>) -> Delivery {
        Delivery { assignment, redelivered, receipt }
    }

    /// Settles it: what became of it has been reported.
    pub async fn ack(self) -> Result<(), QueueError> {
        self.receipt.ack().await
    }
}

impl ReportDelivery {
    /// For implementations.
    #[must_use]
    pub fn new(report: Report, receipt: Box<dyn Receipt>) -> ReportDelivery {
        ReportDelivery { report, receipt }
    }

    /// Settles it: the server has taken it in.
    pub async fn ack(self) -> Result<(), QueueError> {
        self.receipt.ack().await
    }
}

/// How much waits in the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depths {
    /// Assignments that no worker has taken.
    pub assignments: u64,
    /// Reports that the server has not taken.
    pub reports: u64,
    /// Messages that were put aside because they could not be decoded or were
    /// delivered too often; somebody should look at them.
    pub dead_letters: u64,
}

/// Why a queue did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The queue is gone for good, because the process is ending. Stop.
    #[error("the queue is closed")]
    Closed,
    /// The queue answers and refuses, and asking again will not help. Change
    /// its address, user, password or permissions.
    #[error("the queue refuses this program")]
    Refused {
        /// What the system said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The queue does not answer. It may later.
    #[error("the queue does not answer")]
    Unavailable {
        /// What the system said.
        source: Box<dyn Error + Send + Sync>,
    },
}
