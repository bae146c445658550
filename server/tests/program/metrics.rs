//! What the server exports for Prometheus, and the rules and the dashboard that use it.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testbed::promtool;

use super::child::Child;
use super::client::Client;

/// The files of the monitoring component.
const COMPONENT: &str = "../k8s/components/monitoring";

/// What a program exports at `/metrics`, checked as Prometheus checks it.
pub(crate) async fn figures(client: &Client) -> Figures {
    let text = client.get("/metrics").await.text().await.expect("figures");
    // It fails on what does not follow the conventions, too.
    promtool(&["check", "metrics"], &text);
    Figures(text)
}

/// Figures in the text format of Prometheus.
pub(crate) struct Figures(pub(crate) String);

impl Figures {
    /// The sum of the values of a figure whose labels contain all of `labels`.
    #[track_caller]
    pub(crate) fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let values: Vec<f64> = self
            .0
            .lines()
            .filter_map(|line| {
                let (series, value) = line.rsplit_once(' ')?;
                let (found, rest) = series.split_once('{').unwrap_or((series, ""));
                let is_it = found == name && labels.iter().all(|label| rest.contains(label));
                is_it.then(|| value.parse().expect("a number"))
            })
            .collect();
        assert!(!values.is_empty(), "{name} {labels:?} is not in\n{}", self.0);
        values.iter().sum()
    }

    /// The names of all figures, with the suffixes of histograms.
    fn names(&self) -> BTreeSet<&str> {
        let lines = self.0.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| line.split(['{', ' ']).next()).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_tasks_attempts_requests_and_the_store_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let server = Child::start(folder.path(), &[]).await;
    let before = figures(&server).await;
    assert_eq!(before.sum("distributed_average_jobs_submitted_total", &[]), 0.0);
    // A rate needs a first value.
    for outcome in ["done", "failed", "cancelled"] {
        let label = format!("outcome=\"{outcome}\"");
        assert_eq!(before.sum("distributed_average_jobs_ended_total", &[&label]), 0.0);
    }

    let inputs = json!({"generate": {"files": 8, "count": 1000, "format": "npy", "seed": 1}});
    let job = server.submit(&json!({"inputs": inputs, "fan_in": 2, "workers": 2})).await;
    let ended = server.follow(&job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    let missing = server.failure(&json!({"inputs": {"objects": ["none.csv"]}})).await;
    assert_eq!(missing["status"], 404, "{missing}");
    assert_eq!(server.get("/api/jobs/none").await.status(), 404);
    assert_eq!(server.get("/nowhere/at/all").await.status(), 404);

    let figures = figures(&server).await;
    let sum =
        |name: &str, labels: &[&str]| figures.sum(&format!("distributed_average_{name}"), labels);
    assert_eq!(sum("jobs_submitted_total", &[]), 2.0);
    assert_eq!(sum("jobs_ended_total", &["outcome=\"done\""]), 1.0);
    assert_eq!(sum("jobs_ended_total", &["outcome=\"failed\""]), 1.0);
    assert_eq!(sum("job_duration_seconds_count", &[]), 2.0);
    assert_eq!(sum("job_wait_seconds_count", &[]), 1.0);
    // The tree of 8 objects with fan-in 2 has 4 + 2 + 1 tasks.
    assert_eq!(sum("tasks_total", &["outcome=\"completed\""]), 7.0);
    let attempts = &ended["attempts"];
    let completed = attempts["completed"].as_f64().unwrap();
    assert_eq!(sum("attempts_ended_total", &["outcome=\"completed\""]), completed);
    assert_eq!(sum("attempts_started_total", &[]), attempts["started"].as_f64().unwrap());
    assert_eq!(sum("attempt_queue_wait_seconds_count", &[]), sum("attempts_started_total", &[]));
    let timed = sum("attempt_duration_seconds_count", &["kind=\"sum\"", "\"completed\""]);
    assert!(timed >= 4.0, "{timed}");
    let read = ended["bytes"]["input_read"].as_f64().unwrap();
    assert_eq!(sum("attempt_bytes_total", &["kind=\"input_read\""]), read);
    assert_eq!(sum("leases_lost_total", &[]), 0.0);
    assert!(sum("store_written_bytes_total", &[]) > 8.0 * 8.0 * 1000.0);
    assert!(sum("store_read_bytes_total", &[]) >= read);
    assert!(sum("store_requests_total", &["operation=\"put\"", "outcome=\"ok\""]) >= 8.0);
    // Routes, not paths: what clients ask for must not fill the memory.
    let created = ["method=\"POST\"", "route=\"/api/jobs\"", "status=\"201\""];
    assert_eq!(sum("http_requests_total", &created), 2.0);
    let refused = ["route=\"/api/jobs/{id}\"", "status=\"404\""];
    assert_eq!(sum("http_requests_total", &refused), 1.0);
    assert!(!figures.0.contains("/jobs/none") && !figures.0.contains("nowhere"));
    assert_eq!(sum("http_requests_total", &["route=\"unmatched\"", "status=\"404\""]), 1.0);
    assert_eq!(sum("http_requests_in_flight", &[]), 1.0, "this one");
    server.stop().await;
}

#[test]
fn the_rules_are_sound_and_tell_what_they_should() {
    let rules = format!("{COMPONENT}/rules.yaml");
    promtool(&["check", "rules", &rules], "");
    promtool(&["test", "rules", &format!("{COMPONENT}/rules-test.yaml")], "");
}

/// Figures that are not there until something has happened in an installation that these
/// tests have not.
const ELSEWHERE: [&str; 7] = [
    "distributed_average_queue_messages",
    "distributed_average_queue_up",
    "distributed_average_outage_start_time_seconds",
    "distributed_average_worker_attempts_total",
    "distributed_average_worker_bytes_total",
    "distributed_average_worker_segments_total",
    "distributed_average_worker_queue_retries_total",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_rules_and_dashboard_draw_is_exported() {
    let folder = tempfile::tempdir().unwrap();
    let server = Child::start(folder.path(), &[]).await;
    let inputs = json!({"generate": {"files": 4, "count": 10, "format": "csv", "seed": 1}});
    server.mean(&json!({"inputs": inputs})).await;
    let figures = figures(&server).await;
    server.stop().await;
    let read = |name: &str| std::fs::read_to_string(format!("{COMPONENT}/{name}")).unwrap();
    let (rules, dashboard) = (read("rules.yaml"), read("dashboard.json"));
    let parsed: Value = serde_json::from_str(&dashboard).expect("JSON");
    let panels = parsed["panels"].as_array().expect("panels");
    assert!(panels.iter().all(|panel| panel["targets"][0]["expr"].is_string()));
    let recorded: BTreeSet<&str> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- record: ")).collect();
    let mut known = figures.names();
    known.extend(&recorded);
    known.extend(ELSEWHERE);
    let used = used(&rules).into_iter().chain(used(&dashboard)).collect::<BTreeSet<_>>();
    assert!(used.len() > 30, "{used:?}");
    let unknown: Vec<_> = used.iter().filter(|name| !known.contains(**name)).collect();
    assert!(unknown.is_empty(), "{unknown:?} are drawn, and nobody exports them");
}

/// The names of figures and of recorded rules in a text.
fn used(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    let is_figure = |word: &&str| {
        word.starts_with("distributed_average_")
            || word.starts_with("distributed_average:")
            || word.starts_with("process_")
    };
    words.filter(is_figure).collect()
}
