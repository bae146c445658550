//! Changes of jobs and workers, as server-sent events ([`LiveEvent`]).
//!
//! Every event but that of the states of tasks carries the whole state of what it names.
//! A client that reconnects with `Last-Event-ID` is sent what has changed since. Of the events that belong
//! to one version only the last carries an id, so none of them is missed.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::stream::{self, StreamExt};
use protocol::live::LiveEvent;
use protocol::problem::{Problem, ProblemKind};
use protocol::{JobId, JobSnapshot};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::access::Standing;
use super::body::{JobInPath, Parameters};
use super::problem_response::{Failed, ProblemResponse};
use crate::board::Position;
use crate::engine::Engine;

/// The interval of keep-alive comments, below the idle timeout of usual proxies
/// (60 s).
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The interval of the events which say that the server is there.
const SAYS_ALIVE: Duration = Duration::from_secs(5);
/// The header that tells nginx not to buffer the stream.
const UNBUFFERED: [(&str, &str); 1] = [("x-accel-buffering", "no")];
/// How often a stream looks whether its client may still read it.
const LOOKS_AGAIN: Duration = Duration::from_secs(2);
/// How long a client waits before it reconnects.
const RETRY: Duration = Duration::from_secs(1);
/// How long a client that was refused should wait: a stream stays open for as long as
/// its page, so places become free slowly.
const RETRY_REFUSED: Duration = Duration::from_secs(30);

