//! Garbage collection, and a full disk.

use std::path::Path;
use std::sync::Arc;

use platform::WorkerEnd;
use platform::queue::embedded::EmbeddedQueue;
use protocol::Timestamp;
use protocol::task::{Joined, Progress, Report, ReportBody, StopReason, segment_key};
use serde_json::json;
use server::pool::external::ExternalPool;
use tokio::time::timeout;

use super::client::PATIENCE;
use super::exact;
use super::running::Running;
use super::small_disk::SmallDisk;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_up_that_was_interrupted_is_finished_by_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let keeping = Running::start_with(folder.path(), &["--keep-partial-sums"]).await;
    let inputs = json!({"inputs": {"generate": {"files": 9, "count": 100}}, "fan_in": 3});
    let [marked, kept, half_deleted] = [
        keeping.submit(&inputs).await,
        keeping.submit(&inputs).await,
        keeping.submit(&inputs).await,
    ];
    for job in [&marked, &kept, &half_deleted] {
        assert_eq!(keeping.follow(job).await["phase"], "done");
    }
    keeping.stop().await;
    // The state after a server that ended in the middle of either.
    let sums = |job: &str| folder.path().join("jobs").join(job).join("sums");
    std::fs::create_dir_all(folder.path().join("cleaning")).unwrap();
    std::fs::write(folder.path().join("cleaning").join(&marked), "").unwrap();
    let mark = folder.path().join("index").join(format!("{half_deleted}.deleted"));
    std::fs::write(&mark, "").unwrap();
    std::fs::write(folder.path().join("index").join(&half_deleted), "").unwrap();
    std::fs::remove_file(folder.path().join("jobs").join(&half_deleted).join("request.json"))
        .unwrap();
    assert!(sums(&marked).exists() && sums(&kept).exists());
    let again = Running::start(folder.path()).await;
    let gone = async |path: &Path| {
        for _ in 0..500 {
            if !path.exists() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("{} is still there", path.display());
    };
    gone(&sums(&marked)).await;
    gone(&folder.path().join("cleaning").join(&marked)).await;
    gone(&folder.path().join("jobs").join(&half_deleted).join("report.json")).await;
    gone(&mark).await;
    assert!(!folder.path().join("index").join(&half_deleted).exists());
    assert!(sums(&kept).exists(), "what was to be kept is kept");
    assert_eq!(again.get(&format!("/api/jobs/{half_deleted}")).await.status(), 404);
    assert_eq!(again.result(&marked).await.len(), 100);
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_fails_the_job_and_once_there_is_room_it_can_run_again() {
    let Some(disk) = SmallDisk::mount("24m") else {
        return;
    };
    let running = Running::start(disk.path()).await;
    let arrays: Vec<Vec<f64>> =
        (1..=4).map(|file| (0..100_000).map(|n| f64::from(file * n)).collect()).collect();
    for (file, array) in arrays.iter().enumerate() {
        running.upload(&format!("in/{file}.npy"), exact::to_npy("100000,", array)).await;
    }
    // The inputs take 3.2 MB; about 6 MB of sums do not fit any more.
    let ballast = disk.path().join("ballast");
    let mut size = 24 << 20;
    while std::fs::write(&ballast, vec![0_u8; size]).is_err() {
        size -= 64 << 10;
    }
    let file = std::fs::File::options().write(true).open(&ballast).unwrap();
    file.set_len(size as u64 - (1 << 20)).unwrap();
    drop(file);
    let request = json!({"inputs": {"prefix": "in"}, "fan_in": 2});
    let error = running.failure(&request).await;
    let detail = error["detail"].as_str().unwrap();
    assert!(detail.contains("no space left"), "{error}");
    assert!(error["remedy"].as_str().unwrap().contains("space"), "{error}");
    std::fs::remove_file(&ballast).unwrap();
    let mean = running.mean(&request).await;
    assert_eq!(exact::bits(&mean), exact::bits(&exact::mean(&arrays)));
    running.stop().await;
}

/// Waits until a condition holds.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_worker_writes_after_the_garbage_was_collected_is_deleted_once_it_stops() {
    let folder = tempfile::tempdir().unwrap();
    let queue = EmbeddedQueue::new();
    let server_end = queue.clone();
    let running = Running::start_on(
        folder.path(),
        &["--keep-resumable", "0s"],
        |store| store,
        |parts| {
            (parts.queue, parts.pool) = (Arc::new(server_end), Arc::new(ExternalPool));
        },
    )
    .await;
    // The test is the worker.
    let worker = queue.worker_end();
    let report = async |body| {
        let at = Timestamp::from_millis(1);
        let report = Report { version: protocol::VERSION, worker: "slow".into(), at, body };
        worker.report(&[report]).await.expect("a report");
    };
    report(ReportBody::Joined(Joined::default())).await;
    let job = running.submit(&json!({"inputs": {"generate": {"files": 3, "count": 10}}})).await;
    let delivery = timeout(PATIENCE, worker.next_delivery()).await.expect("one").expect("one");
    let assignment = delivery.assignments[0].clone();
    report(ReportBody::Started { attempt: assignment.attempt }).await;
    let cancel = running.http.delete(format!("{}/api/jobs/{job}", running.url));
    assert_eq!(cancel.send().await.expect("an answer").status(), 202);
    assert_eq!(running.follow(&job).await["phase"], "cancelled");
    // It stands still until all is collected, and longer than leases last.
    let mark = folder.path().join("cleaning").join(&job);
    until("the garbage is collected", || !mark.exists()).await;
    let segment = folder.path().join(segment_key(&assignment.output, 0));
    std::fs::create_dir_all(segment.parent().expect("a folder")).unwrap();
    std::fs::write(&segment, "late").unwrap();
    let (attempt, progress) = (assignment.attempt, Progress::default());
    report(ReportBody::Stopped { attempt, reason: StopReason::JobOver, progress }).await;
    delivery.ack().await.expect("an acknowledgement");
    until("the late segment is deleted", || !segment.exists()).await;
    running.stop().await;
}
