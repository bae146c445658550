//! Whether the server works, for probes and for Prometheus.

use std::fmt::Write;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use protocol::Phase;

use super::Shared;
use super::answer::{Answer, Failed};

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
pub(super) async fn ready(State(shared): State<Shared>) -> Result<&'static str, Answer> {
    let depths = shared.engine.queue().depths().await;
    depths.map_err(|error| error.problem("asking the queue"))?;
    Ok("ready\n")
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
    if let Ok(depths) = shared.engine.queue().depths().await {
        let waiting = [
            ("{queue=\"assignments\"}".to_owned(), depths.assignments as f64),
            ("{queue=\"reports\"}".to_owned(), depths.reports as f64),
        ];
        gauge("queue_messages", "Messages that wait in the queue.", &waiting);
    }
    let content_type = (header::CONTENT_TYPE, "text/plain; version=0.0.4");
    (StatusCode::OK, [content_type], text)
}
