//! Jobs that are resumed after they have failed or been cancelled.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::exact;
use super::restart::until_gone;
use super::running::Running;

/// Three leaves of three files, and the root above them.
const FILES: usize = 9;
/// So many that the end of a file is not looked at before the job runs.
const NUMBERS: usize = 12_000;
/// The file that is wrong at first: of the leaf that is summed last.
const BAD: usize = 7;

fn arrays() -> Vec<Vec<f64>> {
    let number = |file: usize, index: usize| (file * NUMBERS + index) as f64 * 0.25 + 1.0;
    (0..FILES).map(|file| (0..NUMBERS).map(|index| number(file, index)).collect()).collect()
}

fn text(numbers: &[f64]) -> String {
    numbers.iter().map(|number| format!("{number}\n")).collect()
}

async fn upload(running: &Running, arrays: &[Vec<f64>]) {
    for (file, numbers) in arrays.iter().enumerate() {
        running.upload(&format!("in/{file}.csv"), text(numbers)).await;
    }
}

/// One worker does one task after the other, in their order.
fn request() -> Value {
    json!({"inputs": {"prefix": "in"}, "fan_in": 3, "workers": 1})
}

/// A server with the files of some arrays, of which the last is wrong at its end, and a job
/// that has failed of it.
async fn failed_of_its_last_file(folder: &Path) -> (Running, Vec<Vec<f64>>, String) {
    let running = Running::start(folder).await;
    let arrays = arrays();
    upload(&running, &arrays).await;
    running.upload("in/8.csv", text(&arrays[8][..NUMBERS - 1]) + "wrong\n").await;
    let job = running.submit(&request()).await;
    assert_eq!(running.follow(&job).await["phase"], "failed");
    (running, arrays, job)
}

/// Sets the number of workers by hand; `None` lets it follow from the jobs.
async fn set_workers(running: &Running, desired: Option<u32>) {
    let setting = running.http.put(format!("{}/api/workers", running.url));
    let answer = setting.json(&json!({"desired": desired})).send().await.expect("an answer");
    assert!(answer.status().is_success(), "{}", answer.status());
}

/// Lets all workers go, and waits until they have gone.
async fn without_workers(running: &Running) {
    set_workers(running, Some(0)).await;
    while running.get_json("/api/workers").await["ready"] != 0 {
        sleep(Duration::from_millis(20)).await;
    }
}

