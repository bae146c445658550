//! Brings what waits in the queue to the driver.

use std::sync::Arc;
use std::time::Duration;

use platform::ServerEnd;
use platform::problems::with_sources;
use protocol::worker::QueueSnapshot;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::Fact;

/// How often the queue is asked.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Asks the queue how much waits in it and tells the driver what is new, until
/// the driver is gone.
pub async fn pump(
    queue: Arc<dyn ServerEnd>,
    management_url: Option<String>,
    facts: mpsc::Sender<Fact>,
) {
    let mut last = None;
    loop {
        match queue.depths().await {
            Ok(depths) if last != Some(depths) => {
                let queue = QueueSnapshot {
                    assignments: depths.assignments,
                    reports: depths.reports,
                    dead_letters: depths.dead_letters,
                    management_url: management_url.clone(),
                };
                if facts.send(Fact::QueueSeen { queue }).await.is_err() {
                    return;
                }
                last = Some(depths);
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(error = with_sources(&error), "depths not known"),
        }
        sleep(LOOK_EVERY).await;
    }
}
