//! How many objects are open at once, and how often their bytes are read.

use std::sync::Arc;

use platform::ObjectStore;
use platform::store::local::LocalStore;
use protocol::request::GeneratedFormat;
use reading::{Buffers, ObjectRef, open_remote};
use summation::{Block, Detection, Format, HEAD_BYTES};

use super::counted::{CountedStore, INPUTS};
use super::scene::Scene;

/// The rule: never six.
const OPEN_MAX: usize = 5;

/// The mean by adding everything in memory, one object after the other.
fn mean_of(files: &[Vec<u8>]) -> Vec<f64> {
    let mut sum: Option<summation::PartialSum> = None;
    for bytes in files {
        let detection = Format::detect(bytes, bytes.len() as u64, None);
        let Ok(Detection::Format(format)) = detection else { panic!("{detection:?}") };
        let mut decoder = format.decoder(bytes.len() as u64);
        let mut block = Block::default();
        decoder.decode(bytes, true, usize::MAX, &mut block).expect("as it was written");
        let sum = sum.get_or_insert_with(|| summation::PartialSum::new(block.len(), &[]));
        sum.add(0, &block);
        sum.count_objects(1);
    }
    sum.expect("as it was written").mean()
}

/// Sums objects and holds the task to everything that is promised of it.
async fn check(scene: &Scene) {
    let ended = scene.sum().await;
    let outcome = ended.outcome();
    assert_eq!(outcome.columns, scene.columns);
    let files: Vec<Vec<u8>> = scene.files();
    let (found, expected) = (ended.mean(scene).await, mean_of(&files));
    assert!(found.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits()));
    assert_eq!(found.len(), expected.len());

    let seen = ended.store.seen();
    let objects = scene.objects.len();
    let label = format!("{objects} objects, files: {}", scene.has_files);
    assert_eq!(seen.read.len(), objects, "{label}");
    assert_eq!(seen.open_max, objects.min(OPEN_MAX), "{label}");
    assert_eq!(outcome.progress.open_objects_max as usize, objects.min(OPEN_MAX), "{label}");
    assert_eq!(seen.read_bytes, outcome.progress.input_read_bytes, "{label}");
    check_read_bytes(scene, seen.read_bytes, &label);
}

/// Each byte is read once; of text that cannot stay open, a little is read in
/// vain at the end of each segment, for where that is shows only then.
fn check_read_bytes(scene: &Scene, read: u64, label: &str) {
    let bytes = scene.bytes();
    assert!(read >= bytes, "{label}: {read} of {bytes} bytes were read");
    let is_text = scene.objects[0].bytes > scene.columns * 8 + HEAD_BYTES as u64;
    let in_vain = if is_text && scene.objects.len() > OPEN_MAX { bytes / 40 } else { 0 };
    assert!(read <= bytes + in_vain, "{label}: {read} bytes were read of {bytes}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_every_fan_in_at_most_five_objects_are_open_and_each_byte_is_read_once() {
    for format in [GeneratedFormat::Npy, GeneratedFormat::Csv] {
        for objects in (2..=12).chain([23]) {
            for has_files in [true, false] {
                // Three segments and a part of a fourth.
                let mut scene = Scene::generate(objects, 50_000, format);
                scene.has_files = has_files;
                check(&scene).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_one_segment_are_read_once_too() {
    for format in [GeneratedFormat::Npy, GeneratedFormat::Csv] {
        for has_files in [true, false] {
            let mut scene = Scene::generate(12, 16_384, format);
            scene.has_files = has_files;
            check(&scene).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_columns_that_are_another_tasks_nothing_is_read() {
    for has_files in [true, false] {
        let mut scene = Scene::generate(3, 200_000, GeneratedFormat::Npy);
        scene.has_files = has_files;
        scene.end_segment = Some(1);
        // Larger than the task's columns, as ranges of a store are.
        scene.settings.range_bytes = 1 << 20;
        let ended = scene.sum().await;
        assert_eq!(ended.outcome().columns, scene.columns);
        let bytes = 3 * (8 * scene.segment_columns + HEAD_BYTES as u64);
        let read = ended.store.seen().read_bytes;
        assert!(read <= bytes, "files: {has_files}: {read} bytes were read of {bytes}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_of_another_length_is_told_with_five_open_at_most() {
    for (name, numbers) in [("short", 20_000), ("long", 60_000), ("a segment more", 70_000)] {
        for place in [0, 3, 7] {
            for has_files in [true, false] {
                let mut scene = Scene::generate(11, 50_000, GeneratedFormat::Csv);
                scene.has_files = has_files;
                let text = vec!["0.5"; numbers].join(",");
                scene.add(name, text.as_bytes());
                let odd = scene.objects.pop().unwrap();
                scene.objects.insert(place, odd);
                let ended = scene.sum().await;
                let detail = &ended.failure().problem.detail;
                assert!(detail.contains(name), "{detail}");
                assert!(detail.contains(&numbers.to_string()), "{detail}");
                assert!(detail.contains("50000"), "{detail}");
                assert!(ended.store.seen().open_max <= OPEN_MAX);
            }
        }
    }
}

/// An object is closed while its next range is on its way, and that ends later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_waits_for_the_request_of_one_that_was_closed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let counted =
        Arc::new(CountedStore::new(LocalStore::open(folder.path()).expect("a store"), false));
    let store: Arc<dyn ObjectStore> = counted.clone();
    let keys: Vec<String> = (0..50).map(|object| format!("{INPUTS}{object}")).collect();
    for key in &keys {
        store.put(key, vec![0; 100].into()).await.expect("a store");
    }
    let buffers = Arc::new(Buffers::new(1));
    for key in &keys {
        let object = ObjectRef { key, bytes: Some(100), pin: None };
        let mut ranges = open_remote(&store, object, 10, &buffers);
        ranges.ready().await.expect("a range");
    }
    let seen = counted.seen();
    assert_eq!((seen.read.len(), seen.open_max), (50, 1));
}
