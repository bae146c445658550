//! Brings the workers' reports to the driver.

use std::sync::Arc;

use platform::problems::with_sources;
use platform::retry::QUEUE_PAUSE;
use platform::{QueueError, ServerEnd};
use protocol::task::{Report, ReportBody};
use scheduler::Event;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::Fact;

/// Brings reports to the driver, one after another, until one of them is gone.
/// A report is acknowledged once the driver has it; what it leads to is in the
/// store already, so a server that ends in between loses nothing.
pub async fn pump(queue: Arc<dyn ServerEnd>, facts: mpsc::Sender<Fact>) {
    loop {
        match queue.next_report().await {
            Ok(delivery) => {
                if facts.send(Fact::Event(event(delivery.report.clone()))).await.is_err() {
                    return;
                }
                if let Err(error) = delivery.ack().await {
                    // It comes again, which does no harm.
                    tracing::warn!(error = with_sources(&error), "report not acknowledged");
                }
            }
            Err(QueueError::Closed) => return,
            Err(error) => {
                tracing::warn!(error = with_sources(&error), "no reports");
                sleep(QUEUE_PAUSE).await;
            }
        }
    }
}

/// What a report means to the scheduler.
fn event(report: Report) -> Event {
    let worker = report.worker;
    match report.body {
        ReportBody::Joined(joined) => Event::WorkerJoined { worker, joined },
        ReportBody::Alive { resident_bytes } => Event::WorkerSeen { worker, resident_bytes },
        ReportBody::Left { reason } => Event::WorkerLeft { worker, reason },
        ReportBody::Started { attempt } => Event::AttemptStarted { attempt, worker },
        ReportBody::Progressed { attempt, progress } => {
            Event::AttemptProgressed { attempt, worker, progress }
        }
        ReportBody::Completed { attempt, outcome } => {
            Event::AttemptCompleted { attempt, worker, outcome }
        }
        ReportBody::Failed { attempt, failure, progress } => {
            Event::AttemptFailed { attempt, worker, failure, progress }
        }
        ReportBody::Stopped { attempt, reason, progress } => {
            Event::AttemptStopped { attempt, worker, reason, progress }
        }
    }
}
