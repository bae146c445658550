//! The records of uploads in the store.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::TryStreamExt;
use platform::problems::internal;
use platform::store::read_all;
use platform::{ObjectStore, StoreError};
use protocol::{Problem, Timestamp};
use serde::{Deserialize, Serialize};

use super::{PART_BYTES, UploadId};
use crate::keys;

/// `upload.json`: what an upload becomes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UploadRecord {
    /// The key of the object that it becomes.
    pub(super) key: String,
    /// The size of the object in bytes, if it was announced.
    #[serde(default)]
    pub(super) bytes: Option<u64>,
    /// When it was begun, or continued last.
    pub(super) touched_at: Timestamp,
    /// The size of the object in bytes, once it was written.
    #[serde(default)]
    pub(super) finished: Option<u64>,
}

impl UploadRecord {
    /// Stores the record in place of an earlier one.
    pub(super) async fn store(&self, store: &dyn ObjectStore, id: UploadId) -> Result<(), Problem> {
        let doing = "storing the upload";
        let bytes = serde_json::to_vec(self).map_err(|error| internal(doing, &error))?;
        let put = store.put(&keys::upload_record(id), Bytes::from(bytes)).await;
        put.map_err(|error| error.own_problem(doing))
    }
}

/// The record of an upload; `None` if there is none, or it cannot be read.
pub(super) async fn load(
    store: &dyn ObjectStore,
    id: UploadId,
) -> Result<Option<UploadRecord>, Problem> {
    match read_all(store, &keys::upload_record(id)).await {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.own_problem("reading the upload")),
    }
}

/// What has arrived of an upload, in parts that lie side by side from the first byte on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Arrived {
    pub(super) bytes: u64,
    /// How many of the parts are short.
    pub(super) short_parts: u64,
}

/// The uploads in the store, and what has arrived of each.
pub(super) async fn survey(
    store: &dyn ObjectStore,
) -> Result<BTreeMap<UploadId, Arrived>, Problem> {
    let mut found = BTreeMap::new();
    let mut listing = store.list(keys::UNFINISHED_UPLOADS);
    while let Some(object) =
        listing.try_next().await.map_err(|error| error.own_problem("listing the uploads"))?
    {
        let name = &object.key[keys::UNFINISHED_UPLOADS.len()..];
        let Some((id, name)) = name.split_once('/') else { continue };
        let Ok(id) = id.parse::<UploadId>() else { continue };
        let arrived: &mut Arrived = found.entry(id).or_default();
        let begins = name.strip_prefix(keys::PARTS).and_then(|begins| begins.parse::<u64>().ok());
        if begins == Some(arrived.bytes) {
            arrived.bytes += object.bytes;
            arrived.short_parts += u64::from(object.bytes < PART_BYTES as u64);
        }
    }
    Ok(found)
}
