//! Listings, page by page, and deletion by prefix.

use std::collections::VecDeque;

use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use protocol::ObjectVersion;

use super::order::Order;
use super::{Failure, Shared};
use crate::StoreError;
use crate::store::{ObjectMeta, check_key};

/// The most objects that one request can delete.
const DELETE_MAX: usize = 1000;

/// The state of a listing.
struct Cursor {
    prefix: String,
    /// Sorts the listing, if the store does not.
    order: Option<Order>,
    /// Objects to return before the next page is requested.
    page: VecDeque<ObjectMeta>,
    /// The continuation token of the next page; `None` before the first.
    token: Option<String>,
    last_page: bool,
}

impl Shared {
    pub(super) fn list<'a>(
        &'a self,
        prefix: &str,
    ) -> BoxStream<'a, Result<ObjectMeta, StoreError>> {
        let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        if !folder.is_empty()
            && let Err(error) = check_key(folder)
        {
            return stream::iter([Err(error)]).boxed();
        }
        let cursor = Cursor {
            prefix: prefix.to_owned(),
            order: (!self.lists_in_order).then(|| Order::new(prefix)),
            page: VecDeque::new(),
            token: None,
            last_page: false,
        };
        stream::try_unfold(cursor, move |mut cursor| async move {
            loop {
                if let Some(object) = cursor.page.pop_front() {
                    return Ok(Some((object, cursor)));
                }
                if cursor.last_page {
                    return Ok(None);
                }
                self.next_page(&mut cursor).await?;
            }
        })
        .boxed()
    }

    async fn next_page(&self, cursor: &mut Cursor) -> Result<(), StoreError> {
        let answer = self
            .retrying(&cursor.prefix, || async {
                self.client
                    .list_objects_v2()
                    .bucket(&self.bucket)
                    .prefix(format!("{}{}", self.prefix, cursor.prefix))
                    .set_continuation_token(cursor.token.clone())
                    .send()
                    .await
                    .map_err(|error| Failure::of("ListObjectsV2", &error))
            })
            .await?;
        cursor.last_page = answer.is_truncated() != Some(true);
        cursor.token = answer.next_continuation_token;
        for object in answer.contents.unwrap_or_default() {
            let Some(key) = object.key.as_deref().and_then(|it| it.strip_prefix(&self.prefix))
            else {
                continue;
            };
            let bytes = u64::try_from(object.size.unwrap_or(0)).unwrap_or(0);
            // Some tools create an empty object to represent a folder.
            if key.ends_with('/') && bytes == 0 {
                continue;
            }
            let version = object.e_tag.as_deref().map(ObjectVersion::of_etag);
            let object = ObjectMeta { key: key.to_owned(), bytes, version };
            match &mut cursor.order {
                Some(order) => order.push(object, |it| cursor.page.push_back(it)),
                None => cursor.page.push_back(object),
            }
        }
        if let (true, Some(order)) = (cursor.last_page, &mut cursor.order) {
            order.finish(|it| cursor.page.push_back(it));
        }
        Ok(())
    }

    pub(super) async fn delete_prefix(&self, prefix: &str) -> Result<(), StoreError> {
        let mut batches = self.list(prefix).try_chunks(DELETE_MAX);
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(|error| error.1)?;
            self.delete_batch(prefix, &batch).await?;
        }
        Ok(())
    }

    async fn delete_batch(&self, prefix: &str, batch: &[ObjectMeta]) -> Result<(), StoreError> {
        const OPERATION: &str = "DeleteObjects";
        let key = |object: &ObjectMeta| {
            ObjectIdentifier::builder().key(format!("{}{}", self.prefix, object.key)).build()
        };
        let keys: Result<Vec<_>, _> = batch.iter().map(key).collect();
        let delete =
            keys.and_then(|keys| Delete::builder().set_objects(Some(keys)).quiet(true).build());
        let delete = delete.map_err(|error| StoreError::Unavailable {
            key: prefix.to_owned(),
            source: Box::new(error),
        })?;
        self.retrying(prefix, || async {
            let answer = self
                .client
                .delete_objects()
                .bucket(&self.bucket)
                .delete(delete.clone())
                .send()
                .await
                .map_err(|error| Failure::of(OPERATION, &error))?;
            for error in answer.errors() {
                let failure =
                    Failure::of_one(OPERATION, error.code(), error.message().unwrap_or("failed"));
                if !failure.is_not_found() {
                    return Err(failure);
                }
            }
            Ok(())
        })
        .await
    }
}
