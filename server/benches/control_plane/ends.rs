//! Workers that do no work: everything of a worker but the sums.

use std::collections::HashMap;
use std::future::pending;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::FutureExt;
use futures::stream::{self, StreamExt, TryStreamExt};
use platform::queue::amqp::{AmqpQueue, AmqpSettings};
use platform::store::local::LocalStore;
use platform::{InputStores, ObjectStore, Queue};
use protocol::task::{Outcome, Progress};
use protocol::{AttemptId, JobId, TaskId, WorkerId};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use traces::Traces;
use worker::metrics::WorkerMetrics;
use worker::{Substitute, Worker};

use super::Outcome as Done;

/// How many numbers each input has, the workers say.
pub(crate) const COLUMNS: u64 = 4;
/// How many workers connect at the same time.
const CONNECTING_AT_ONCE: usize = 8;

/// Where a server and its workers meet.
#[derive(Clone, Copy)]
pub(crate) struct Meeting<'a> {
    pub(crate) queue_url: &'a str,
    pub(crate) prefix: &'a str,
    pub(crate) store: &'a Path,
}

/// Workers that are connected, until dropped.
pub(crate) struct Ends {
    leave: CancellationToken,
    running: JoinSet<()>,
}

impl Ends {
    /// Connects workers to a server's queue, each with a connection of its own.
    ///
    /// # Errors
    ///
    /// If the broker or the store does not answer.
    pub(crate) async fn connect(
        at: Meeting<'_>,
        count: usize,
        substitute: &Substitute,
    ) -> Done<Ends> {
        let store: Arc<dyn ObjectStore> = Arc::new(LocalStore::open(at.store)?);
        // Smaller frames, and so smaller buffers, for there may be a thousand.
        let url = format!("{}?frame_max=8192", at.queue_url);
        let mut settings = AmqpSettings::new(&url)?;
        at.prefix.clone_into(&mut settings.prefix);
        let queue = AmqpQueue::new(settings);
        let leave = CancellationToken::new();
        let workers: Vec<Worker> = stream::iter(0..count)
            .map(|number| {
                let (queue, store) = (&queue, store.clone());
                async move {
                    let name = format!("end-{number:04}");
                    let end = queue.connect_worker(&name).await?;
                    Done::Ok(Worker {
                        id: WorkerId::from(name),
                        node: None,
                        queue: end,
                        inputs: InputStores::new(store.clone()),
                        store,
                        settings: worker::Settings::default(),
                        metrics: WorkerMetrics::default(),
                        traces: Traces::default(),
                    })
                }
            })
            .buffer_unordered(CONNECTING_AT_ONCE)
            .try_collect()
            .await?;
        let mut running = JoinSet::new();
        for worker in workers {
            let (substitute, leave) = (substitute.clone(), leave.clone());
            running.spawn(async move {
                if let Err(error) = worker::run_with(worker, Some(substitute), leave).await {
                    eprintln!("a worker ended: {error}");
                }
            });
        }
        Ok(Ends { leave, running })
    }

    /// Lets the workers leave, and waits for them.
    pub(crate) async fn leave(mut self) {
        self.leave.cancel();
        while self.running.join_next().await.is_some() {}
    }
}

/// An attempt that a worker had until it was due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) attempt: AttemptId,
    /// When the worker began it, in milliseconds of the clock.
    pub(crate) begun_at: f64,
    /// When it was due, in milliseconds of the clock.
    pub(crate) due_at: f64,
}

/// The tasks of each job that have been begun. One may be begun again, and the queue may
/// still have some of a job that was cancelled.
#[derive(Default)]
struct Begun(Mutex<HashMap<JobId, HashMap<TaskId, u64>>>);

impl Begun {
    /// As the how many-th task of its job, from 0, that of an attempt was begun.
    fn number(&self, attempt: AttemptId) -> u64 {
        let mut begun = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_job = begun.entry(attempt.job).or_default();
        let next = of_job.len() as u64;
        *of_job.entry(attempt.task).or_insert(next)
    }
}

/// Completes the first `limit` tasks at once, and no others.
pub(crate) fn at_once(limit: u64) -> Substitute {
    let begun = Begun::default();
    Arc::new(move |assignment| {
        if begun.number(assignment.attempt) < limit {
            return std::future::ready(outcome()).boxed();
        }
        pending().boxed()
    })
}

/// Lets tasks complete at a constant rate, whatever the server does: the task that was begun
/// as the N-th is due at the N-th tick of a clock.
pub(crate) struct Paced {
    pub(crate) held: Arc<Mutex<Vec<Held>>>,
    pub(crate) substitute: Substitute,
}

/// The first `limit` tasks, `per_sec` a second; no others complete.
pub(crate) fn paced(per_sec: f64, limit: u64) -> Paced {
    let held: Arc<Mutex<Vec<Held>>> = Arc::default();
    let (begun, since) = (Begun::default(), Mutex::new(None));
    let noted = held.clone();
    let substitute: Substitute = Arc::new(move |assignment| {
        let number = begun.number(assignment.attempt);
        if number >= limit {
            return pending().boxed();
        }
        let (now, begun_at) = (Instant::now(), clock_ms());
        let since = *since.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(now);
        let due = since + Duration::from_secs_f64((number + 1) as f64 / per_sec);
        let until_ms = due.saturating_duration_since(now).as_secs_f64() * 1e3;
        let late_ms = now.saturating_duration_since(due).as_secs_f64() * 1e3;
        let due_at = begun_at + until_ms - late_ms;
        let attempt = assignment.attempt;
        let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted.push(Held { attempt, begun_at, due_at });
        async move {
            sleep_until(due).await;
            outcome()
        }
        .boxed()
    });
    Paced { held, substitute }
}

fn outcome() -> Outcome {
    Outcome {
        columns: COLUMNS,
        format: Some("text".to_owned()),
        progress: Progress { fraction: 1.0, segments_written: 1, ..Progress::default() },
        ..Outcome::default()
    }
}

/// The time of the machine's clock, as the server shows it.
fn clock_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1e3
}
