//! Segments that are damaged, as a loss of power may leave them, or gone.

use std::fs;
use std::path::Path;

use protocol::request::GeneratedFormat;
use protocol::task::{LostSegment, Progress, ReportBody, StopReason, Work};

use super::scene::{OUTPUT, Scene};

const COLUMNS: u64 = 1000;
const SEGMENTS: u64 = 10;

fn scene(format: GeneratedFormat, has_files: bool) -> Scene {
    let mut scene = Scene::generate(7, COLUMNS, format);
    (scene.segment_columns, scene.has_files) = (COLUMNS / SEGMENTS, has_files);
    scene
}

/// The ways in which a file is damaged.
fn damages() -> [fn(&Path); 3] {
    [
        |file| fs::write(file, b"").expect("emptied"),
        |file| {
            let bytes = fs::read(file).expect("it is there");
            fs::write(file, &bytes[..bytes.len() / 2]).expect("cut");
        },
        |file| {
            let length = fs::read(file).expect("it is there").len();
            fs::write(file, vec![0; length]).expect("filled with zeros");
        },
    ]
}

/// Damages segments of a task that is complete, and has it executed again.
async fn computed_again(mut scene: Scene, damaged: &[u64], damage: fn(&Path)) -> Progress {
    let first = scene.sum().await;
    let expected = first.mean(&scene).await;
    damaged.iter().for_each(|segment| damage(&scene.segment(OUTPUT, *segment)));
    scene.resume = true;
    let again = scene.sum().await;
    let outcome = again.outcome();
    assert_eq!(outcome.columns, COLUMNS, "{damaged:?}");
    assert_eq!(again.mean(&scene).await, expected, "{damaged:?}");
    outcome.progress
}

#[tokio::test]
async fn empty_segments_are_computed_again_and_no_other() {
    let [empty, ..] = damages();
    for format in [GeneratedFormat::Csv, GeneratedFormat::Npy] {
        for has_files in [true, false] {
            let all: Vec<u64> = (0..SEGMENTS).collect();
            for damaged in [&[0][..], &[9], &[4], &[0, 1, 5, 6, 8], &[8, 9], &all] {
                let progress = computed_again(scene(format, has_files), damaged, empty).await;
                let count = damaged.len() as u64;
                let counts = (progress.segments_written, progress.segments_reused);
                assert_eq!(counts, (count, SEGMENTS - count), "{format:?} {damaged:?}");
            }
        }
    }
}

/// Text goes on behind the last segment that is there, so that one is read.
#[tokio::test]
async fn text_does_not_go_on_behind_a_damaged_segment() {
    for damage in damages() {
        for damaged in [&[9][..], &[7, 8, 9]] {
            let progress = computed_again(scene(GeneratedFormat::Csv, true), damaged, damage).await;
            assert_eq!(progress.segments_written, damaged.len() as u64);
        }
    }
}

#[tokio::test]
async fn a_merge_deletes_a_damaged_segment_and_says_which_it_is() {
    for has_files in [true, false] {
        for damage in damages() {
            let mut scene = scene(GeneratedFormat::Npy, has_files);
            scene.sum().await;
            // Two equal partial sums, and the second has a damaged segment.
            let children = ["sums/1/0/".to_owned(), "sums/1/1/".to_owned()];
            for segment in 0..SEGMENTS {
                for child in &children {
                    let to = scene.segment(child, segment);
                    fs::create_dir_all(to.parent().expect("a folder")).expect("made");
                    fs::copy(scene.segment(OUTPUT, segment), to).expect("copied");
                }
            }
            let damaged = scene.segment(&children[1], 6);
            damage(&damaged);
            scene.work = Some(Work::Merge { partial_sums: children.to_vec() });
            let lost = StopReason::SegmentLost(LostSegment { input: 1, segment: 6 });
            // The second time it is gone.
            for written in [6, 0] {
                let ReportBody::Stopped { reason, progress, .. } = scene.sum().await.body else {
                    panic!("the segment cannot be added");
                };
                assert_eq!((reason, progress.segments_written), (lost, written));
                assert!(!damaged.exists(), "it must be computed again");
                scene.resume = true;
            }
            fs::copy(scene.segment(&children[0], 6), damaged).expect("computed again");
            let outcome = scene.sum().await;
            assert_eq!(outcome.outcome().progress.segments_written, 4);
        }
    }
}