/// Follow all jobs and the workers, as server-sent events.
#[utoipa::path(
    get,
    description = describe_all(),
    path = "/api/events",
    operation_id = "follow_all",
    tag = "events",
    params(StreamParameters),
    responses(
        (status = 200, description = "Events until the client or the server ends it",
         body = SentEvent, content_type = "text/event-stream"),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn of_all(
    State(shared): State<Shared>,
    Parameters(StreamParameters { alive }): Parameters<StreamParameters>,
    Extension(standing): Extension<Standing>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ProblemResponse> {
    stream(&shared, standing, last_position(&headers), Subject::All, alive)
}

/// The parameters of `GET /api/events`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct StreamParameters {
    /// Also send the event `alive` whenever nothing else was sent for five seconds.
    #[serde(default)]
    alive: bool,
}

/// Follow one job, as server-sent events.
#[utoipa::path(
    get,
    description = describe_job(),
    path = "/api/jobs/{id}/events",
    operation_id = "follow_job",
    tag = "events",
    params(("id" = JobId, Path, description = "The job"), JobStreamParameters),
    responses(
        (status = 200, description = "Events until the client or the server ends it",
         body = SentEvent, content_type = "text/event-stream"),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn of_job(
    State(shared): State<Shared>,
    JobInPath(job): JobInPath,
    Parameters(asked): Parameters<JobStreamParameters>,
    Extension(standing): Extension<Standing>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ProblemResponse> {
    shared.engine.job(job).await?;
    let subject = Subject::Job { job, is_over: false, with_tasks: asked.tasks };
    stream(&shared, standing, last_position(&headers), subject, asked.alive)
}

/// The parameters of `GET /api/jobs/{id}/events`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct JobStreamParameters {
    /// Also send the states of the tasks: whole first, then what has changed.
    #[serde(default)]
    tasks: bool,
    /// Also send the event `alive` whenever nothing else was sent for five seconds.
    #[serde(default)]
    alive: bool,
}

/// A server-sent event.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its type is of interest")]
pub(super) struct SentEvent {
    /// What it tells of.
    event: String,
    /// The state of that, as JSON.
    data: String,
    /// Where the stream continues: what to send as `Last-Event-ID`.
    id: Option<String>,
    /// Milliseconds after which to reconnect.
    retry: Option<u64>,
}

/// The description of the events of [`of_all`].
fn describe_all() -> String {
    format!(
        "The data of the event `{}` is an `Overview`, that of `{}` a `JobSnapshot`, of `{}` a \
         `JobId`, of `{}` a `PoolSnapshot`. A client that sends `Last-Event-ID` is sent only what \
         has changed since.",
        LiveEvent::SNAPSHOT,
        LiveEvent::JOB,
        LiveEvent::JOB_DELETED,
        LiveEvent::WORKERS
    )
}

/// The description of the events of [`of_job`].
fn describe_job() -> String {
    format!(
        "The data of the event `{}` is a `JobSnapshot`, that of `{}` a `JobId`. With \
         `tasks=true` there is also the event `{}`, whose data is a `StateChange`.",
        LiveEvent::JOB,
        LiveEvent::JOB_DELETED,
        LiveEvent::TASKS
    )
}

/// What a stream tells of.
enum Subject {
    /// All jobs and the workers.
    All,
    /// One job, and whether the stream has told that it is over.
    Job { job: JobId, is_over: bool, with_tasks: bool },
}

/// The stream of one client.
struct Reader {
    engine: Arc<Engine>,
    versions: watch::Receiver<u64>,
    position: Option<Position>,
    subject: Subject,
    _permits: Permits,
}

impl Reader {
    /// The events since the position, which moves on.
    async fn changes(&mut self) -> (Position, Vec<LiveEvent>) {
        let board = self.engine.board();
        let (here, events) = match &mut self.subject {
            Subject::All => board.since(self.position),
            Subject::Job { job, is_over, with_tasks } => {
                let (here, mut events) = board.job_since(*job, self.position, *with_tasks);
                if events.is_empty() && !*is_over && board.job(*job).is_none() {
                    events.extend(evicted(&self.engine, *job).await);
                }
                *is_over |= events.iter().any(is_last);
                (here, events)
            }
        };
        self.position = Some(here);
        if !board.is_latest(here) {
            // The rest follows in the next batch.
            self.versions.mark_changed();
        }
        (here, events)
    }
}

/// The event of a job that was evicted from the board.
async fn evicted(engine: &Engine, job: JobId) -> Option<LiveEvent> {
    match engine.job(job).await {
        Ok(snapshot) => Some(LiveEvent::Job(Box::new(JobSnapshot::clone(&snapshot)))),
        Err(problem) if problem.kind == ProblemKind::NotFound => Some(LiveEvent::JobDeleted(job)),
        Err(problem) => {
            tracing::warn!(job_id = %job, %problem, "job not sent to a stream");
            None
        }
    }
}

/// Whether no other event of the same job follows, but its deletion.
fn is_last(event: &LiveEvent) -> bool {
    match event {
        LiveEvent::Job(job) => job.phase.is_over(),
        LiveEvent::JobDeleted(_) => true,
        LiveEvent::Snapshot(_) | LiveEvent::Workers(_) | LiveEvent::Tasks(_) => false,
    }
}

/// A stream of the events of a subject from a position on, until the server stops or the
/// client's token, session or link is withdrawn.
/// Refused if too many are open.
fn stream(
    shared: &Shared,
    standing: Standing,
    position: Option<Position>,
    subject: Subject,
    says_alive: bool,
) -> Result<impl IntoResponse + use<>, ProblemResponse> {
    let permits = permits(shared, &standing)?;
    let engine = shared.engine.clone();
    let mut versions = engine.board().watch();
    // This client has not seen the present state.
    versions.mark_changed();
    let reader = Reader { engine, versions, position, subject, _permits: permits };
    let batches = stream::unfold(reader, |mut reader| async move {
        loop {
            reader.versions.changed().await.ok()?;
            let (here, events) = reader.changes().await;
            if !events.is_empty() {
                return Some((stream::iter(with_id(events, here)), reader));
            }
        }
    });
    let stop = shared.stop.clone();
    let until_stopped = async move {
        tokio::select! {
            () = stop.cancelled_owned() => {}
            () = withdrawn(standing) => {}
        }
    };
    let events = batches.flatten().map(Ok::<_, Infallible>).take_until(until_stopped);
    let keep_alive = if says_alive {
        let event = Event::default().event(LiveEvent::ALIVE).data("{}");
        KeepAlive::new().interval(SAYS_ALIVE).event(event)
    } else {
        KeepAlive::new().interval(KEEP_ALIVE)
    };
    Ok((UNBUFFERED, Sse::new(events).keep_alive(keep_alive)))
}

/// Waits until the client of a stream may no longer read it.
async fn withdrawn(standing: Standing) {
    let mut interval = tokio::time::interval(LOOKS_AGAIN);
    loop {
        interval.tick().await;
        if !standing.holds().await {
            return;
        }
    }
}

/// The permits of a client that waits for changes: one of all, and one of those that have
/// come by links.
pub(super) type Permits = (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>);

/// The permits of a client that waits for changes. Refused if too many do.
pub(super) fn permits(shared: &Shared, standing: &Standing) -> Result<Permits, ProblemResponse> {
    let too_many = |_| {
        let problem = Problem::new(ProblemKind::Unavailable, "too many event streams are open")
            .remedy("try again later; --max-event-streams sets how many the server keeps");
        ProblemResponse::from(problem).retry_after(RETRY_REFUSED)
    };
    let shared_permit = match standing.is_by_link() {
        true => Some(shared.shared_streams.clone().try_acquire_owned().map_err(too_many)?),
        false => None,
    };
    Ok((shared.event_streams.clone().try_acquire_owned().map_err(too_many)?, shared_permit))
}

/// The events as they are sent; the last one carries the position.
fn with_id(events: Vec<LiveEvent>, position: Position) -> Vec<Event> {
    let mut sent: Vec<Event> = events.iter().map(sent).collect();
    if let Some(last) = sent.pop() {
        sent.push(last.id(position.to_string()).retry(RETRY));
    }
    sent
}

fn sent(event: &LiveEvent) -> Event {
    let data = match event {
        LiveEvent::Snapshot(overview) => serde_json::to_string(overview),
        LiveEvent::Job(job) => serde_json::to_string(job),
        LiveEvent::JobDeleted(id) => serde_json::to_string(id),
        LiveEvent::Workers(pool) => serde_json::to_string(pool),
        LiveEvent::Tasks(change) => serde_json::to_string(change),
    };
    // Snapshots hold texts and numbers only, which always encode as JSON.
    Event::default().event(event.name()).data(data.unwrap_or_default())
}

fn last_position(headers: &HeaderMap) -> Option<Position> {
    Position::parse(headers.get("last-event-id")?.to_str().ok()?)
}
