//! The pages of workers and tasks tell what the records say, also after a restart.

use serde_json::{Value, json};

use super::running::Running;

/// The demonstration: 17 tasks, the third of which has a straggler.
fn demo() -> Value {
    json!({"inputs": {"generate": {"files": 30, "count": 4096}},
        "workers": 3, "fan_in": 3, "paced": true})
}

/// The text of a page, with spaces that may break, and its status.
async fn page(running: &Running, path: &str) -> (u16, String) {
    let response = running.get(path).await;
    let status = response.status().as_u16();
    let text = response.text().await.expect("a page");
    (status, text.replace('\u{a0}', " ").replace("<!>", ""))
}

fn assert_has(page: &str, parts: &[&str]) {
    for part in parts {
        assert!(page.contains(part), "{part:?} is not in {page}");
    }
}

/// What the page of a worker tells of its lane in the job's timeline.
async fn assert_worker(running: &Running, job: &str, lane: &Value) {
    let worker = lane["worker"].as_str().expect("a name");
    let (status, text) = page(running, &format!("/workers/{worker}")).await;
    assert_eq!(status, 200, "{text}");
    let attempts = lane["attempts"].as_array().expect("a list");
    assert_eq!(lane["total"], attempts.len(), "all are listed");
    let in_state = |state: &str| attempts.iter().filter(|it| it["state"] == state).count();
    let counts = &lane["counts"];
    for state in ["completed", "superseded", "failed", "lost", "stopped"] {
        assert_eq!(counts[state], in_state(state), "{state} of {worker}");
    }
    let read: u64 = attempts.iter().map(|it| it["read_bytes"].as_u64().expect("a number")).sum();
    assert_eq!(counts["read_bytes"], read);
    assert_has(&text, &[&format!("{} attempts in 1 job", attempts.len())]);
    for attempt in attempts {
        let task = attempt["task"].as_str().expect("a name");
        let number = &attempt["number"];
        assert_has(
            &text,
            &[
                &format!("href=\"/jobs/{job}/tasks/{task}\""),
                &format!("href=\"/jobs/{job}/run?attempt={task}-{number}#attempt\""),
            ],
        );
    }
}

/// What the page of the straggler's task tells.
async fn assert_task(running: &Running, job: &str, rescue: &Value) {
    let (status, text) = page(running, &format!("/jobs/{job}/tasks/0.2.0")).await;
    assert_eq!(status, 200, "{text}");
    let [slow, fast] =
        ["straggler", "rescuer"].map(|worker| rescue[worker].as_str().expect("a name"));
    let [worker_of_slow, worker_of_fast] =
        [slow, fast].map(|worker| format!("href=\"/workers/{worker}\""));
    assert_has(
        &text,
        &[
            ">Attempt 1<",
            ">Attempt 2<",
            "data-state=\"superseded\"",
            &format!("attempt 2 on {fast} completed the task first"),
            "yes, beside attempt 1",
            &worker_of_slow,
            &worker_of_fast,
            // Its files, and the task that adds it.
            "task 3 of 10",
            &format!("href=\"/jobs/{job}/tasks/1.0.0\""),
            &format!("href=\"/jobs/{job}/inputs?start=6\""),
            "inputs/06.csv",
        ],
    );
    let (_, above) = page(running, &format!("/jobs/{job}/tasks/1.0.0")).await;
    for child in ["0.0.0", "0.1.0", "0.2.0"] {
        assert_has(&above, &[&format!("href=\"/jobs/{job}/tasks/{child}\"")]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_and_tasks_have_pages_with_all_that_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let job = running.submit(&demo()).await;
    let ended = running.follow(&job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    let timeline = running.get_json(&format!("/api/jobs/{job}/timeline")).await;
    let lanes = timeline["lanes"].as_array().unwrap();
    let rescue = &timeline["rescues"][0];
    for lane in lanes {
        assert_worker(&running, &job, lane).await;
    }
    assert_task(&running, &job, rescue).await;
    let (_, tasks) = page(&running, &format!("/jobs/{job}/tasks")).await;
    let rows = tasks.matches("data-task=").count();
    assert_eq!(rows, 10, "{tasks}");
    assert_has(&tasks, &["1 to 10 of 10", "Level 3", ">complete<"]);

    // What does not exist says what to do.
    for (path, remedy) in [
        ("/workers/worker-99".to_owned(), "choose one on the overview"),
        (format!("/jobs/{job}/tasks/0.10.0"), "level 0 has the nodes 0 to 9"),
        (format!("/jobs/{job}/tasks/9.0.0"), "the last level of its sum tree is 3"),
        (format!("/jobs/{job}/tasks/none"), "level.node.range"),
        ("/jobs/none/tasks/0.0.0".to_owned(), "may have been deleted"),
    ] {
        let (status, text) = page(&running, &path).await;
        assert_eq!(status, 404, "{path}: {text}");
        assert_has(&text, &[remedy]);
    }
    running.stop().await;

    // After a restart only the records tell.
    let again = Running::start(folder.path()).await;
    for lane in lanes {
        assert_worker(&again, &job, lane).await;
    }
    assert_task(&again, &job, rescue).await;
    let (status, _) = page(&again, "/workers/worker-99").await;
    assert_eq!(status, 404);
    again.stop().await;
}
