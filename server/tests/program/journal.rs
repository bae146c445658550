//! The journal of complete tasks, from which a job with many goes on after a restart.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use protocol::states::{DrawnState, LevelStates};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::child::Child;
use super::client::{Client, PATIENCE};
use super::exact;

/// Enough for more partial sums than are listed.
const FILES: u64 = 6_000;

fn journal(store: &Path, job: &str) -> PathBuf {
    store.join("jobs").join(job).join("completions.json")
}

/// The complete tasks of each level, as the journal says.
fn complete(journal: &Path) -> Option<Vec<Vec<u64>>> {
    let journal: Value = serde_json::from_slice(&std::fs::read(journal).ok()?).expect("JSON");
    let levels: Vec<LevelStates> =
        serde_json::from_value(journal["levels"].clone()).expect("levels");
    let of_level = |level: &LevelStates| {
        (0..level.tasks).filter(|task| level.get(*task) == DrawnState::Complete).collect()
    };
    Some(levels.iter().map(of_level).collect())
}

async fn set_workers(server: &Client, desired: u32) {
    let request = server.http.put(format!("{}/api/workers", server.url));
    let set = request.json(&json!({"desired": desired})).send().await.expect("an answer");
    assert!(set.status().is_success(), "{}", set.status());
}

fn completed(snapshot: &Value) -> u64 {
    let levels = snapshot["progress"].as_array().expect("levels");
    levels.iter().map(|level| level["completed"].as_u64().expect("a count")).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_goes_on_from_its_journal_and_looks_at_segments_when_it_needs_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Child::start(folder.path(), &[]).await;
    let inputs = json!({"generate": {"files": FILES, "count": 3, "format": "csv", "seed": 5}});
    let request = json!({"inputs": inputs, "fan_in": 2, "speculation": {"enabled": false}});
    let job = server.submit(&request).await;
    let path = journal(folder.path(), &job);
    let begun = Instant::now();
    while complete(&path).is_none_or(|levels| levels[0].len() < 50) {
        assert!(begun.elapsed() < PATIENCE);
        let phase = server.get_json(&format!("/api/jobs/{job}")).await["phase"].clone();
        assert_ne!(phase, "done", "too fast to be interrupted");
        sleep(Duration::from_millis(5)).await;
    }
    set_workers(&server, 0).await;
    server.kill();

    let levels = complete(&path).expect("a journal");
    let known: usize = levels.iter().map(Vec::len).sum();
    let sums = folder.path().join(format!("jobs/{job}/sums"));
    let segment = |level: u8, node: u64| sums.join(format!("{level}/{node}/{:010}", 0));
    let segment = &segment;
    // Sums that nobody has added up yet, as far as the journal knows: one has gone, one is torn,
    // one damaged. First those whose total is not there either.
    let parents = levels.iter().skip(1).chain(std::iter::repeat(const { &Vec::new() }));
    let needed = (0_u8..).zip(&levels).zip(parents).flat_map(|((level, nodes), parents)| {
        let is_needed = move |node: &&u64| !parents.contains(&(**node / 2));
        nodes.iter().filter(is_needed).map(move |node| (level, *node))
    });
    let needed = needed.filter(|&(level, node)| segment(level, node).exists());
    let mut needed: Vec<(u8, u64)> = needed.collect();
    needed.sort_by_key(|&(level, node)| segment(level + 1, node / 2).exists());
    needed.truncate(3);
    let needed: Vec<PathBuf> =
        needed.into_iter().map(|(level, node)| segment(level, node)).collect();
    assert!(!needed.is_empty(), "no sum is needed any more");
    for (path, harm) in needed.iter().zip(["gone", "torn", "damaged"]) {
        println!("{harm}: {}", path.display());
        let mut bytes = std::fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x55;
        match harm {
            "gone" => std::fs::remove_file(path).unwrap(),
            "torn" => std::fs::write(path, "").unwrap(),
            _ => std::fs::write(path, bytes).unwrap(),
        }
    }

    // With no worker, since that outlives the server.
    let server = Child::start(folder.path(), &[]).await;
    let found = server.get_json(&format!("/api/jobs/{job}")).await;
    assert_eq!(completed(&found), known as u64, "the journal is believed: {found}");
    assert_eq!(found["inputs"]["columns"], 3, "what was learned of C is in it too");
    set_workers(&server, 2).await;
    let ended = server.follow(&job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    assert!(!path.exists(), "a job that is over has no journal");
    let fresh = server.submit(&request).await;
    assert_eq!(server.follow(&fresh).await["phase"], "done");
    assert_eq!(exact::bits(&server.result(&job).await), exact::bits(&server.result(&fresh).await));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_journal_that_can_be_used_the_segments_are_listed() {
    for bad in ["", "{\"levels\":[{\"tasks\":3,\"states\":\"AA\"}]}", "[1"] {
        let folder = tempfile::tempdir().unwrap();
        let (job, tasks) = store_of_many_tasks(folder.path(), 40, 64, 0.0);
        std::fs::write(journal(folder.path(), &job), bad).unwrap();
        let sums = folder.path().join(format!("jobs/{job}/sums/0/7"));
        std::fs::create_dir_all(&sums).unwrap();
        for segment in 0..10 {
            std::fs::write(sums.join(format!("{segment:010}")), "some").unwrap();
        }
        let server = Child::start(folder.path(), &[]).await;
        let found = server.get_json(&format!("/api/jobs/{job}")).await;
        assert_eq!((found["phase"].as_str(), completed(&found)), (Some("running"), 10), "{bad:?}");
        assert!(tasks > 2_000);
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_of_a_million_tasks_goes_on_within_ten_seconds_of_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (job, tasks) = store_of_many_tasks(folder.path(), 1_000, 1_000, 0.5);
    assert!(tasks > 1_000_000);
    let begun = Instant::now();
    let server = Child::start(folder.path(), &[]).await;
    let found = server.get_json(&format!("/api/jobs/{job}")).await;
    let took = begun.elapsed();
    println!(
        "{tasks} tasks, {} of them complete, are known {took:?} after the start",
        completed(&found)
    );
    assert_eq!(found["phase"], "running", "{found}");
    assert_eq!(completed(&found), 500 * 1_000 / 2);
    assert!(took < Duration::from_secs(10), "{took:?}");
    server.stop().await;
}

/// A store with a job of `files` objects, summed in pairs in `ranges` ranges of columns,
/// whose journal says that a share of its leaves is complete. No worker is to run. Returns
/// the job and the number of its tasks.
fn store_of_many_tasks(store: &Path, files: u32, ranges: u32, share: f64) -> (String, u64) {
    let job = "01M8BZPH0ANCHDYBVG4ZB4EG2R";
    let folder = store.join("jobs").join(job);
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::create_dir_all(store.join("index")).expect("a folder");
    std::fs::write(store.join("index").join(job), "").expect("a file");
    std::fs::write(store.join("workers-by-hand.json"), "{\"desired\":0}").expect("a file");
    let (mut levels, mut nodes) = (Vec::new(), files);
    while nodes > 1 {
        nodes = nodes.div_ceil(2);
        levels.push(json!({"nodes": nodes, "ranges": ranges, "range_segments": 1, "fan_in": 2}));
    }
    let columns = u64::from(ranges) * 1024;
    let objects: Vec<Value> = (0..files)
        .map(|file| json!({"location": format!("in/{file:06}.npy"), "bytes": columns * 8 + 128}))
        .collect();
    let tasks = |level: &Value| level["nodes"].as_u64().expect("a number") * u64::from(ranges);
    let states: Vec<LevelStates> = levels
        .iter()
        .enumerate()
        .map(|(at, level)| {
            let mut states = LevelStates::waiting(tasks(level));
            let complete = if at == 0 { tasks(level) as f64 * share } else { 0.0 };
            for task in (0..states.tasks).take_while(|task| (*task as f64) < complete) {
                states.set(task, DrawnState::Complete);
            }
            states
        })
        .collect();
    let request = json!({"request": {"inputs": {"prefix": "in/"}, "fan_in": 2}, "workers": 2,
        "submitted_at": 1_795_698_672_650_u64});
    let plan = json!({
        "plan": {"objects": files, "columns": columns, "fan_in": 2, "segment_columns": 1024,
            "levels": levels, "estimate": {}},
        "inputs": {"objects": files, "bytes": u64::from(files) * (columns * 8 + 128),
            "columns": columns, "format": "npy f8"},
        "objects": objects,
    });
    let journal = json!({"levels": states});
    for (name, record) in
        [("request.json", request), ("plan.json", plan), ("completions.json", journal)]
    {
        std::fs::write(folder.join(name), record.to_string()).expect("a file");
    }
    (job.to_owned(), levels.iter().map(tasks).sum())
}
