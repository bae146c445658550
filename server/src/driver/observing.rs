//! Brings what the pool sees to the driver.

use tokio::sync::{mpsc, watch};

use super::Fact;
use crate::pool::Observed;

/// Brings what the pool sees to the driver whenever that changes, the latest
/// only, until one of them is gone.
pub async fn pump(mut observed: watch::Receiver<Observed>, facts: mpsc::Sender<Fact>) {
    loop {
        let latest = observed.borrow_and_update().clone();
        if facts.send(Fact::PoolObserved { observed: latest }).await.is_err() {
            return;
        }
        if observed.changed().await.is_err() {
            return;
        }
    }
}
