//! Listings, page by page.

use std::collections::VecDeque;

use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use super::order::Order;
use super::{Failure, Shared};
use crate::StoreError;
use crate::store::{ObjectMeta, check_key};

/// How many objects one request can delete.
const DELETE_MAX: usize = 1000;

/// Where a listing is.
struct Place {
    prefix: String,
    /// What puts it in order, if the store does not.
    order: Option<Order>,
    /// Objects to give out before the next page is asked for.
    page: VecDeque<ObjectMeta>,
    /// What the next page is asked for with; `None` before the first.
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
        let place = Place {
            prefix: prefix.to_owned(),
            order: (!self.lists_in_order).then(|| Order::new(prefix)),
            page: VecDeque::new(),
            token: None,
            last_page: false,
        };
        stream::try_unfold(place, move |mut place| async move {
            loop {
                if let Some(object) = place.page.pop_front() {
                    return Ok(Some((object, place)));
                }
                if place.last_page {
                    return Ok(None);
                }
                self.next_page(&mut place).await?;
            }
        })
        .boxed()
    }

    async fn next_page(&self, place: &mut Place) -> Result<(), StoreError> {
        let answer = self
            .retrying(&place.prefix, || async {
                self.client
                    .list_objects_v2()
                    .bucket(&self.bucket)
                    .prefix(format!("{}{}", self.prefix, place.prefix))
                    .set_continuation_token(place.token.clone())
                    .send()
                    .await
                    .map_err(|error| Failure::of("ListObjectsV2", &error))
            })
            .await?;
        place.last_page = answer.is_truncated() != Some(true);
        place.token = answer.next_continuation_token;
        for object in answer.contents.unwrap_or_default() {
            let Some(key) = object.key.as_deref().and_then(|it| it.strip_prefix(&self.prefix))
            else {
                continue;
            };
            let bytes = u64::try_from(object.size.unwrap_or(0)).unwrap_or(0);
            // Some tools put an empty object where they want a folder to be seen.
            if key.ends_with('/') && bytes == 0 {
                continue;
            }
            let object = ObjectMeta { key: key.to_owned(), bytes };
            match &mut place.order {
                Some(order) => order.push(object, |it| place.page.push_back(it)),
                None => place.page.push_back(object),
            }
        }
        if let (true, Some(order)) = (place.last_page, &mut place.order) {
            order.finish(|it| place.page.push_back(it));
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
