//! Inputs that change while a job runs fail it by name; its mean is never that of two
//! versions.

use std::fs::{self, FileTimes, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use super::client::{Client, Events, PATIENCE};
use super::exact;
use super::running::Running;

const FILES: usize = 12;
const NUMBERS: usize = 20_000;
/// So slow that a job of one worker takes seconds.
const SLOW: [&str; 2] = ["--slowness", "40"];
/// The object that changes: the one that is read last.
const LAST: &str = "in/11.npy";

fn array(value: f64) -> Vec<u8> {
    exact::to_npy(&format!("{NUMBERS},"), &vec![value; NUMBERS])
}

/// Uploads objects and begins to average them one after the other; returns the job
/// once the first of them have been summed.
async fn begin(client: &Client) -> String {
    for file in 0..FILES {
        client.upload(&format!("in/{file:02}.npy"), array(1.0)).await;
    }
    let request = json!({"inputs": {"prefix": "in"}, "fan_in": 2, "workers": 1,
        "speculation": {"enabled": false}});
    let job = client.submit(&request).await;
    let mut events = Events::open(client, &format!("/api/jobs/{job}/events"), None).await;
    loop {
        let snapshot = events.next().await.data;
        assert_ne!(snapshot["phase"], "done", "too fast for anything to change meanwhile");
        if snapshot["progress"][0]["completed"].as_u64() > Some(0) {
            return job;
        }
    }
}

/// Something that happens to a file.
type Accident<'a> = Box<dyn Fn() + 'a>;

/// The error of a job, which must be that an input has changed, met once.
async fn change(client: &Client, job: &str) -> Value {
    let ended = client.follow(job).await;
    assert_eq!(ended["phase"], "failed", "not a mean of two versions: {ended}");
    let error = &ended["error"];
    assert_eq!(error["type"], "input-changed", "{error}");
    assert_eq!(error["object"], LAST, "{error}");
    let detail = error["detail"].as_str().expect("a detail");
    assert!(detail.contains(LAST), "{detail}");
    assert_eq!(ended["attempts"]["failed"], 1, "no retries: {ended}");
    error.clone()
}

/// Sets a modification time that no earlier write can have had, however coarse the
/// clock of the file system is.
fn touch(path: &Path) {
    let later = SystemTime::now() + Duration::from_secs(1);
    let file = OpenOptions::new().write(true).open(path).expect("the file");
    file.set_times(FileTimes::new().set_modified(later)).expect("a time");
}

/// Changes the file at a path to this content in place.
fn overwrite(path: &Path, content: &[u8]) {
    fs::write(path, content).expect("written");
    touch(path);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_is_uploaded_again_during_a_job_fails_it() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start_with(folder.path(), &SLOW).await;
    let job = begin(&running).await;
    running.upload(LAST, array(2.0)).await;
    let error = change(&running, &job).await;
    assert!(error["detail"].as_str().unwrap().contains("modified at"), "{error}");
    // Once nothing changes any more, the same job is done.
    let rerun = running.post(&format!("/api/jobs/{job}/rerun"), &json!({})).await;
    let rerun: Value = rerun.json().await.unwrap();
    let rerun = rerun["id"].as_str().unwrap();
    assert_eq!(running.follow(rerun).await["phase"], "done");
    let mean = (FILES as f64 + 1.0) / FILES as f64;
    assert_eq!(running.result(rerun).await, vec![mean; NUMBERS]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_of_a_file_during_a_job_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start_with(folder.path(), &SLOW).await;
    let path = folder.path().join(LAST);
    let bytes = array(1.0).len();
    let cases: [(&str, Accident<'_>, String); 5] = [
        ("overwritten", Box::new(|| overwrite(&path, &array(2.0))), "modified at".to_owned()),
        ("touched", Box::new(|| touch(&path)), "modified at".to_owned()),
        (
            "grown",
            Box::new(|| overwrite(&path, &[array(1.0), vec![0; 8]].concat())),
            format!("its size was {bytes} bytes and is {}", bytes + 8),
        ),
        (
            "shrunk",
            Box::new(|| overwrite(&path, &array(1.0)[..bytes / 2])),
            format!("its size was {bytes} bytes and is {}", bytes / 2),
        ),
        ("deleted", Box::new(|| fs::remove_file(&path).unwrap()), "deleted".to_owned()),
    ];
    for (what, happen, told) in cases {
        let job = begin(&running).await;
        happen();
        let error = change(&running, &job).await;
        let detail = error["detail"].as_str().unwrap();
        assert!(detail.contains(&told), "{what}: {detail}");
    }
    running.stop().await;
}

/// Stops a server in the middle of a job, and starts one that is not slow after
/// `meanwhile`; returns it with the job.
async fn restarted(folder: &Path, meanwhile: impl FnOnce(&str)) -> (Running, String) {
    let slow = Running::start_with(folder, &SLOW).await;
    let job = begin(&slow).await;
    slow.stop().await;
    meanwhile(&job);
    (Running::start(folder).await, job)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_while_the_server_is_down_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(LAST);
    let (running, job) = restarted(folder.path(), |_| overwrite(&path, &array(2.0))).await;
    change(&running, &job).await;
    running.stop().await;
}

/// Their objects have no versions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_of_an_earlier_version_continues() {
    let folder = tempfile::tempdir().unwrap();
    let (running, job) = restarted(folder.path(), |job| {
        let path = folder.path().join("jobs").join(job).join("plan.json");
        let mut plan: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        for object in plan["objects"].as_array_mut().unwrap() {
            let version = object.as_object_mut().unwrap().remove("version");
            assert!(version.is_some(), "every object is pinned: {object}");
        }
        fs::write(&path, plan.to_string()).unwrap();
        touch(&folder.path().join(LAST));
    })
    .await;
    let ended = running.follow(&job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    assert_eq!(running.result(&job).await, vec![1.0; NUMBERS]);
    running.stop().await;
}

#[test]
fn a_file_that_changes_under_the_command_line_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let program = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_distributed-average"));
        command.current_dir(folder.path());
        command
    };
    let generate = ["generate", "in", "--files", "30", "--count", "200000", "--format", "csv"];
    assert!(program().args(generate).status().unwrap().success());
    fs::create_dir(folder.path().join("scratch")).unwrap();
    let mean = ["mean", "in", "--output", "mean.npy", "--workers", "1", "--scratch", "scratch"];
    let mean = program().args(mean).stderr(std::process::Stdio::piped()).spawn().unwrap();
    // The inputs are pinned once the plan is there.
    let deadline = Instant::now() + PATIENCE;
    while !is_planned(&folder.path().join("scratch")) {
        assert!(Instant::now() < deadline, "nothing is planned");
        std::thread::sleep(Duration::from_millis(1));
    }
    touch(&folder.path().join("in/29.csv"));
    let output = mean.wait_with_output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{error}");
    let path = folder.path().canonicalize().unwrap().join("in/29.csv");
    let told = format!("{} has changed since the job was planned: it was", path.display());
    assert!(error.contains(&told), "{error}");
    assert!(!folder.path().join("mean.npy").exists(), "nothing is written");
}

/// Whether there is a plan in the only folder of a scratch folder.
fn is_planned(scratch: &Path) -> bool {
    let folders = |path: PathBuf| {
        fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path())
    };
    let mut jobs = folders(scratch.to_owned()).flat_map(|store| folders(store.join("jobs")));
    jobs.any(|job| job.join("plan.json").exists())
}