/// Resumes a job, and returns the status and the answer.
async fn resume(running: &Running, job: &str) -> (u16, Value) {
    let answer = running.post(&format!("/api/jobs/{job}/resume"), &json!({})).await;
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

fn input_read(job: &Value) -> u64 {
    job["bytes"]["input_read"].as_u64().expect("a number")
}

/// The partial sums of tables have their columns in the order of the first file. If that has
/// another order when the job is resumed, none of them is of use.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_table_in_another_order_has_all_sums_computed_again() {
    const ROWS: usize = 12_000;
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let table = |file: usize, is_swapped: bool| -> String {
        let header = if is_swapped { "b,a\n" } else { "a,b\n" };
        let row = |row: usize| match is_swapped {
            false => format!("{},{}\n", row + file, 1_000_000 + file),
            true => format!("{},{}\n", 1_000_000 + file, row + file),
        };
        std::iter::once(header.to_owned()).chain((0..ROWS).map(row)).collect()
    };
    for file in 0..FILES {
        let end = if file == BAD { "wrong,1\n" } else { "" };
        running.upload(&format!("in/{file}.csv"), table(file, false) + end).await;
    }
    let job = running.submit(&request()).await;
    assert_eq!(running.follow(&job).await["phase"], "failed");
    running.upload("in/0.csv", table(0, true)).await;
    running.upload(&format!("in/{BAD}.csv"), table(BAD, false)).await;
    assert_eq!(resume(&running, &job).await.0, 202);
    let done = running.follow(&job).await;
    assert_eq!(done["phase"], "done", "{}", done["error"]);
    let expected: Vec<f64> = (0..ROWS).flat_map(|row| [1_000_004.0, row as f64 + 4.0]).collect();
    assert_eq!(running.result(&job).await, expected);
    let csv = running.get(&format!("/api/jobs/{job}/result?format=csv")).await;
    assert!(csv.text().await.unwrap().starts_with("b,a\n1000004.0,4.0\n"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_one_bad_file_has_failed_goes_on_where_it_stood() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let arrays = arrays();
    upload(&running, &arrays).await;
    let wrong = text(&arrays[BAD][..NUMBERS - 1]) + "wrong\n";
    running.upload(&format!("in/{BAD}.csv"), wrong).await;
    let job = running.submit(&request()).await;
    let failed = running.follow(&job).await;
    assert_eq!(failed["phase"], "failed");
    let progress = |job: &Value| job["progress"][0]["completed"].as_u64();
    assert_eq!(progress(&failed), Some(2), "the leaves before are summed: {failed}");

    // Nothing is mended yet.
    let (status, resumed) = resume(&running, &job).await;
    assert_eq!((status, &resumed["id"]), (202, &json!(job)), "{resumed}");
    let again = running.follow(&job).await;
    assert_eq!(again["phase"], "failed", "{again}");
    assert_eq!(again["error"]["detail"], failed["error"]["detail"]);
    assert_eq!(again["resumes"].as_array().map(Vec::len), Some(1));

    running.upload(&format!("in/{BAD}.csv"), text(&arrays[BAD])).await;
    let late = writes_late(folder.path(), &job);
    assert_eq!(resume(&running, &job).await.0, 202);
    let done = running.follow(&job).await;
    assert_eq!(done["phase"], "done", "{}", done["error"]);
    assert_eq!(exact::bits(&running.result(&job).await), exact::bits(&exact::mean(&arrays)));
    // Only the three files of the leaf were read again, and the beginnings of others, by
    // which a worker that has not met them finds that their sums are there.
    let leaf: usize = arrays[6..].iter().map(|numbers| text(numbers).len()).sum();
    let read = input_read(&done) - input_read(&again);
    let tasks = running.get_json(&format!("/api/jobs/{job}/tasks?level=0")).await;
    let beginnings = 6 * summation::HEAD_BYTES as u64;
    let expected = leaf as u64..=leaf as u64 + beginnings;
    assert!(expected.contains(&read), "{read} and not {expected:?}: {tasks}");
    // The attempt that computed it has read nothing else, and nothing twice.
    assert_eq!(tasks["tasks"][2]["attempts"][0]["read_bytes"], leaf, "{tasks}");
    let computed = |task: &&Value| task["attempts"][0]["segments_written"] != 0;
    assert_eq!(tasks["tasks"].as_array().unwrap().iter().filter(computed).count(), 1, "{tasks}");
    assert_eq!(done["resumes"].as_array().map(Vec::len), Some(2));
    // The partial sums are deleted as of every job that is done.
    until_gone(&late).await;
    let (status, refused) = resume(&running, &job).await;
    assert_eq!(status, 409, "{refused}");
    running.stop().await;
}

/// A worker that stood still writes what it has computed of the files as they were: sums of
/// other numbers, which are whole and intact.
fn writes_late(store: &Path, job: &str) -> PathBuf {
    let sums = store.join("jobs").join(job).join("sums/0");
    let (other, late) = (sums.join("0/0000000000"), sums.join("2/0000000000"));
    fs::create_dir_all(late.parent().expect("a folder")).expect("the folder");
    fs::copy(other, &late).expect("the segment of the first leaf");
    late
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_job_is_resumed_also_across_a_restart_of_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let arrays = arrays();
    upload(&running, &arrays).await;
    without_workers(&running).await;
    let job = running.submit(&request()).await;
    running.until(&job, |job| job["phase"] == "running").await;
    let (status, refused) = resume(&running, &job).await;
    assert_eq!(status, 409, "{refused}");
    let cancel = running.http.delete(format!("{}/api/jobs/{job}", running.url));
    assert_eq!(cancel.send().await.expect("an answer").status(), 202);
    assert_eq!(running.follow(&job).await["phase"], "cancelled");
    let (status, _) = resume(&running, &job).await;
    assert_eq!(status, 202);
    // What has been resumed can be cancelled, and resumed again.
    let cancel = running.http.delete(format!("{}/api/jobs/{job}", running.url));
    assert_eq!(cancel.send().await.expect("an answer").status(), 202);
    assert_eq!(running.follow(&job).await["phase"], "cancelled");
    let (status, _) = resume(&running, &job).await;
    assert_eq!(status, 202);
    running.stop().await;

    let again = Running::start(folder.path()).await;
    // What was set by hand outlives the server.
    assert_eq!(again.get_json("/api/workers").await["by_hand"], 0);
    set_workers(&again, None).await;
    let done = again.follow(&job).await;
    assert_eq!(done["phase"], "done", "{}", done["error"]);
    assert_eq!(exact::bits(&again.result(&job).await), exact::bits(&exact::mean(&arrays)));
    assert!(!folder.path().join("jobs").join(&job).join("resuming").exists());
    let (status, missing) = resume(&again, "01M8BZPGWD9PQ4H2DH2FTD93D7").await;
    assert_eq!(status, 404, "{missing}");
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn if_other_files_are_there_the_whole_job_is_computed_again() {
    let folder = tempfile::tempdir().unwrap();
    let (running, arrays, job) = failed_of_its_last_file(folder.path()).await;
    let deleted = running.http.delete(format!("{}/api/files/in/8.csv", running.url));
    assert!(deleted.send().await.expect("an answer").status().is_success());
    assert_eq!(resume(&running, &job).await.0, 202);
    let done = running.follow(&job).await;
    assert_eq!(done["phase"], "done", "{}", done["error"]);
    assert_eq!(done["inputs"]["objects"], 8);
    let mean = exact::mean(&arrays[..8]);
    assert_eq!(exact::bits(&running.result(&job).await), exact::bits(&mean));
    running.stop().await;
}

/// A server that ended right after a job had been resumed must find all that it was before:
/// the report is deleted then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_resumed_job_was_before_is_in_the_store_before_its_report_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let (running, _, job) = failed_of_its_last_file(folder.path()).await;
    let failed = running.get_json(&format!("/api/jobs/{job}")).await;
    let record = |name: &str| folder.path().join("jobs").join(&job).join(name);
    assert!(!record("checkpoint.json").exists());
    // It does not end again before it is looked at.
    without_workers(&running).await;
    assert_eq!(resume(&running, &job).await.0, 202);
    while record("report.json").exists() {
        sleep(Duration::from_millis(1)).await;
    }
    let checkpoint = fs::read(record("checkpoint.json")).expect("it is there");
    let checkpoint: Value = serde_json::from_slice(&checkpoint).expect("JSON");
    assert_eq!(checkpoint["resumes"].as_array().map(Vec::len), Some(1), "{checkpoint}");
    assert_eq!(checkpoint["attempts"]["failed"], failed["attempts"]["failed"]);
    // The file is still wrong.
    set_workers(&running, None).await;
    assert_eq!(running.follow(&job).await["phase"], "failed");
    assert!(!record("checkpoint.json").exists(), "the report holds all");
    running.stop().await;
}

/// A server that ended between the last two steps: the report is deleted, the mark is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resumed_job_whose_report_is_deleted_goes_on_with_what_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let arrays = arrays();
    upload(&running, &arrays).await;
    let job = running.submit(&request()).await;
    assert_eq!(running.follow(&job).await["phase"], "done");
    running.stop().await;
    let jobs = folder.path().join("jobs").join(&job);
    fs::remove_file(jobs.join("report.json")).unwrap();
    fs::write(jobs.join("resuming"), "").unwrap();
    fs::write(folder.path().join("index").join(&job), "").unwrap();
    let checkpoint = json!({"resumes": [5], "attempts": {"failed": 3}});
    fs::write(jobs.join("checkpoint.json"), checkpoint.to_string()).unwrap();
    let again = Running::start(folder.path()).await;
    let done = again.follow(&job).await;
    assert_eq!(done["phase"], "done", "{}", done["error"]);
    assert_eq!((&done["resumes"], &done["attempts"]["failed"]), (&json!([5]), &json!(3)));
    assert_eq!(exact::bits(&again.result(&job).await), exact::bits(&exact::mean(&arrays)));
    assert!(!jobs.join("resuming").exists() && !jobs.join("checkpoint.json").exists());
    again.stop().await;
}

/// A server that ended right after it had accepted the request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resume_that_was_interrupted_is_done_by_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let (running, arrays, job) = failed_of_its_last_file(folder.path()).await;
    running.stop().await;
    fs::write(folder.path().join("in/8.csv"), text(&arrays[8])).unwrap();
    fs::write(folder.path().join("index").join(&job), "").unwrap();
    fs::write(folder.path().join("jobs").join(&job).join("resuming"), "").unwrap();
    let again = Running::start(folder.path()).await;
    let done = again.follow(&job).await;
    assert_eq!(done["phase"], "done", "{}", done["error"]);
    assert_eq!(exact::bits(&again.result(&job).await), exact::bits(&exact::mean(&arrays)));
    again.stop().await;
}
