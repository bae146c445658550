//! Forwards the depths of the queue to the driver.

use std::sync::Arc;
use std::time::Duration;

use platform::problems::with_sources;
use platform::{Description, ServerEnd};
use protocol::worker::QueueSnapshot;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::DriverMessage;

/// The interval between two requests.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// The time without an answer after which the queue is shown as silent.
const SILENT_AFTER: Duration = Duration::from_secs(5);

/// Requests the depths of the queue at intervals and forwards changes, until the
/// driver has ended.
pub async fn forward(
    queue: Arc<dyn ServerEnd>,
    management_url: Option<String>,
    messages: mpsc::Sender<DriverMessage>,
) {
    let mut last = None;
    let Description { name, location } = queue.description();
    let mut seen = QueueSnapshot { name, location, management_url, ..QueueSnapshot::default() };
    loop {
        let missed;
        match timeout(SILENT_AFTER, queue.depths()).await {
            Ok(Ok(depths)) => {
                seen.assignments = depths.assignments;
                seen.reports = depths.reports;
                seen.dead_letters = depths.dead_letters;
                missed = None;
            }
            Ok(Err(error)) => missed = Some(with_sources(&error)),
            Err(_) => {
                let reason = format!("no answer within {} seconds", SILENT_AFTER.as_secs());
                missed = Some(reason);
            }
        }
        seen.silent = missed.is_some();
        let now = (seen.clone(), missed);
        if last.as_ref() != Some(&now) {
            let (queue, missed) = now.clone();
            if messages.send(DriverMessage::QueueChanged { queue, missed }).await.is_err() {
                return;
            }
            last = Some(now);
        }
        sleep(POLL_INTERVAL).await;
    }
}
