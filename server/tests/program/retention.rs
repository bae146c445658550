//! Finished jobs leave memory after a number, and the store after an age.

use std::path::Path;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::time::{Duration, sleep, timeout};

use super::client::{Events, PATIENCE};
use super::exact;
use super::running::Running;

const KEEP_THREE: [&str; 2] = ["--jobs-in-memory", "3"];

async fn finished(running: &Running, number: u64) -> String {
    let generate = json!({"files": 2, "count": 10, "seed": number});
    let request = json!({"inputs": {"generate": generate}, "name": format!("job {number}")});
    let job = running.submit(&request).await;
    assert_eq!(running.follow(&job).await["phase"], "done");
    job
}

/// The ids of all jobs, newest first, in pages.
async fn listed(running: &Running, limit: usize) -> Vec<String> {
    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = running.get_json(&format!("/api/jobs?limit={limit}{cursor}")).await;
        let jobs = page["jobs"].as_array().expect("a list");
        assert!(jobs.len() <= limit);
        assert!(jobs.iter().all(|job| job.get("result").is_none()), "lists show no results");
        ids.extend(jobs.iter().map(|job| job["id"].as_str().expect("an id").to_owned()));
        match page["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return ids,
        }
    }
}

/// The job with its result, page, events and rerun, as of any other job.
async fn check_whole(running: &Running, job: &str, number: u64) {
    let shown = running.get_json(&format!("/api/jobs/{job}")).await;
    assert_eq!(shown["name"], Value::Null);
    assert_eq!(shown["request"]["name"], format!("job {number}"));
    assert_eq!(shown["result"]["columns"], 10);
    assert_eq!(running.result(job).await.len(), 10);
    let page = running.get(&format!("/jobs/{job}")).await;
    assert_eq!(page.status(), StatusCode::OK);
    assert!(page.text().await.expect("a page").contains(&format!("job {number}")));
    let mut events = Events::open(running, &format!("/api/jobs/{job}/events"), None).await;
    assert_eq!(events.next().await.data, shown);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_of_long_ago_is_there_though_not_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start_with(folder.path(), &KEEP_THREE).await;
    let mut jobs = Vec::new();
    for number in 0..8 {
        jobs.push(finished(&running, number).await);
    }
    let newest_first: Vec<String> = jobs.iter().rev().cloned().collect();
    // In the server that computed them, and in one that has read what it needs.
    for _ in 0..2 {
        assert_eq!(running.overview_ids(), newest_first[..3], "the others are evicted");
        for limit in [1, 2, 3, 5, 8, 50] {
            assert_eq!(listed(&running, limit).await, newest_first, "{limit}");
        }
        for (number, job) in (0..).zip(&jobs) {
            check_whole(&running, job, number).await;
        }
        running.stop().await;
        running = Running::start_with(folder.path(), &KEEP_THREE).await;
    }
    let rerun = running.post(&format!("/api/jobs/{}/rerun", jobs[0]), &json!({})).await;
    assert_eq!(rerun.status(), StatusCode::CREATED);
    let rerun: Value = rerun.json().await.unwrap();
    let rerun = rerun["id"].as_str().unwrap();
    assert_eq!(running.follow(rerun).await["phase"], "done");
    let bits = |numbers: Vec<f64>| exact::bits(&numbers);
    assert_eq!(bits(running.result(rerun).await), bits(running.result(&jobs[0]).await));
    let cancel = running.http.delete(format!("{}/api/jobs/{}", running.url, jobs[0]));
    assert_eq!(cancel.send().await.unwrap().status(), StatusCode::CONFLICT);
    let purge = running.http.delete(format!("{}/api/jobs/{}?purge=true", running.url, jobs[0]));
    assert_eq!(purge.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(running.get(&format!("/api/jobs/{}", jobs[0])).await.status(), 404);
    assert_eq!(listed(&running, 5).await.len(), 8, "seven, and the rerun");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_reads_no_reports_but_those_of_the_newest_jobs() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start_with(folder.path(), &KEEP_THREE).await;
    let mut jobs = Vec::new();
    for number in 0..6 {
        jobs.push(finished(&running, number).await);
    }
    running.stop().await;
    let again = Running::start_with(folder.path(), &KEEP_THREE).await;
    let rename = |job: &str| {
        let path = folder.path().join("jobs").join(job).join("report.json");
        let report = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, report.replacen("\"job ", "\"renamed ", 1)).unwrap();
    };
    jobs.iter().for_each(|job| rename(job));
    for (index, job) in jobs.iter().enumerate() {
        let shown = again.get_json(&format!("/api/jobs/{job}")).await;
        let name = shown["request"]["name"].as_str().unwrap();
        assert_eq!(name.starts_with("renamed"), index < 3, "{name}");
    }
    again.stop().await;
}

