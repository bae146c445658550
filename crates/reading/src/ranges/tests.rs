use std::fs::{File, FileTimes, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use platform::ObjectMeta;
use platform::store::local::LocalStore;
use proptest::prelude::*;

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
    both_pinned(store, object_bytes, None)
}

/// The same, held to a pin.
fn both_pinned(
    store: &Arc<dyn ObjectStore>,
    bytes: Option<u64>,
    pin: Option<&Pin>,
) -> [Box<dyn Ranges>; 2] {
    let buffers = Arc::new(Buffers::new(2));
    let object = ObjectRef { key: "object", bytes, pin };
    [open, open_remote].map(|open| open(store, object, 10, &buffers))
}

/// The object as it is now.
async fn pin(store: &Arc<dyn ObjectStore>) -> Pin {
    let ObjectMeta { bytes, version, .. } = store.head("object").await.unwrap();
    Pin { bytes, version: version.unwrap() }
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
    let buffers = Arc::new(Buffers::new(2));
    for open in [open, open_remote] {
        let object = ObjectRef { key: "object", bytes: Some(20_000), pin: None };
        let mut ranges = open(&store, object, 8_192, &buffers);
        ranges.expect_end(1_000);
        let pieces = read(&mut *ranges).await.unwrap();
        let lengths: Vec<_> = pieces.iter().map(|(_, bytes)| bytes.len()).collect();
        assert_eq!(lengths, [1_000, 4_096, 4_096, 4_096, 4_096, 2_616]);
    }
}

/// What may happen to a file while it is read.
#[derive(Clone, Copy, Debug)]
enum Accident {
    /// Nothing.
    Nothing,
    /// Other bytes, in place.
    Overwritten,
    /// Another file of the same size, moved into its place.
    Replaced,
    /// More bytes at its end.
    Grown,
    /// Fewer bytes.
    Shrunk,
    /// The same content with another modification time.
    Touched,
    /// No file at all.
    Deleted,
}

impl Accident {
    fn happen(self, path: &Path, content: &[u8]) {
        let open = || OpenOptions::new().write(true).append(false).open(path).unwrap();
        match self {
            Accident::Nothing => {}
            Accident::Overwritten => {
                let file = open();
                file.write_all_at(&vec![0xff; content.len()], 0).unwrap();
                later(&file);
            }
            Accident::Replaced => {
                let other = path.with_extension("other");
                let mut file = File::create_new(&other).unwrap();
                file.write_all(&vec![0xff; content.len()]).unwrap();
                later(&file);
                std::fs::rename(other, path).unwrap();
            }
            Accident::Grown => {
                let file = open();
                file.write_all_at(b"more", content.len() as u64).unwrap();
                later(&file);
            }
            Accident::Shrunk => {
                let file = open();
                file.set_len(content.len() as u64 / 2).unwrap();
                later(&file);
            }
            Accident::Touched => later(&open()),
            Accident::Deleted => std::fs::remove_file(path).unwrap(),
        }
    }
}

/// Sets a time that no earlier write can have had, however coarse the clock of the file
/// system is.
fn later(file: &File) {
    let later = SystemTime::now() + Duration::from_secs(1);
    file.set_times(FileTimes::new().set_modified(later)).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever happens to a pinned file, whenever it does: what is read is what was
    /// there when it was pinned, or the read fails. It fails if the accident came
    /// before the first read.
    #[test]
    fn a_pinned_file_is_read_as_it_was_or_not_at_all(
        content in proptest::collection::vec(any::<u8>(), 1..60),
        reads_before in 0_usize..8,
        accident in prop_oneof![
            Just(Accident::Nothing), Just(Accident::Overwritten), Just(Accident::Replaced),
            Just(Accident::Grown), Just(Accident::Shrunk), Just(Accident::Touched),
            Just(Accident::Deleted),
        ],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            for which in 0..2 {
                let (folder, store) = store(&content).await;
                let path = folder.path().join("object");
                let pin = pin(&store).await;
                let bytes = content.len() as u64;
                let mut ranges =
                    both_pinned(&store, Some(bytes), Some(&pin)).into_iter().nth(which).unwrap();
                let (mut buffer, mut found) = (Vec::new(), Vec::new());
                let mut result = Ok(());
                let mut reads = 0;
                let mut has_happened = false;
                while result.is_ok() && !ranges.is_over() {
                    if reads == reads_before {
                        accident.happen(&path, &content);
                        has_happened = true;
                    }
                    reads += 1;
                    result = ranges.ready().await;
                    match ranges.next(&mut buffer) {
                        Ok(Some(piece)) => found.extend_from_slice(&buffer[..piece.bytes]),
                        Ok(None) => {}
                        Err(error) => result = Err(error),
                    }
                }
                assert_eq!(found, content[..found.len()], "{accident:?} before {reads_before}");
                match result {
                    Ok(()) => assert_eq!(found.len(), content.len()),
                    Err(StoreError::Changed { .. }) => assert!(has_happened, "{accident:?}"),
                    Err(error) => panic!("{accident:?} before {reads_before}: {error:?}"),
                }
                let is_harmless = matches!(accident, Accident::Nothing);
                if has_happened && reads_before == 0 && !is_harmless {
                    assert!(found.is_empty(), "{accident:?} was not noticed");
                }
            }
        });
    }
}
