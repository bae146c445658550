//! The clock of the server's machine is set while a job runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::child::Child;

/// A library that puts the clock of a process forward, or back, by the seconds in a file.
/// The monotonic clock stays as it is.
const CLOCK: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t id, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int done = real(id, now);
    FILE *file = id == CLOCK_REALTIME ? fopen(getenv("CLOCK_OFFSET_FILE"), "r") : NULL;
    if (file) {
        long seconds = 0;
        if (fscanf(file, "%ld", &seconds) == 1) now->tv_sec += seconds;
        fclose(file);
    }
    return done;
}
"#;

/// Compiles [`CLOCK`].
fn library(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
    std::fs::write(&source, CLOCK).expect("writing the source");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .status()
        .expect("the C compiler, which Rust needs too");
    assert!(compiled.success());
    library
}

fn running(job: &Value) -> u64 {
    job["attempts"]["running"].as_u64().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jumps_of_the_clock_lose_no_attempt_and_hold_up_nothing() {
    let (folder, tools) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (library, offset) = (library(tools.path()), tools.path().join("offset"));
    let environment = [("LD_PRELOAD", library.as_path()), ("CLOCK_OFFSET_FILE", offset.as_path())];
    let child = Child::with_environment(&environment, folder.path(), &["--slowness", "20"]).await;
    let inputs = json!({"generate": {"files": 60, "count": 20_000, "format": "csv"}});
    let job = child.submit(&json!({"inputs": inputs, "fan_in": 3, "workers": 2})).await;
    let mut at = child.until(&job, |job| running(job) == 2).await;
    let mut started = at["timings"]["running_at"].as_u64().expect("a time");
    for jump_secs in [20_i64, 3_620, -3_580] {
        // Atomically, as clocks are set.
        let next = tools.path().join("next");
        std::fs::write(&next, jump_secs.to_string()).unwrap();
        std::fs::rename(&next, &offset).unwrap();
        let completed = at["attempts"]["completed"].as_u64();
        let shown = |job: &Value| job["timings"]["running_at"].as_u64().expect("a time");
        // What is shown proves that the clock was set.
        let goes_on = |job: &Value| {
            job["attempts"]["completed"].as_u64() > completed
                && shown(job).abs_diff(started) > 10_000
        };
        at = child.until(&job, goes_on).await;
        started = shown(&at);
    }
    assert_eq!(at["phase"], "running", "in the middle: {at}");
    let ended = child.follow(&job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    assert_eq!(ended["attempts"]["lost"], 0, "{ended}");
    child.stop().await;
}
