//! What pages and the API show is what happened, also across restarts.

use std::path::Path;
use std::time::Duration;

use protocol::states::{StateChange, TaskStates};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::child::Child;
use super::client::{Client, Events, PATIENCE};
use super::running::Running;

/// A job that takes some seconds with `--slowness 30`.
fn slow_job() -> Value {
    json!({"inputs": {"generate": {"files": 60, "count": 20_000, "format": "csv"}}, "fan_in": 2})
}

/// Whether the attempts by state add up to those that were started.
fn add_up(attempts: &Value) -> bool {
    let count = |name: &str| attempts[name].as_u64().expect("a count");
    let states = ["running", "completed", "failed", "lost", "superseded", "stopped"];
    count("started") == states.iter().map(|state| count(state)).sum::<u64>()
}

/// The job once some of its tasks are complete.
async fn under_way(client: &Client, job: &str, completed: u64) -> Value {
    let seen = client.until(job, |snapshot| {
        assert_ne!(snapshot["phase"], "done", "too fast to be interrupted");
        snapshot["progress"][0]["completed"].as_u64().unwrap_or(0) >= completed
    });
    seen.await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_number_of_workers_that_was_set_is_shown_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    for desired in [1_u64, 2, 3, 1, 3, 2] {
        let put = running.http.put(format!("{}/api/workers", running.url));
        let response = put.json(&json!({ "desired": desired })).send().await.unwrap();
        assert_eq!(response.json::<Value>().await.unwrap()["by_hand"], desired);
        let pool = running.get_json("/api/workers").await;
        assert_eq!((&pool["by_hand"], &pool["desired"]), (&json!(desired), &json!(desired)));
    }
    // As a browser without JavaScript sends the form.
    for desired in ["3", "1", "2", "3", "1", "2"] {
        let post = running.http.post(format!("{}/app/workers", running.url));
        let post = post.header("content-type", "application/x-www-form-urlencoded");
        let post = post.header("accept", "text/html").body(format!("desired={desired}"));
        let response = post.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "after the redirect");
        let page = response.text().await.unwrap();
        let input = page.split("<input").find(|input| input.contains("id=\"desired\"")).unwrap();
        assert!(input.contains(&format!("value=\"{desired}\"")), "{desired}: {input:.300}");
        assert!(page.contains("data-scaling=\"by-hand\""));
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn times_and_counts_of_a_job_go_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let slow = Running::start_with(folder.path(), &["--slowness", "30"]).await;
    let job = slow.submit(&slow_job()).await;
    let before = under_way(&slow, &job, 3).await;
    slow.stop().await;
    let again = Running::start(folder.path()).await;
    let after = again.get_json(&format!("/api/jobs/{job}")).await;
    for phase in ["submitted_at", "planning_at", "running_at"] {
        assert_eq!(after["timings"][phase], before["timings"][phase], "{phase}");
    }
    let overall = |snapshot: &Value| snapshot["overall"].as_f64().expect("a fraction");
    assert!(overall(&after) >= overall(&before), "{after} {before}");
    let ended = again.follow(&job).await;
    check_counts(&before, &ended);
    assert_eq!(overall(&ended), 1.0);
    let restarts = ended["restarts"].as_array().expect("restarts");
    assert_eq!(restarts.len(), 1);
    assert!(restarts[0]["at"].as_u64() > before["timings"]["running_at"].as_u64());
    let page = again.get(&format!("/jobs/{job}")).await.text().await.unwrap();
    assert!(page.contains("The server restarted at"), "its page says so");
    again.stop().await;
}

