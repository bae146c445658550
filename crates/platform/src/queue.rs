//! The queue: assignments to workers, reports to the server, and control messages
//! to all workers. The traits, their guarantees, and their errors.

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
    /// Connects the server. There should be only one at a time: several would share
    /// the reports among them.
    async fn connect_server(&self) -> Result<Arc<dyn ServerEnd>, QueueError>;

    /// Connects one more worker, known to the queue by `name`.
    async fn connect_worker(&self, name: &str) -> Result<Box<dyn WorkerEnd>, QueueError>;
}

/// The server's end of the queue.
///
/// # Guarantees
///
/// - **At least once.** A message is delivered at least once after `publish`, or a
///   worker's `report`, has returned, whichever process dies in between.
/// - **Order is not guaranteed.** Messages are usually delivered in the order in
///   which they were published; redeliveries are not.
/// - **Control is best effort.** It reaches the workers that are connected.
/// - **Cancel safe.** A future dropped before it returned has taken nothing.
/// - **It reconnects.** Waits outlast an outage of the queue.
///   [`QueueError::Unavailable`] is for messages that could not be sent in spite of
///   retries.
#[async_trait]
pub trait ServerEnd: Send + Sync + 'static {
    /// The name and the location of the queue.
    fn description(&self) -> Description;

    /// Publishes assignments in one message, which goes to one worker; returns once the queue
    /// has confirmed it.
    async fn publish(&self, assignments: &[Assignment]) -> Result<(), QueueError>;

    /// Waits for the next message of reports.
    async fn next_reports(&self) -> Result<ReportDelivery, QueueError>;

    /// Sends a control message to all workers.
    async fn control(&self, control: &Control) -> Result<(), QueueError>;

    /// Sends a control message to the worker at an [address](WorkerEnd::address); to all
    /// workers if it is no longer there.
    async fn control_one(&self, control: &Control, address: &str) -> Result<(), QueueError>;

    /// The number of messages in the queue.
    async fn depths(&self) -> Result<Depths, QueueError>;

    /// Deletes all assignments that no worker has taken, for a server that starts
    /// and publishes them again.
    async fn purge(&self) -> Result<(), QueueError>;

    /// Checks that messages pass through the queue, in some seconds at most. A probe
    /// never reaches [`ServerEnd::next_report`], and reports are probed only once that has
    /// been called.
    ///
    /// A queue inside the process always passes messages.
    ///
    /// # Errors
    ///
    /// [`QueueError::Stuck`] if only [`ServerEnd::renew`] helps.
    async fn probe(&self) -> Result<Probed, QueueError> {
        Ok(Probed::default())
    }

    /// Replaces the queue by an empty one that passes messages. Those of the old one are
    /// lost. Workers that are connected follow by themselves.
    ///
    /// A queue inside the process needs no replacement.
    async fn renew(&self) -> Result<(), QueueError> {
        Ok(())
    }
}

/// A worker's end of the queue.
///
/// The guarantees are those of [`ServerEnd`], and two more:
///
/// - **One at a time.** A worker's end with an unacknowledged delivery gets no
///   other.
/// - **Nothing is lost with a worker.** An unacknowledged delivery is delivered
///   again, marked as redelivered, once it or its worker's end is dropped.
#[async_trait]
pub trait WorkerEnd: Send + Sync + 'static {
    /// The kind of the queue, as the conventions of OpenTelemetry name it.
    fn system(&self) -> &'static str {
        "embedded"
    }

    /// Waits for the next message of assignments.
    async fn next_delivery(&self) -> Result<Delivery, QueueError>;

    /// Sends reports to the server in one message; returns once the queue has confirmed it.
    async fn report(&self, reports: &[Report]) -> Result<(), QueueError>;

    /// Waits for the next control message.
    async fn next_control(&self) -> Result<Control, QueueError>;

    /// Where control messages for this worker alone can be sent. It may change; `None` if
    /// there is no such place.
    fn address(&self) -> Option<String> {
        None
    }
}

/// Assignments that were delivered to a worker. Dropped unacknowledged, they return
/// to the queue together, for any worker.
pub struct Delivery {
    /// The assignments, in the order in which they are to be executed.
    pub assignments: Vec<Assignment>,
    /// Whether they may have been delivered before.
    pub redelivered: bool,
    receipt: Box<dyn Receipt>,
}

/// Reports that were delivered to the server. Dropped unacknowledged, they return to
/// the queue.
pub struct ReportDelivery {
    /// The reports of one worker, oldest first.
    pub reports: Vec<Report>,
    receipt: Box<dyn Receipt>,
}

/// The acknowledgement of one delivery. Dropped without it, the message returns to
/// the queue.
#[async_trait]
pub trait Receipt: Send + Sync {
    /// Acknowledges the message, so that it is not delivered again. An error means
    /// that the connection was lost, and the message may be delivered again.
    async fn ack(self: Box<Self>) -> Result<(), QueueError>;
}

impl Delivery {
    /// For implementations of [`WorkerEnd`].
    #[must_use]
    pub fn new(
        assignments: Vec<Assignment>,
        redelivered: bool,
        receipt: Box<dyn Receipt>,
    ) -> Delivery {
        Delivery { assignments, redelivered, receipt }
    }

    /// Acknowledges the assignments, whose outcomes have been reported.
    pub async fn ack(self) -> Result<(), QueueError> {
        self.receipt.ack().await
    }
}

impl ReportDelivery {
    /// For implementations of [`ServerEnd`].
    #[must_use]
    pub fn new(reports: Vec<Report>, receipt: Box<dyn Receipt>) -> ReportDelivery {
        ReportDelivery { reports, receipt }
    }

    /// Acknowledges the reports, which the server has received.
    pub async fn ack(self) -> Result<(), QueueError> {
        self.receipt.ack().await
    }
}

/// The numbers of messages in the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depths {
    /// Messages of assignments that no worker has taken.
    pub assignments: u64,
    /// Messages of reports that the server has not taken.
    pub reports: u64,
    /// Messages that could not be decoded or were delivered too often. An operator
    /// should look at them.
    pub dead_letters: u64,
}

/// What a probe of the queue has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Probed {
    /// How many times since the end connected the queue has lost its messages: it was
    /// replaced, or its broker did not have it any more.
    pub losses: u64,
}

/// Why an operation on a queue failed.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The queue is closed because the process is stopping. Do not retry.
    #[error("the queue is closed")]
    Closed,
    /// The queue refuses the operation, and a retry will not help. Change its
    /// address, user, password or permissions.
    #[error("the queue refuses this program")]
    Refused {
        /// The error of the client.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The queue does not answer. It may later.
    #[error("the queue does not answer")]
    Unavailable {
        /// The error of the client.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The queue takes or gives no messages, although its broker answers. It may have to
    /// be replaced.
    #[error("{queue} takes or gives no messages, although its broker answers")]
    Stuck {
        /// The name of the queue at the broker.
        queue: String,
        /// What was noticed.
        source: Box<dyn Error + Send + Sync>,
    },
}