fn index_sizes(store: &Path, jobs: &[String]) -> Vec<u64> {
    let entry =
        |job: &String| std::fs::metadata(store.join("index").join(job)).expect("an entry").len();
    jobs.iter().map(entry).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_of_an_earlier_version_is_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let mut jobs = Vec::new();
    for number in 0..5 {
        jobs.push(finished(&running, number).await);
    }
    running.stop().await;
    // As an earlier version left it: nothing but empty entries, whole requests in
    // reports, and names of any length.
    for job in &jobs {
        std::fs::write(folder.path().join("index").join(job), "").unwrap();
        for record in ["request.json", "report.json"] {
            let path = folder.path().join("jobs").join(job).join(record);
            let text = std::fs::read_to_string(&path).unwrap();
            let long = format!("\"job {}", "long ".repeat(1000));
            std::fs::write(&path, text.replacen("\"job ", &long, 1)).unwrap();
        }
    }
    for _ in 0..2 {
        let again = Running::start_with(folder.path(), &KEEP_THREE).await;
        assert!(index_sizes(folder.path(), &jobs).iter().all(|bytes| *bytes > 0));
        assert_eq!(listed(&again, 2).await, jobs.iter().rev().cloned().collect::<Vec<_>>());
        for job in &jobs {
            let shown = again.get_json(&format!("/api/jobs/{job}")).await;
            assert_eq!(shown["phase"], "done");
            assert_eq!(shown["request"]["name"].as_str().map(str::len), Some(200));
        }
        let rerun = again.post(&format!("/api/jobs/{}/rerun", jobs[0]), &json!({})).await;
        let rerun: Value = rerun.json().await.unwrap();
        jobs.push(rerun["id"].as_str().expect("a rerun").to_owned());
        assert_eq!(again.follow(jobs.last().unwrap()).await["phase"], "done");
        again.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_finished_job_is_deleted_at_its_age_and_an_unfinished_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let keeping = Running::start(folder.path()).await;
    let old = finished(&keeping, 0).await;
    keeping.stop().await;
    let flags = ["--keep-jobs", "1s", "--planning-jobs", "1"];
    let running = Running::start_with(folder.path(), &flags).await;
    let endless = json!({"inputs": {"generate": {"files": 1_000_000, "count": 1}}});
    let endless = running.submit(&endless).await;
    running.until(&endless, |job| job["generated"]["done"].as_u64() >= Some(1)).await;
    let waiting = json!({"inputs": {"generate": {"files": 2, "count": 1}}});
    let waiting = running.submit(&waiting).await;
    let mut events = Events::open(&running, &format!("/api/jobs/{old}/events"), None).await;
    let deleted = async { while events.next().await.name != "job-deleted" {} };
    timeout(PATIENCE, deleted).await.expect("deleted in time");
    assert_eq!(running.get(&format!("/api/jobs/{old}")).await.status(), 404);
    for gone in [format!("index/{old}"), format!("jobs/{old}")] {
        assert!(!folder.path().join(&gone).exists(), "{gone}");
    }
    // They are older than that by now, but not over.
    let age = async {
        while running.get_json(&format!("/api/jobs/{waiting}")).await["timings"]["submitted_at"]
            .as_u64()
            .is_some_and(|at| millis_since(at) < 3_000)
        {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, age).await.expect("time passes");
    for job in [&endless, &waiting] {
        let shown = running.get_json(&format!("/api/jobs/{job}")).await;
        assert_eq!(shown["phase"], "listing", "{shown}");
    }
    let cancel = running.http.delete(format!("{}/api/jobs/{endless}", running.url));
    assert_eq!(cancel.send().await.unwrap().status(), StatusCode::ACCEPTED);
    running.stop().await;
}

fn millis_since(at: u64) -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(now.expect("a time").as_millis()).expect("a time") - at
}
