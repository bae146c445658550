//! Whether the server works, for probes and for Prometheus.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use program::metrics;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use protocol::problem::ProblemKind;
use protocol::worker::PoolSnapshot;
use protocol::{Part, Phase, Problem};
use tokio::time::timeout;

use super::Shared;
use super::problem_response::{Failed, ProblemResponse};
use crate::engine::unavailable;

/// How long the queue may take to answer; shorter than the timeout of a probe.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long the driver may stand still: it moves many times a second.
const STILL_MAX: Duration = Duration::from_secs(10);

/// Whether the process answers, and jobs move in it.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "status",
    responses(
        (status = 200, description = "It does", body = String, content_type = "text/plain"),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn health(State(shared): State<Shared>) -> Result<&'static str, ProblemResponse> {
    let still = shared.engine.silent_for();
    if still <= STILL_MAX {
        return Ok("ok\n");
    }
    let detail = format!("the driver of jobs has not moved for {} seconds", still.as_secs());
    Err(Problem::new(ProblemKind::Unavailable, detail)
        .remedy("start the server again: jobs continue")
        .into())
}

/// Whether the queue passes messages and the store answers too. A queue or a store that
/// does not is named.
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
    // What the last probes have found.
    if let Some(outage) = shared.engine.board().pool().outages.first() {
        return Err(unavailable(outage).into());
    }
    match timeout(PATIENCE, shared.engine.queue().depths()).await {
        Ok(Ok(_)) => Ok("ready\n"),
        Ok(Err(error)) => Err(error.problem("asking the queue").into()),
        Err(_) => Err(Problem::new(ProblemKind::Unavailable, "the queue does not answer")
            .remedy("see that the broker runs and can be reached; jobs go on once it does")
            .into()),
    }
}

/// Get figures in the text format of Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "status",
    responses((status = 200, description = "All there are", body = String, content_type = "text/plain")),
)]
pub(super) async fn figures(State(shared): State<Shared>) -> impl IntoResponse {
    let board = shared.engine.board();
    let jobs = PHASES.map(|phase| (phase, board.count(phase)));
    let limits = &shared.limits;
    let event_streams = limits.event_streams - shared.event_streams.available_permits();
    let uploads = limits.uploads - shared.uploads.available_permits();
    let epoch = shared.epoch;
    let figures = Figures { pool: board.pool(), jobs, event_streams, uploads, epoch };
    let text = shared.engine.metrics().text() + &figures.text();
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text)
}

/// All phases, in the order of a job's life.
const PHASES: [Phase; 7] = [
    Phase::Listing,
    Phase::Planning,
    Phase::Running,
    Phase::Finishing,
    Phase::Done,
    Phase::Failed,
    Phase::Cancelled,
];

/// The state of the pool and the jobs at one moment.
#[derive(Debug)]
struct Figures {
    pool: Arc<PoolSnapshot>,
    /// The number of jobs in each phase.
    jobs: [(Phase, usize); PHASES.len()],
    /// The number of open event streams.
    event_streams: usize,
    /// The number of uploads under way.
    uploads: usize,
    /// How many servers have led, with this one.
    epoch: u64,
}

/// Writes whether a server leads, and which leader it knows.
pub(super) fn encode_leadership(
    encoder: &mut DescriptorEncoder<'_>,
    leads: bool,
    epoch: u64,
) -> fmt::Result {
    let help = "Whether this server leads those of its store, rather than standing by.";
    let mut leader = encoder.encode_descriptor("leader", help, None, MetricType::Gauge)?;
    leader.encode_gauge(&u64::from(leads))?;
    let help = "How many servers have led the store, with the one that leads; 0 if none does.";
    let mut known = encoder.encode_descriptor("leader_epoch", help, None, MetricType::Gauge)?;
    known.encode_gauge(&epoch)
}

