//! Power is lost at every moment of a job, and the server starts again on what is left.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use clap::Parser;
use platform::ObjectStore;
use platform::store::local::LocalStore;
use platform::store::local::power_loss::{Losses, PowerLog};
use protocol::{FanIn, Inputs, JobId, JobRequest, JobSnapshot, Phase};
use server::arguments::{Arguments, Command};
use server::engine::Engine;
use server::keys;
use server::parts;
use tokio::time::timeout;
use traces::Traces;

use super::client::PATIENCE;
use super::exact;

/// Columns of the inputs, and of a segment: each node has four segments.
const COLUMNS: u32 = 200;
const SEGMENT_COLUMNS: u64 = 64;

/// A server without its pages, on a store that is open.
async fn start(store: Arc<dyn ObjectStore>, inputs: &Path) -> Engine {
    let allowed = format!("file://{}", inputs.display());
    let fixed = ["distributed-average", "serve", "--workers", "2", "--allow-inputs", &allowed];
    let Command::Serve(arguments) = Arguments::parse_from(fixed).command else {
        panic!("serve is serve");
    };
    let mut parts = parts::for_serving(&arguments, store, Traces::default()).await.expect("parts");
    parts.planner.limits.segment_columns = SEGMENT_COLUMNS;
    let settings = parts::settings(&arguments, 2);
    Engine::start(parts, settings, 2).await.expect("an engine")
}

/// Waits until a job is over.
async fn over(engine: &Engine, job: JobId) -> Arc<JobSnapshot> {
    let mut versions = engine.board().watch();
    let waiting = async {
        loop {
            versions.borrow_and_update();
            let snapshot = engine.job(job).await.expect("it is there");
            if snapshot.phase.is_over() {
                return snapshot;
            }
            versions.changed().await.expect("the board lasts");
        }
    };
    timeout(PATIENCE, waiting).await.expect("the job ends")
}

/// The inputs: four arrays as .npy or as text, and their exact mean.
fn write_inputs(folder: &Path, extension: &str) -> Vec<f64> {
    let numbers = |file: u32| (0..COLUMNS).map(move |n| f64::from(n * 7 + file * 3) / 8.0 + 1.0);
    let arrays: Vec<Vec<f64>> = (1..=4).map(|file| numbers(file).collect()).collect();
    for (file, array) in arrays.iter().enumerate() {
        let bytes = match extension {
            "npy" => exact::to_npy(&format!("{COLUMNS},"), array),
            _ => array.iter().map(f64::to_string).collect::<Vec<_>>().join(",").into_bytes(),
        };
        std::fs::write(folder.join(format!("{file}.{extension}")), bytes).expect("written");
    }
    exact::mean(&arrays)
}

/// A job that was recorded, and when its user was told of it.
struct Recorded {
    log: Arc<PowerLog>,
    job: JobId,
    /// How many changes there were when the job was accepted …
    submitted: usize,
    /// … and when it was shown as done.
    done: usize,
}

async fn record(inputs: &Path) -> Recorded {
    let folder = tempfile::tempdir().expect("a folder");
    let log = PowerLog::new(folder.path());
    let store = LocalStore::open_witnessed(folder.path(), log.clone()).expect("a store");
    let engine = start(Arc::new(store), inputs).await;
    let request = JobRequest {
        fan_in: FanIn::Fixed(2),
        ..JobRequest::new(Inputs::Prefix(format!("file://{}/", inputs.display())))
    };
    let request = request.validate().expect("a valid request");
    let job = engine.submit(request, None).await.expect("accepted");
    let submitted = log.changes();
    let ended = over(&engine, job).await;
    let done = log.changes();
    assert_eq!(ended.phase, Phase::Done, "{:?}", ended.error);
    engine.stop().await;
    Recorded { log, job, submitted, done }
}

async fn every_job_ends_right(extension: &str, seeds: u64) {
    let inputs = tempfile::tempdir().expect("a folder");
    let expected = exact::bits(&write_inputs(inputs.path(), extension));
    let Recorded { log, job, submitted, done } = record(inputs.path()).await;
    let (mut total, mut torn_jobs) = (Losses::default(), BTreeSet::new());
    for changes in 0..=log.changes() {
        for seed in 0..seeds {
            let when = format!("after {changes} of {} changes, seed {seed}", log.changes());
            let folder = tempfile::tempdir().expect("a folder");
            let losses = log.leave(changes, seed, folder.path()).expect("a folder");
            total.entries += losses.entries;
            total.torn += losses.torn;
            let store: Arc<dyn ObjectStore> =
                Arc::new(LocalStore::open_scratch(folder.path()).expect("a store"));
            let engine = start(store.clone(), inputs.path()).await;
            let found = engine.job(job).await.ok();
            assert!(found.is_some() || changes < submitted, "the job is lost {when}");
            if let Some(found) = found {
                let is_done = found.phase == Phase::Done;
                assert!(is_done || changes < done, "the job was done, and is not, {when}");
                if !is_done && losses.torn > 0 {
                    torn_jobs.insert(changes);
                }
                let ended = over(&engine, job).await;
                assert_eq!(ended.phase, Phase::Done, "{:?} {when}", ended.error);
                let bytes = platform::store::read_all(&*store, &keys::mean(job)).await;
                let bytes = bytes.unwrap_or_else(|error| {
                    panic!("no result {when} (done before: {is_done}): {error}")
                });
                let mean = exact::parse_npy(&bytes);
                assert_eq!(exact::bits(&mean), expected, "{when}");
                server::results::StoredResult::open(store, job, None).await.expect("verified");
            }
            engine.stop().await;
        }
    }
    assert!(total.entries > 100 && torn_jobs.len() > 10, "power was lost: {total:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_of_arrays_survives_a_loss_of_power_at_any_moment() {
    every_job_ends_right("npy", 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_of_text_survives_a_loss_of_power_at_any_moment() {
    every_job_ends_right("csv", 2).await;
}
