//! Forwards the pool's view of its workers to the driver.

use tokio::sync::{mpsc, watch};

use super::DriverMessage;
use crate::pool::Observed;

/// Forwards the latest view whenever it has changed, until the pool or the driver
/// has ended.
pub async fn forward(
    mut observed: watch::Receiver<Observed>,
    messages: mpsc::Sender<DriverMessage>,
) {
    loop {
        let latest = observed.borrow_and_update().clone();
        if messages.send(DriverMessage::PoolObserved { observed: latest }).await.is_err() {
            return;
        }
        if observed.changed().await.is_err() {
            return;
        }
    }
}
