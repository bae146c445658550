//! A store that an earlier version of the program has written opens: its jobs are
//! shown, and go on.

use std::path::Path;
use std::{fs, io};

use serde_json::{Value, json};

use super::exact;
use super::running::Running;

/// What `old_store/README.md` says how it was made.
const OLD_STORE: &str = "tests/program/old_store/store";

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &to)?,
            false => drop(fs::copy(entry.path(), to)?),
        }
    }
    Ok(())
}

/// The job of the store with this name.
async fn job_named(running: &Running, name: &str) -> Value {
    let jobs = running.get_json("/api/jobs").await;
    let jobs = jobs["jobs"].as_array().expect("jobs");
    let job = jobs.iter().find(|job| job["request"]["name"] == name);
    job.unwrap_or_else(|| panic!("no job is called {name:?}: {jobs:?}")).clone()
}

fn id(job: &Value) -> &str {
    job["id"].as_str().expect("an id")
}

async fn rerun(running: &Running, job: &str) -> String {
    let response = running.post(&format!("/api/jobs/{job}/rerun"), &json!({})).await;
    let job: Value = response.json().await.expect("JSON");
    id(&job).to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_that_are_over_are_shown_as_they_ended() {
    let folder = tempfile::tempdir().unwrap();
    copy(Path::new(OLD_STORE), folder.path()).unwrap();
    let running = Running::start(folder.path()).await;

    let done = job_named(&running, "four years").await;
    assert_eq!(done["phase"], "done");
    let mut results = vec![running.result(id(&done)).await];
    assert_eq!(exact::bits(&results[0][..2]), exact::bits(&[1.8125, 0.65]));
    let again = rerun(&running, id(&done)).await;
    assert_eq!(running.follow(&again).await["phase"], "done");
    results.push(running.result(&again).await);
    assert_eq!(exact::bits(&results[0]), exact::bits(&results[1]), "as it is computed now");
    for statistic in ["sum", "min", "max", "variance", "std"] {
        let path = |job: &str| format!("/api/jobs/{job}/result?format=npy&statistic={statistic}");
        let old = running.get(&path(id(&done))).await.bytes().await.unwrap();
        let new = running.get(&path(&again)).await.bytes().await.unwrap();
        assert_eq!(old, new, "{statistic}");
    }

    let failed = job_named(&running, "a word among numbers").await;
    assert_eq!(failed["phase"], "failed");
    let detail = failed["error"]["detail"].as_str().unwrap();
    assert!(detail.contains("broken/b.csv") && detail.contains("two"), "{detail}");
    let page = running.get(&format!("/jobs/{}", id(&failed))).await.text().await.unwrap();
    assert!(page.contains("broken/b.csv"), "its page says so");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_that_were_running_go_on_with_what_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    copy(Path::new(OLD_STORE), folder.path()).unwrap();
    let running = Running::start(folder.path()).await;
    for name in ["text, interrupted", "arrays, interrupted"] {
        let job = job_named(&running, name).await;
        let ended = running.follow(id(&job)).await;
        assert_eq!(ended["phase"], "done", "{}", ended["error"]);
        // The version that wrote the store has not recorded what it had read.
        let read = ended["bytes"]["input_read"].as_u64().unwrap();
        let inputs = ended["inputs"]["bytes"].as_u64().unwrap();
        assert!(read < inputs, "{name}: {read} bytes were read of {inputs}");
        let fresh = rerun(&running, id(&job)).await;
        assert_eq!(running.follow(&fresh).await["phase"], "done");
        let results = [running.result(id(&job)).await, running.result(&fresh).await];
        assert_eq!(exact::bits(&results[0]), exact::bits(&results[1]), "{name}");
    }
    running.stop().await;
}
