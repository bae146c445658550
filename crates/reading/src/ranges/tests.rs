use bytes::Bytes;
use platform::store::local::LocalStore;

use super::*;

/// All bytes that are read, and the start of each piece.
async fn read(ranges: &mut dyn Ranges) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
    let mut pieces = Vec::new();
    let mut buffer = Vec::new();
    while !ranges.is_over() {
        ranges.ready().await?;
        while let Some(Piece { offset, bytes }) = ranges.next(&mut buffer)? {
            pieces.push((offset, buffer[..bytes].to_vec()));
        }
    }
    Ok(pieces)
}

async fn store(bytes: &[u8]) -> (tempfile::TempDir, Arc<dyn ObjectStore>) {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::open(folder.path()).unwrap();
    store.put("object", Bytes::copy_from_slice(bytes)).await.unwrap();
    (folder, Arc::new(store))
}

/// Both implementations, at the object's beginning.
fn both(store: &Arc<dyn ObjectStore>, object_bytes: Option<u64>) -> [Box<dyn Ranges>; 2] {
    let buffers = Arc::new(Buffers::new(4));
    [open, open_remote].map(|open| open(store, "object", object_bytes, 10, &buffers))
}

#[tokio::test]
async fn extents_are_read_one_after_another_in_ranges() {
    let content: Vec<u8> = (0..100).collect();
    let (_folder, store) = store(&content).await;
    for mut ranges in both(&store, Some(100)) {
        ranges.seek(Box::new([5..30, 0..1, 98..100].into_iter()));
        let pieces = read(&mut *ranges).await.unwrap();
        let found: Vec<_> = pieces.iter().map(|(offset, bytes)| (*offset, bytes.len())).collect();
        assert_eq!(found, [(5, 10), (15, 10), (25, 5), (0, 1), (98, 2)]);
        for (offset, bytes) in pieces {
            let start = usize::try_from(offset).unwrap();
            assert_eq!(bytes, content[start..][..bytes.len()]);
        }
        assert!(ranges.is_over());
        assert_eq!(ranges.next(&mut Vec::new()).unwrap(), None);
    }
}

#[tokio::test]
async fn an_object_of_unknown_length_is_read_to_its_end() {
    for length in [0, 5, 10, 20, 25] {
        let content: Vec<u8> = (0..length).collect();
        let (_folder, store) = store(&content).await;
        for mut ranges in both(&store, None) {
            let pieces = read(&mut *ranges).await.unwrap();
            let found: Vec<u8> = pieces.into_iter().flat_map(|(_, bytes)| bytes).collect();
            assert_eq!(found, content);
        }
    }
}

#[tokio::test]
async fn an_object_that_became_shorter_is_an_error() {
    let (_folder, store) = store(&[1; 25]).await;
    for mut ranges in both(&store, Some(26)) {
        let error = read(&mut *ranges).await.unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("ends at byte 25"), "{source}");
    }
}

#[tokio::test]
async fn little_is_read_behind_the_expected_end() {
    let (_folder, store) = store(&vec![7; 20_000]).await;
    let buffers = Arc::new(Buffers::new(4));
    for open in [open, open_remote] {
        let mut ranges = open(&store, "object", Some(20_000), 8_192, &buffers);
        ranges.expect_end(1_000);
        let pieces = read(&mut *ranges).await.unwrap();
        let lengths: Vec<_> = pieces.iter().map(|(_, bytes)| bytes.len()).collect();
        assert_eq!(lengths, [1_000, 4_096, 4_096, 4_096, 4_096, 2_616]);
    }
}
