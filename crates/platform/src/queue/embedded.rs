//! A queue inside the process.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use protocol::task::{Assignment, Control, Report};
use tokio::sync::{Notify, Semaphore, broadcast};

use super::place::{QueueKind, QueuePlace};
use super::{Delivery, Depths, Queue, QueueError, Receipt, ReportDelivery, ServerEnd, WorkerEnd};
use crate::Description;

/// The text of the place of a queue inside the process.
const NAME: &str = "embedded";
/// Queues inside the process.
pub(crate) const KIND: QueueKind =
    QueueKind { form: NAME, is_shared: false, parse: |text| (text == NAME).then(|| Ok(place())) };

/// How many control messages a slow worker may fall behind by.
const CONTROL_CAPACITY: usize = 1024;

/// A queue inside the process. Clones are the same queue.
///
/// Unlike a real queue it ends with the process: its messages are lost then, but so
/// are the workers that could have taken them.
#[derive(Clone)]
pub struct EmbeddedQueue {
    assignments: Arc<Channel<Vec<Assignment>>>,
    reports: Arc<Channel<Vec<Report>>>,
    control: broadcast::Sender<Control>,
}

impl Default for EmbeddedQueue {
    fn default() -> Self {
        EmbeddedQueue {
            assignments: Arc::default(),
            reports: Arc::default(),
            control: broadcast::channel(CONTROL_CAPACITY).0,
        }
    }
}

impl EmbeddedQueue {
    /// An empty queue.
    #[must_use]
    pub fn new() -> EmbeddedQueue {
        EmbeddedQueue::default()
    }

    /// An end for one more worker.
    #[must_use]
    pub fn worker_end(&self) -> EmbeddedWorkerEnd {
        EmbeddedWorkerEnd {
            queue: self.clone(),
            prefetch: Arc::new(Semaphore::new(1)),
            control: tokio::sync::Mutex::new(self.control.subscribe()),
        }
    }
}

/// The place of a queue inside the process; each call of `open` makes a new queue.
pub(crate) fn place() -> QueuePlace {
    QueuePlace::new(NAME, Description::inside(NAME), |_| Arc::new(EmbeddedQueue::new()))
}

#[async_trait]
impl Queue for EmbeddedQueue {
    async fn connect_server(&self) -> Result<Arc<dyn ServerEnd>, QueueError> {
        Ok(Arc::new(self.clone()))
    }

    async fn connect_worker(&self, _name: &str) -> Result<Box<dyn WorkerEnd>, QueueError> {
        Ok(Box::new(self.worker_end()))
    }
}

#[async_trait]
impl ServerEnd for EmbeddedQueue {
    fn description(&self) -> Description {
        Description::inside(NAME)
    }

    async fn publish(&self, assignments: &[Assignment]) -> Result<(), QueueError> {
        self.assignments.push_back(assignments.to_vec());
        Ok(())
    }

    async fn next_reports(&self) -> Result<ReportDelivery, QueueError> {
        let (reports, _) = self.reports.take().await;
        let receipt = EmbeddedReceipt::new(&self.reports, reports.clone());
        Ok(ReportDelivery::new(reports, Box::new(receipt)))
    }

    async fn control(&self, control: &Control) -> Result<(), QueueError> {
        // An error only says that no worker is connected.
        let _ = self.control.send(control.clone());
        Ok(())
    }

    async fn control_one(&self, control: &Control, _address: &str) -> Result<(), QueueError> {
        // Its workers have no addresses.
        self.control(control).await
    }

    async fn depths(&self) -> Result<Depths, QueueError> {
        Ok(Depths {
            assignments: self.assignments.len(),
            reports: self.reports.len(),
            dead_letters: 0,
        })
    }

    async fn purge(&self) -> Result<(), QueueError> {
        self.assignments.waiting().clear();
        Ok(())
    }
}

/// One worker's end of an [`EmbeddedQueue`].
pub struct EmbeddedWorkerEnd {
    queue: EmbeddedQueue,
    /// Has a permit while the worker has no unacknowledged delivery.
    prefetch: Arc<Semaphore>,
    control: tokio::sync::Mutex<broadcast::Receiver<Control>>,
}

#[async_trait]
impl WorkerEnd for EmbeddedWorkerEnd {
    async fn next_delivery(&self) -> Result<Delivery, QueueError> {
        let permit = self.prefetch.clone().acquire_owned().await.map_err(|_| QueueError::Closed)?;
        let (assignments, redelivered) = self.queue.assignments.take().await;
        let mut receipt = EmbeddedReceipt::new(&self.queue.assignments, assignments.clone());
        receipt.permit = Some(permit);
        Ok(Delivery::new(assignments, redelivered, Box::new(receipt)))
    }

    async fn report(&self, reports: &[Report]) -> Result<(), QueueError> {
        self.queue.reports.push_back(reports.to_vec());
        Ok(())
    }

    async fn next_control(&self) -> Result<Control, QueueError> {
        loop {
            match self.control.lock().await.recv().await {
                Ok(control) => return Ok(control),
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "a worker missed control messages");
                }
                Err(broadcast::error::RecvError::Closed) => return Err(QueueError::Closed),
            }
        }
    }
}

/// Messages in order, each with whether it has been delivered before.
struct Channel<T> {
    waiting: Mutex<VecDeque<(T, bool)>>,
    arrived: Notify,
}

impl<T> Default for Channel<T> {
    fn default() -> Self {
        Channel { waiting: Mutex::default(), arrived: Notify::new() }
    }
}

impl<T> Channel<T> {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<(T, bool)>> {
        // No holder of the lock can panic in the middle of a change.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn len(&self) -> u64 {
        self.waiting().len() as u64
    }

    fn push_back(&self, message: T) {
        self.waiting().push_back((message, false));
        self.arrived.notify_one();
    }

    fn requeue(&self, message: T) {
        self.waiting().push_front((message, true));
        self.arrived.notify_one();
    }

    async fn take(&self) -> (T, bool) {
        loop {
            // Created before looking, so that no arrival in between goes unnoticed.
            let arrived = self.arrived.notified();
            let (message, more) = {
                let mut waiting = self.waiting();
                (waiting.pop_front(), !waiting.is_empty())
            };
            if let Some(message) = message {
                if more {
                    // One notification may have stood for several messages.
                    self.arrived.notify_one();
                }
                return message;
            }
            arrived.await;
        }
    }
}

/// Requeues the message when dropped, unless it was acknowledged.
struct EmbeddedReceipt<T: Send + Sync + 'static> {
    channel: Arc<Channel<T>>,
    message: Option<T>,
    permit: Option<tokio::sync::OwnedSemaphorePermit>,
}

impl<T: Send + Sync + 'static> EmbeddedReceipt<T> {
    fn new(channel: &Arc<Channel<T>>, message: T) -> EmbeddedReceipt<T> {
        EmbeddedReceipt { channel: channel.clone(), message: Some(message), permit: None }
    }
}

#[async_trait]
impl<T: Send + Sync + 'static> Receipt for EmbeddedReceipt<T> {
    async fn ack(mut self: Box<Self>) -> Result<(), QueueError> {
        self.message = None;
        Ok(())
    }
}

impl<T: Send + Sync + 'static> Drop for EmbeddedReceipt<T> {
    fn drop(&mut self) {
        if let Some(message) = self.message.take() {
            self.channel.requeue(message);
        }
    }
}