impl Figures {
    fn text(self) -> String {
        let mut registry = Registry::with_prefix(metrics::PREFIX);
        registry.register_collector(Box::new(self));
        metrics::text(&registry)
    }
}

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        encode_leadership(&mut encoder, true, self.epoch)?;
        let mut gauge = |name: &str, help: &str, value: u64| {
            encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
        };
        let pool = &*self.pool;
        gauge("workers_desired", "Workers asked for.", pool.desired.into())?;
        gauge("workers_ready", "Workers able to work.", pool.ready.into())?;
        gauge("workers_busy", "Workers executing an attempt.", pool.busy.into())?;
        gauge("backlog_tasks", "Ready tasks without an attempt.", pool.backlog)?;
        gauge("event_streams", "Open event streams.", self.event_streams as u64)?;
        gauge("uploads", "Uploads under way.", self.uploads as u64)?;
        let is_away = |part| pool.outages.iter().any(|outage| outage.part == part);
        gauge("store_up", "Whether the store answers.", u64::from(!is_away(Part::Store)))?;
        if let Some(queue) = &pool.queue {
            gauge("queue_up", "Whether the queue answers.", u64::from(!queue.silent))?;
        }
        if !pool.outages.is_empty() {
            let help = "When the outage of a part began, in seconds since 1970.";
            let mut outages = encoder.encode_descriptor(
                "outage_start_time_seconds",
                help,
                None,
                MetricType::Gauge,
            )?;
            for outage in &pool.outages {
                let seconds = outage.since.as_millis() as f64 / 1000.0;
                outages.encode_family(&[("part", outage.part.word())])?.encode_gauge(&seconds)?;
            }
        }
        let mut jobs =
            encoder.encode_descriptor("jobs", "Jobs by phase.", None, MetricType::Gauge)?;
        for (phase, count) in self.jobs {
            jobs.encode_family(&[("phase", phase.word())])?.encode_gauge(&count)?;
        }
        let Some(queue) = &pool.queue else {
            return Ok(());
        };
        let help = "Messages in the queue, as last known.";
        let mut messages =
            encoder.encode_descriptor("queue_messages", help, None, MetricType::Gauge)?;
        for (name, count) in [
            ("assignments", queue.assignments),
            ("reports", queue.reports),
            ("dead-letters", queue.dead_letters),
        ] {
            messages.encode_family(&[("queue", name)])?.encode_gauge(&count)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use protocol::worker::QueueSnapshot;

    use super::*;

    #[test]
    fn figures_are_written_as_prometheus_reads_them() {
        let queue = QueueSnapshot {
            assignments: 4,
            reports: 5,
            dead_letters: 6,
            silent: true,
            ..QueueSnapshot::default()
        };
        let pool = PoolSnapshot {
            desired: 3,
            ready: 2,
            busy: 1,
            backlog: 1 << 40,
            queue: Some(queue),
            ..PoolSnapshot::default()
        };
        let jobs = PHASES.map(|phase| (phase, usize::from(phase == Phase::Done)));
        let figures =
            Figures { pool: Arc::new(pool), jobs, event_streams: 2, uploads: 1, epoch: 4 };
        let expected = "\
# HELP distributed_average_leader Whether this server leads those of its store, rather than standing by.
# TYPE distributed_average_leader gauge
distributed_average_leader 1
# HELP distributed_average_leader_epoch How many servers have led the store, with the one that leads; 0 if none does.
# TYPE distributed_average_leader_epoch gauge
distributed_average_leader_epoch 4
# HELP distributed_average_workers_desired Workers asked for.
# TYPE distributed_average_workers_desired gauge
distributed_average_workers_desired 3
# HELP distributed_average_workers_ready Workers able to work.
# TYPE distributed_average_workers_ready gauge
distributed_average_workers_ready 2
# HELP distributed_average_workers_busy Workers executing an attempt.
# TYPE distributed_average_workers_busy gauge
distributed_average_workers_busy 1
# HELP distributed_average_backlog_tasks Ready tasks without an attempt.
# TYPE distributed_average_backlog_tasks gauge
distributed_average_backlog_tasks 1099511627776
# HELP distributed_average_event_streams Open event streams.
# TYPE distributed_average_event_streams gauge
distributed_average_event_streams 2
# HELP distributed_average_uploads Uploads under way.
# TYPE distributed_average_uploads gauge
distributed_average_uploads 1
# HELP distributed_average_store_up Whether the store answers.
# TYPE distributed_average_store_up gauge
distributed_average_store_up 1
# HELP distributed_average_queue_up Whether the queue answers.
# TYPE distributed_average_queue_up gauge
distributed_average_queue_up 0
# HELP distributed_average_jobs Jobs by phase.
# TYPE distributed_average_jobs gauge
distributed_average_jobs{phase=\"listing\"} 0
distributed_average_jobs{phase=\"planning\"} 0
distributed_average_jobs{phase=\"running\"} 0
distributed_average_jobs{phase=\"finishing\"} 0
distributed_average_jobs{phase=\"done\"} 1
distributed_average_jobs{phase=\"failed\"} 0
distributed_average_jobs{phase=\"cancelled\"} 0
# HELP distributed_average_queue_messages Messages in the queue, as last known.
# TYPE distributed_average_queue_messages gauge
distributed_average_queue_messages{queue=\"assignments\"} 4
distributed_average_queue_messages{queue=\"reports\"} 5
distributed_average_queue_messages{queue=\"dead-letters\"} 6
";
        assert_eq!(figures.text(), expected);
    }
}
