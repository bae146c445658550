//! Whether the server works, for probes and for Prometheus.

use std::fmt::Write;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use protocol::problem::ProblemKind;
use protocol::{Phase, Problem};
use tokio::time::timeout;

use super::Shared;
use super::problem_response::{Failed, ProblemResponse};

/// How long the queue may take to answer: less than whoever probes waits.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whether the process answers.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "status",
    responses((status = 200, description = "It does", body = String, content_type = "text/plain")),
)]
pub(super) async fn health() -> &'static str {
    "ok\n"
}

/// Whether the queue answers too.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "status",
    responses(
        (status = 200, description = "It does", body = String, content_type = "text/plain"),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn ready(State(shared): State<Shared>) -> Result<&'static str, ProblemResponse> {
    match timeout(PATIENCE, shared.engine.queue().depths()).await {
        Ok(Ok(_)) => Ok("ready\n"),
        Ok(Err(error)) => Err(error.problem("asking the queue").into()),
        Err(_) => Err(Problem::new(ProblemKind::Unavailable, "the queue does not answer")
            .remedy("see that the broker runs and can be reached; jobs go on once it does")
            .into()),
    }
}

/// Figures in the text format of Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "status",
    responses((status = 200, description = "All there are", body = String, content_type = "text/plain")),
)]
pub(super) async fn metrics(State(shared): State<Shared>) -> impl IntoResponse {
    let board = shared.engine.board();
    let pool = board.pool();
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, values: &[(String, f64)]| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# HELP distributed_average_{name} {help}");
        let _ = writeln!(text, "# TYPE distributed_average_{name} gauge");
        for (labels, value) in values {
            let _ = writeln!(text, "distributed_average_{name}{labels} {value}");
        }
    };
    let plain = |value: f64| [(String::new(), value)];
    gauge("workers_desired", "Workers asked for.", &plain(pool.desired.into()));
    gauge("workers_ready", "Workers able to work.", &plain(pool.ready.into()));
    gauge("workers_busy", "Workers executing an attempt.", &plain(pool.busy.into()));
    gauge("backlog_tasks", "Ready tasks without an attempt.", &plain(pool.backlog as f64));
    let phases = [
        Phase::Listing,
        Phase::Planning,
        Phase::Running,
        Phase::Finishing,
        Phase::Done,
        Phase::Failed,
        Phase::Cancelled,
    ];
    let jobs = phases.map(|phase| {
        let count = board.count(phase);
        (format!("{{phase=\"{}\"}}", phase.word()), count as f64)
    });
    gauge("jobs", "Jobs by phase.", &jobs);
    if let Some(queue) = &pool.queue {
        gauge("queue_up", "Whether the queue answers.", &plain(u8::from(!queue.silent).into()));
        let waiting = [
            ("{queue=\"assignments\"}".to_owned(), queue.assignments as f64),
            ("{queue=\"reports\"}".to_owned(), queue.reports as f64),
            ("{queue=\"dead-letters\"}".to_owned(), queue.dead_letters as f64),
        ];
        gauge("queue_messages", "Messages in the queue, as last known.", &waiting);
    }
    let content_type = (header::CONTENT_TYPE, "text/plain; version=0.0.4");
    (StatusCode::OK, [content_type], text)
}