/// The counts of a job that is done, of which `before` was seen before a restart.
fn check_counts(before: &Value, ended: &Value) {
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    assert_eq!(ended["timings"]["running_at"], before["timings"]["running_at"]);
    assert!(add_up(&ended["attempts"]), "{}", ended["attempts"]);
    for name in ["started", "completed"] {
        let count = |snapshot: &Value| snapshot["attempts"][name].as_u64();
        assert!(
            count(ended) >= count(before),
            "{name}: {} {}",
            ended["attempts"],
            before["attempts"]
        );
    }
    let tasks: u64 = ended["progress"]
        .as_array()
        .expect("levels")
        .iter()
        .filter_map(|it| it["tasks"].as_u64())
        .sum();
    assert!(ended["attempts"]["completed"].as_u64() >= Some(tasks), "{}", ended["attempts"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_that_were_killed_with_the_server_are_not_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    // An attempt lasts far longer than it takes from the checkpoint to the kill.
    let mut slow = Child::start(folder.path(), &["--slowness", "600"]).await;
    let job = slow.submit(&slow_job()).await;
    let checkpoint = folder.path().join("jobs").join(&job).join("checkpoint.json");
    let stored = stored(&checkpoint).await;
    // What a page had shown then, or soon after.
    let before = slow.get_json(&format!("/api/jobs/{job}")).await;
    slow.kill();
    let again = Running::start(folder.path()).await;
    let ended = again.follow(&job).await;
    let before = json!({"attempts": stored["attempts"], "timings": before["timings"]});
    check_counts(&before, &ended);
    let attempts = &ended["attempts"];
    // Both workers were killed in the midst of an attempt.
    assert!(attempts["lost"].as_u64() >= Some(1), "{attempts}");
    let read = |snapshot: &Value| snapshot["bytes"]["input_read"].as_u64();
    assert!(read(&ended) > read(&stored), "{} {}", ended["bytes"], stored["bytes"]);
    assert!(!checkpoint.exists(), "the report holds all");
    again.stop().await;
}

/// The first checkpoint in which an attempt runs.
async fn stored(checkpoint: &Path) -> Value {
    let end = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < end, "no checkpoint");
        if let Ok(text) = std::fs::read_to_string(checkpoint)
            && let Ok(stored) = serde_json::from_str::<Value>(&text)
            && stored["attempts"]["running"].as_u64() == Some(2)
        {
            return stored;
        }
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_whole_of_a_job_never_runs_backwards() {
    let folder = tempfile::tempdir().unwrap();
    let mut overall = Vec::new();
    let mut job = None;
    for slowness in ["30", "20", "1"] {
        let server = Running::start_with(folder.path(), &["--slowness", slowness]).await;
        let id = match job.clone() {
            Some(id) => id,
            None => server.submit(&slow_job()).await,
        };
        let mut events = Events::open(&server, &format!("/api/jobs/{id}/events"), None).await;
        let mut seen = 0;
        loop {
            let snapshot = events.next().await.data;
            overall.push(snapshot["overall"].as_f64().expect("a fraction"));
            seen += 1;
            let is_running = snapshot["phase"] == "running";
            if snapshot["phase"] == "done" || slowness != "1" && is_running && seen > 8 {
                break;
            }
        }
        job = Some(id);
        server.stop().await;
    }
    assert!(overall.is_sorted(), "{overall:?}");
    assert_eq!(overall.last(), Some(&1.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_tells_the_states_of_tasks_that_the_counts_count() {
    let folder = tempfile::tempdir().unwrap();
    let slow = Running::start_with(folder.path(), &["--slowness", "10"]).await;
    let job = slow.submit(&slow_job()).await;
    let path = format!("/api/jobs/{job}/events?tasks=true");
    let mut events = Events::open(&slow, &path, None).await;
    let mut known: Option<TaskStates> = None;
    let (mut wholes, mut changes, mut compared) = (0, 0, 0);
    loop {
        let event = events.next().await;
        if event.name == "tasks" {
            assert_eq!(event.id, None, "the job follows");
            let change: StateChange = serde_json::from_value(event.data).unwrap();
            *(if change.since.is_none() { &mut wholes } else { &mut changes }) += 1;
            assert!(change.apply(&mut known));
            continue;
        }
        if event.data["phase"] == "done" {
            break;
        }
        let levels = known.iter().flat_map(|known| &known.levels);
        for (level, told) in levels.zip(event.data["progress"].as_array().unwrap()) {
            let [_, running, speculative, complete] = level.count(0..level.tasks);
            assert_eq!(told["completed"], complete);
            assert_eq!(told["running"], running + speculative);
            assert_eq!(told["speculative"], speculative);
            compared += 1;
        }
    }
    assert!(changes > 10 && compared > 50, "{changes} changes, {compared} levels compared");
    assert!(wholes >= 1);
    slow.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_is_searched_and_filtered_and_counts_all() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let mut ids = Vec::new();
    for number in 0..60 {
        let name = format!("job number {number}");
        let data = json!({"generate": {"files": 1, "count": 1}});
        ids.push(running.submit(&json!({"inputs": data, "name": name})).await);
    }
    let failed = running.submit(&json!({"inputs": {"prefix": "nothing/here/"}})).await;
    for job in ids.iter().chain([&failed]) {
        running.follow(job).await;
    }
    let page = async |query: &str| {
        running.get(&format!("/jobs{query}")).await.text().await.expect("a page")
    };
    let rows = |page: &str| page.matches("data-job=").count();
    let count = |page: &str, status: &str| {
        let link = page.split(&format!("data-status=\"{status}\"")).nth(1).expect("a status");
        let number = link.split("<b>").nth(1).and_then(|it| it.split('<').next());
        number.expect("a number").to_owned()
    };
    let all = page("").await;
    assert_eq!(rows(&all), 50, "a page");
    assert_eq!(count(&all, "all"), "61");
    assert_eq!(count(&all, "done"), "60");
    assert_eq!(count(&all, "failed"), "1");
    assert_eq!(count(&all, "active"), "0");
    let searched = page("?q=NUMBER+5").await;
    assert_eq!(rows(&searched), 11, "5 and 50 to 59");
    assert_eq!(count(&searched, "failed"), "0");
    let wanted = page("?status=failed").await;
    assert_eq!(rows(&wanted), 1);
    assert!(wanted.contains(&failed));
    // The next page keeps the filter.
    let done = page("?status=done").await;
    let next = done
        .split("href=\"/jobs?")
        .find(|it| it.starts_with("status=done&amp;before=") || it.starts_with("before="));
    let next = next.and_then(|it| it.split('"').next()).expect("a next page");
    assert!(next.contains("status=done"), "{next}");
    let older = page(&format!("?{}", next.replace("&amp;", "&"))).await;
    assert_eq!(rows(&older), 10);

    // What a page looks up: what is new, how many there are, and rows that it has missed.
    let path = |ids: &str| format!("/app/history-news?newest={failed}&status=done&ids={ids}");
    let news = running.get_json(&path("")).await;
    assert_eq!((&news["counts"]["newer"], &news["jobs"]), (&json!(0), &json!([])));
    let later = running.submit(&json!({"inputs": {"generate": {"files": 1, "count": 1}}})).await;
    running.follow(&later).await;
    let purge = format!("{}/api/jobs/{}?purge=true", running.url, ids[0]);
    running.http.delete(purge).send().await.unwrap();
    let news = running.get_json(&path(&format!("{},{}", ids[0], ids[1]))).await;
    assert_eq!(news["counts"]["newer"], 1);
    assert_eq!(news["deleted"], json!([ids[0]]));
    assert_eq!(news["jobs"][0]["id"], json!(ids[1]));
    assert_eq!(news["jobs"][0]["result"], Value::Null);
    running.stop().await;
}
