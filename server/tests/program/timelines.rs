//! The attempts of a job over time, by the API.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::client::Client;
use super::running::Running;

/// The demonstration: 17 tasks, the third of which has a straggler.
fn demo() -> Value {
    json!({"inputs": {"generate": {"files": 30, "count": 4096}},
        "workers": 3, "fan_in": 3, "paced": true})
}

/// The attempts in a timeline by task and number, each without what only a timeline tells.
fn told(timeline: &Value) -> BTreeMap<(String, u64), Value> {
    let lanes = timeline["lanes"].as_array().expect("lanes").iter();
    lanes
        .flat_map(|lane| lane["attempts"].as_array().expect("attempts"))
        .map(|attempt| {
            let mut attempt = attempt.clone();
            let fields = attempt.as_object_mut().expect("an attempt");
            fields.remove("beside");
            let task = fields.remove("task").expect("a task");
            let number = fields["number"].as_u64().expect("a number");
            ((task.as_str().expect("a task").to_owned(), number), attempt)
        })
        .collect()
}

/// The same by the lists of tasks.
async fn listed(client: &Client, job: &str, levels: usize) -> BTreeMap<(String, u64), Value> {
    let mut listed = BTreeMap::new();
    for level in 0..levels {
        let path = format!("/api/jobs/{job}/tasks?level={level}&limit=1000");
        for task in client.get_json(&path).await["tasks"].as_array().expect("tasks") {
            let id = task["id"].as_str().expect("an id");
            for attempt in task["attempts"].as_array().expect("attempts") {
                let number = attempt["number"].as_u64().expect("a number");
                listed.insert((id.to_owned(), number), attempt.clone());
            }
        }
    }
    listed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timeline_tells_the_attempts_of_the_tasks_and_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let job = running.submit(&demo()).await;
    let path = format!("/api/jobs/{job}/timeline");
    let ended = running.follow(&job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    let took = ended["timings"]["ended_at"].as_u64().unwrap()
        - ended["timings"]["submitted_at"].as_u64().unwrap();
    println!("the demonstration took {took} ms");
    assert!((5_000..20_000).contains(&took), "{took} ms");
    let timeline = running.get_json(&path).await;
    let attempts = told(&timeline);
    assert_eq!(attempts, listed(&running, &job, 4).await);
    assert_eq!(timeline["attempts"], attempts.len());

    // The third task had a straggler, and another worker completed it.
    let rescues = timeline["rescues"].as_array().unwrap();
    assert_eq!(rescues.len(), 1, "{rescues:?}");
    assert_eq!(rescues[0]["task"], "0.2.0");
    let times = rescues[0]["times_slower"].as_f64().unwrap();
    assert!((9.0..15.0).contains(&times), "{times}");
    assert_eq!(rescues[0]["saved_ms"], ended["attempts"]["saved_ms"]);
    let slow = &attempts[&("0.2.0".to_owned(), 1)];
    assert_eq!((&slow["state"], &slow["worker"]), (&json!("superseded"), &rescues[0]["straggler"]));
    assert_eq!(timeline["slowest"][0]["task"], "0.2.0");

    // What the time was spent on, as far as workers have told.
    for attempt in attempts.values().filter(|it| it["state"] == "completed") {
        let of = |name: &str| attempt["phases"][name].as_u64().expect("a time");
        let spent = of("reading_ms") + of("computing_ms") + of("writing_ms");
        let ran = attempt["ended_at"].as_u64().unwrap() - attempt["started_at"].as_u64().unwrap();
        assert!(spent <= ran + 50 && spent + 200 > ran, "{spent} of {ran} ms");
    }

    // A part of the time.
    let middle = timeline["start"].as_u64().unwrap() + took / 2;
    let part = running.get_json(&format!("{path}?from={middle}&to={}", middle + 10)).await;
    let shown = told(&part);
    assert!(!shown.is_empty() && shown.len() < 8, "{shown:?}");
    let is_then = |it: &Value| {
        it["published_at"].as_u64() <= Some(middle + 10) && it["ended_at"].as_u64() >= Some(middle)
    };
    assert!(shown.values().all(is_then));

    // A slice for each, and an arrow to the speculative one.
    let trace = running.get_json(&format!("/api/jobs/{job}/trace.json")).await;
    let events = trace["traceEvents"].as_array().unwrap();
    let count = |ph: &str| events.iter().filter(|it| it["ph"] == ph).count();
    assert_eq!(count("X"), attempts.len() + 4, "and the phases of the job");
    assert_eq!((count("s"), count("f")), (1, 1));
    running.stop().await;

    // The store has kept it.
    let again = Running::start(folder.path()).await;
    assert_eq!(told(&again.get_json(&path).await), attempts);
    let page = again.get(&format!("/jobs/{job}/run")).await.text().await.unwrap();
    assert!(page.matches("<a href=\"/jobs").count() > attempts.len());
    std::fs::write(folder.path().join(format!("jobs/{job}/timeline.json")), "{").unwrap();
    again.stop().await;
    let damaged = Running::start(folder.path()).await;
    assert_eq!(damaged.get(&path).await.status(), 404);
    assert_eq!(damaged.get(&format!("/jobs/{job}/run")).await.status(), 200);
    damaged.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_small_jobs_of_generated_data_are_paced() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    for inputs in [json!({"prefix": "in/"}), json!({"generate": {"files": 101, "count": 1}})] {
        let refused = running.post("/api/jobs", &json!({"inputs": inputs, "paced": true})).await;
        assert_eq!(refused.status(), 422);
        let problem: Value = refused.json().await.unwrap();
        assert_eq!(problem["field"], "paced");
    }
    running.stop().await;
}
