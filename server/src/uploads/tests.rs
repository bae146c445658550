//! What clients can take with uploads that they begin and do not end well.

use bytes::Bytes;
use futures::StreamExt;
use platform::store::local::LocalStore;

use super::*;

fn uploads(store: &Arc<LocalStore>) -> Uploads {
    Uploads::new(store.clone(), 1 << 30, Duration::from_hours(24))
}

async fn begin(uploads: &Uploads) -> Result<UploadId, Problem> {
    uploads.begin("in/a.csv".to_owned(), None).await.map(|state| state.id)
}

#[tokio::test]
async fn only_uploads_that_are_not_finished_keep_others_from_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(LocalStore::open(folder.path()).unwrap());
    let first = uploads(&store);
    // At once: each looks whether there is a place before it takes it.
    let begun = futures::future::join_all((0..OPEN_MAX + 50).map(|_| begin(&first))).await;
    let (ids, refused): (Vec<_>, Vec<_>) = begun.into_iter().partition(Result::is_ok);
    let ids: Vec<UploadId> = ids.into_iter().flatten().collect();
    assert_eq!((ids.len(), refused.len()), (OPEN_MAX, 50));
    let problem = begin(&first).await.unwrap_err();
    assert_eq!(problem.kind, ProblemKind::TooManyRequests, "{problem}");
    // Finished ones may be asked for again, until somebody needs their place; after a
    // restart of the server too.
    first.finish(ids[7], None).await.unwrap();
    assert!(first.show(ids[7]).await.unwrap().is_finished);
    let second = uploads(&store);
    assert!(second.show(ids[7]).await.unwrap().is_finished);
    let new = begin(&second).await.unwrap();
    assert_eq!(second.show(ids[7]).await.unwrap_err().kind, ProblemKind::NotFound);
    for kept in [ids[0], ids[8], new] {
        assert!(!second.show(kept).await.unwrap().is_finished);
    }
    assert_eq!(begin(&second).await.unwrap_err().kind, ProblemKind::TooManyRequests);
    // Its record is gone, and no refused one has left any.
    let records = store.list(keys::UNFINISHED_UPLOADS).count().await;
    assert_eq!(records, OPEN_MAX);
}

#[tokio::test]
async fn an_upload_has_a_bounded_number_of_short_parts() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(LocalStore::open(folder.path()).unwrap());
    let first = uploads(&store);
    let id = begin(&first).await.unwrap();
    let append = async |uploads: &Uploads, offset: u64| -> Result<UploadState, Problem> {
        let mut appending = uploads.append(id, offset).await?;
        appending.write(Bytes::from_static(b"1")).await?;
        appending.flush().await
    };
    assert_eq!(append(&first, 0).await.unwrap().offset, 1);
    first.upload(id).await.unwrap().short_parts.store(SHORT_PARTS_MAX - 1, Ordering::Release);
    assert_eq!(append(&first, 1).await.unwrap().offset, 2);
    let problem = append(&first, 2).await.unwrap_err();
    assert_eq!(problem.kind, ProblemKind::LimitExceeded, "{problem}");
    assert_eq!(first.show(id).await.unwrap().offset, 2);
    // They are counted again after a restart; whole parts do not count.
    let mut appending = first.append(id, 2).await.unwrap();
    appending.write(Bytes::from(vec![b'1'; PART_BYTES])).await.unwrap();
    assert_eq!(appending.flush().await.unwrap().offset, 2 + PART_BYTES as u64);
    drop(appending);
    let second = uploads(&store);
    assert_eq!(second.upload(id).await.unwrap().short_parts.load(Ordering::Acquire), 2);
}
