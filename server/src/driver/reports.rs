//! Forwards the workers' reports to the driver.

mod bounds;

use std::sync::Arc;

use platform::problems::with_sources;
use platform::retry::QUEUE_PAUSE;
use platform::{QueueError, ServerEnd};
use protocol::task::{Report, ReportBody};
use scheduler::Event;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::DriverMessage;

/// Forwards reports until the queue is closed or the driver has ended, those of a message
/// together.
///
/// They are acknowledged once they are in the driver's channel. The segments that
/// they report are in the store already, so a server that ends in between loses
/// nothing. Workers are not believed anything that would harm the server
/// ([`bounds`]); whether there is such an attempt, the scheduler knows.
pub async fn forward(queue: Arc<dyn ServerEnd>, messages: mpsc::Sender<DriverMessage>) {
    loop {
        match queue.next_reports().await {
            Ok(mut delivery) => {
                let reports = std::mem::take(&mut delivery.reports);
                let events: Vec<Event> = reports.into_iter().filter_map(believed).collect();
                if messages.send(DriverMessage::Reported { events }).await.is_err() {
                    return;
                }
                if let Err(error) = delivery.ack().await {
                    // It is delivered again, which the scheduler ignores.
                    tracing::warn!(error = with_sources(&error), "report not acknowledged");
                }
            }
            Err(QueueError::Closed) => return,
            Err(error) => {
                tracing::warn!(error = with_sources(&error), "reports not received");
                sleep(QUEUE_PAUSE).await;
            }
        }
    }
}

/// The event of the scheduler for a report; `None` if it is not believed. What was reported
/// is lost then, as if its worker were.
fn believed(report: Report) -> Option<Event> {
    let bounded = bounds::bounded(report);
    bounded
        .inspect_err(|reason| tracing::error!(%reason, "report of a worker ignored"))
        .ok()
        .map(event)
}

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
