//! Watches whether the store answers and may be written, and tells the driver.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use platform::problems::with_sources;
use platform::{ObjectStore, StoreError};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::DriverMessage;
use crate::keys;
use crate::store_lease::Fencing;

/// The interval between two requests while the store answers …
const INTERVAL: Duration = Duration::from_secs(5);
/// … and while it does not, so that jobs continue soon after it is back.
const INTERVAL_AWAY: Duration = Duration::from_millis(500);
/// The time without an answer after which the store is missed.
const PATIENCE: Duration = Duration::from_secs(4);
/// The same for files: long enough for a machine that is busy otherwise.
const PATIENCE_WITH_FILES: Duration = Duration::from_secs(60);

/// Asks the store at intervals, and forwards whether it is missed, until the driver has
/// ended. A store that answers is missed too while the lease on it has expired: it may take
/// no writes, as one whose disk is full.
pub async fn forward(
    store: Arc<dyn ObjectStore>,
    fencing: Fencing,
    messages: mpsc::Sender<DriverMessage>,
) {
    let mut last = None;
    loop {
        let missed = missed(&*store).await.or_else(|| {
            let reason = "this server's lease on the store has expired, as no write is confirmed";
            (!fencing.is_valid()).then(|| reason.to_owned())
        });
        let pause = if missed.is_some() { INTERVAL_AWAY } else { INTERVAL };
        if last != missed {
            let message = DriverMessage::StoreWatched { missed: missed.clone() };
            if messages.send(message).await.is_err() {
                return;
            }
            last = missed;
        }
        sleep(pause).await;
    }
}

/// Why the store is missed; `None` if it answers.
async fn missed(store: &dyn ObjectStore) -> Option<String> {
    // A listing also notices a bucket that is gone.
    let mut listing = store.list(keys::GARBAGE);
    // Files wait for a thread at times, which is no outage.
    let is_network = store.reader(keys::GARBAGE, None).is_none();
    let patience = if is_network { PATIENCE } else { PATIENCE_WITH_FILES };
    match timeout(patience, listing.next()).await {
        Ok(Some(Err(error))) if is_outage(&error) => Some(with_sources(&error)),
        Ok(_) => None,
        Err(_) => Some(store.trouble().unwrap_or_else(|| {
            format!("it has not answered within {} seconds", patience.as_secs())
        })),
    }
}

/// Whether an error says that no job can use the store.
fn is_outage(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable { .. } | StoreError::Denied { .. })
}
