//! Changes of jobs and workers, as server-sent events ([`LiveEvent`]).
//!
//! Every event but that of the states of tasks carries the whole state of what it names.
//! A client that reconnects with `Last-Event-ID` is sent what has changed since. Of the events that belong
//! to one version only the last carries an id, so none of them is missed.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use protocol::JobId;
use protocol::live::LiveEvent;
use protocol::problem::{Problem, ProblemKind};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, timeout_at};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::access::Standing;
use super::body::{JobInPath, Parameters};
use super::problem_response::{Failed, ProblemResponse};
use crate::board::{Change, Position};
use crate::engine::Engine;

/// Comments keep a stream alive, at an interval below the idle timeout of usual proxies
/// (60 s).
const KEEP_ALIVE: KeepAlive = KeepAlive { interval: Duration::from_secs(15), text: ":\n\n" };
/// The events which say that the server is there; [`LiveEvent::ALIVE`].
const SAYS_ALIVE: KeepAlive =
    KeepAlive { interval: Duration::from_secs(5), text: "event: alive\ndata: {}\n\n" };
/// The last one tells nginx not to buffer the stream.
const HEADERS: [(&str, &str); 3] = [
    ("content-type", "text/event-stream"),
    ("cache-control", "no-cache"),
    ("x-accel-buffering", "no"),
];
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
    /// What is still to be told. Its texts are made when they are sent, and shared.
    changes: VecDeque<Change>,
    /// What follows the last piece before anything else.
    follows: Option<Bytes>,
    keep_alive: KeepAlive,
    _permits: Permits,
}

impl Reader {
    /// The next piece of the stream; `None` once the server ends.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(piece) = self.follows.take() {
            return Some(piece);
        }
        let alive_at = Instant::now() + self.keep_alive.interval;
        loop {
            if let Some(change) = self.changes.pop_front() {
                let text = self.engine.board().text(&change).whole();
                let Some(here) = self.position.filter(|_| self.changes.is_empty()) else {
                    return Some(text);
                };
                self.follows = Some(text);
                return Some(format!("id: {here}\nretry: {}\n", RETRY.as_millis()).into());
            }
            match timeout_at(alive_at, self.versions.changed()).await {
                Ok(changed) => changed.ok()?,
                Err(_) => return Some(Bytes::from_static(self.keep_alive.text.as_bytes())),
            }
            self.look().await;
        }
    }

    /// Finds the changes since the position, which moves on.
    async fn look(&mut self) {
        let board = self.engine.board();
        let (here, changes) = match &mut self.subject {
            Subject::All => board.since(self.position),
            Subject::Job { job, is_over, with_tasks } => {
                let (here, mut changes) = board.job_since(*job, self.position, *with_tasks);
                if changes.is_empty() && !*is_over && board.job(*job).is_none() {
                    changes.extend(evicted(&self.engine, *job).await);
                }
                *is_over |= changes.iter().any(Change::is_last);
                (here, changes)
            }
        };
        self.position = Some(here);
        if !board.is_latest(here) {
            // The rest follows in the next batch.
            self.versions.mark_changed();
        }
        self.changes = changes.into();
    }
}

/// What a stream sends when it has nothing to tell, and after what time.
#[derive(Clone, Copy)]
struct KeepAlive {
    interval: Duration,
    text: &'static str,
}

/// The change of a job that was evicted from the board.
async fn evicted(engine: &Engine, job: JobId) -> Option<Change> {
    match engine.job(job).await {
        Ok(snapshot) => Some(Change::Whole(None, snapshot)),
        Err(problem) if problem.kind == ProblemKind::NotFound => Some(Change::Deleted(job)),
        Err(problem) => {
            tracing::warn!(job_id = %job, %problem, "job not sent to a stream");
            None
        }
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
    let keep_alive = if says_alive { SAYS_ALIVE } else { KEEP_ALIVE };
    let (changes, follows) = (VecDeque::new(), None);
    let reader = Reader {
        engine,
        versions,
        position,
        subject,
        changes,
        follows,
        keep_alive,
        _permits: permits,
    };
    let pieces = stream::unfold(reader, |mut reader| async move {
        let piece = reader.next().await?;
        Some((piece, reader))
    });
    let stop = shared.stop.clone();
    let until_stopped = async move {
        tokio::select! {
            () = stop.cancelled_owned() => {}
            () = withdrawn(standing) => {}
        }
    };
    let pieces = pieces.map(Ok::<_, Infallible>).take_until(until_stopped);
    Ok((HEADERS, Body::from_stream(pieces)))
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

fn last_position(headers: &HeaderMap) -> Option<Position> {
    Position::parse(headers.get("last-event-id")?.to_str().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keep_alive_event_has_its_name() {
        assert_eq!(SAYS_ALIVE.text, format!("event: {}\ndata: {{}}\n\n", LiveEvent::ALIVE));
    }
}
