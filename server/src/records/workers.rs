//! The number of workers that was set by hand, which outlives the server.

use bytes::Bytes;
use platform::problems::internal;
use platform::store::read_all;
use platform::{ObjectStore, StoreError};
use protocol::Problem;
use serde::{Deserialize, Serialize};

use crate::keys;

/// `workers-by-hand.json`
#[derive(Debug, Serialize, Deserialize)]
struct WorkersRecord {
    /// How many there should be.
    desired: u32,
}

/// Stores the number of workers that was set by hand; `None` if it follows from the jobs.
///
/// # Errors
///
/// If the store does not answer.
pub async fn store_workers_by_hand(
    store: &dyn ObjectStore,
    by_hand: Option<u32>,
) -> Result<(), Problem> {
    let doing = "storing the number of workers";
    let stored = match by_hand {
        Some(desired) => {
            let bytes = serde_json::to_vec(&WorkersRecord { desired });
            let bytes = bytes.map_err(|error| internal(doing, &error))?;
            store.put(keys::WORKERS_BY_HAND, Bytes::from(bytes)).await
        }
        None => store.delete(keys::WORKERS_BY_HAND).await,
    };
    stored.map_err(|error| error.problem(doing))
}

/// The number of workers that was set by hand, if one was. A record that cannot be read is
/// none: jobs go on with as many workers as they ask for.
///
/// # Errors
///
/// If the store does not answer.
pub async fn workers_by_hand(store: &dyn ObjectStore) -> Result<Option<u32>, Problem> {
    match read_all(store, keys::WORKERS_BY_HAND).await {
        Ok(bytes) => match serde_json::from_slice::<WorkersRecord>(&bytes) {
            Ok(record) => Ok(Some(record.desired)),
            Err(error) => {
                tracing::warn!(%error, key = keys::WORKERS_BY_HAND, "record not read");
                Ok(None)
            }
        },
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.own_problem("reading the number of workers")),
    }
}
