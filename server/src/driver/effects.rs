//! Performs the scheduler's commands, in tasks beside the driver.

mod holding;
mod outputs;
mod planning;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use platform::problems::with_sources;
use platform::retry::UNTIL_DONE_PAUSE;
use platform::store::traced::StoreTracing;
use protocol::delivery::WebhookDelivery;
use protocol::problem::ProblemKind;
use protocol::task::{Assignment, Control};
use protocol::timeline::Timeline;
use protocol::{JobId, JobSnapshot, Phase, Problem, WorkerId};
use scheduler::Event;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};
use traces::Span;

use self::holding::Holding;
use self::outputs::write_outputs;
use self::planning::Planning;
use super::gates::Gates;
use super::{DriverMessage, Parts};
use crate::finishing::{Total, Unfinished, write_result};
use crate::garbage_collection;
use crate::limits::{check_free_space, check_reserve, result_bytes};
use crate::records::{self, Checkpoint, Completions, LearnedRecord, RequestSummary, index};

/// Starts effects. Each sends its outcome to the driver as a message.
pub(super) struct Effects {
    pub(super) parts: Arc<Parts>,
    pub(super) messages: mpsc::Sender<DriverMessage>,
    /// What jobs wait for before they are planned.
    pub(super) gates: Gates,
    /// Limits how many results are written at the same time: each takes memory.
    pub(super) writing: Arc<Semaphore>,
    /// Limits how many jobs have their garbage collected at the same time: each takes
    /// descriptors and a thread.
    pub(super) collecting: Arc<Semaphore>,
    /// What the pool is told, in this order.
    pool_calls: mpsc::UnboundedSender<PoolCall>,
    /// For how long which workers are set aside.
    rests: mpsc::UnboundedSender<(Control, Option<String>)>,
    /// Cancelled when the driver ends: stops what takes long.
    pub(super) stop: CancellationToken,
    /// Cancelled once nobody listens to outcomes any more: the process may live on, and
    /// stand by for the server that has these jobs then.
    ended: DropGuard,
}

/// What the pool is told.
enum PoolCall {
    Ensure(u32),
    Drained(WorkerId),
    Released(WorkerId),
    Retained(WorkerId),
}

/// How many results are written at the same time.
pub(super) const RESULTS_AT_ONCE: usize = 2;
/// How many jobs have their garbage collected at the same time.
pub(super) const COLLECTED_AT_ONCE: usize = 4;

/// A task that writes objects of a job: its planning and the writing of its result, which
/// can be stopped, or that of a checkpoint.
pub(super) struct Writing {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Writing {
    /// Whether the task has ended.
    pub(super) fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    /// Stops the task, and waits until nothing more is written.
    async fn end(self) {
        self.stop.cancel();
        // An error says that the task panicked, and so has ended.
        let _ = self.task.await;
    }
}

impl Effects {
    pub(super) fn new(parts: Arc<Parts>, messages: mpsc::Sender<DriverMessage>) -> Effects {
        let (pool_calls, calls) = mpsc::unbounded_channel();
        let (rests, told) = mpsc::unbounded_channel();
        let effects = Effects {
            gates: Gates::new(&parts.limits),
            parts,
            messages,
            writing: Arc::new(Semaphore::new(RESULTS_AT_ONCE)),
            collecting: Arc::new(Semaphore::new(COLLECTED_AT_ONCE)),
            stop: CancellationToken::new(),
            pool_calls,
            rests,
            ended: CancellationToken::new().drop_guard(),
        };
        effects.call_pool(calls);
        effects.tell_rests(told);
        effects
    }

    /// Runs a task until it is done or the driver is gone.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        let ended = self.ended.token().clone();
        tokio::spawn(async move {
            ended.run_until_cancelled(work).await;
        })
    }

    /// Lists the job's objects, lays out its sum tree and stores the plan. A job that
    /// `is_resumed` keeps what it can of its earlier plan.
    pub(super) fn plan(
        &self,
        job: JobId,
        request: &RequestSummary,
        is_resumed: bool,
        tracing: Option<StoreTracing>,
    ) -> Writing {
        let stop = self.stop.child_token();
        let planning = Planning {
            parts: self.parts.clone(),
            messages: self.messages.clone(),
            gates: self.gates.clone(),
            job,
            request: request.clone(),
            is_resumed,
            tracing,
            stop: stop.clone(),
        };
        Writing { stop, task: self.spawn_for(job, "planning the job", planning.run()) }
    }

    /// Runs a task of a job. If it panics, the job fails, for nothing else would end it.
    fn spawn_for(
        &self,
        job: JobId,
        doing: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> JoinHandle<()> {
        let messages = self.messages.clone();
        // In one place on the heap: each future around it would have room for it twice.
        let work = AssertUnwindSafe(work.boxed());
        self.spawn(async move {
            // Nothing that the task has changed is used afterwards.
            if let Err(panic) = work.catch_unwind().await {
                let said = panic.downcast_ref::<String>().map(String::as_str);
                let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
                let detail = format!("{doing}: the program has a bug: {}", said.unwrap_or("panic"));
                tracing::error!(job_id = %job, detail);
                let problem = Problem::new(ProblemKind::Internal, detail)
                    .remedy("report this with the log of the server");
                send(&messages, broken(job, problem)).await;
            }
        })
    }

    /// Stores the checkpoint of a job with its journal, if it has one, once: the next ones
    /// follow soon.
    pub(super) fn write_checkpoint(
        &self,
        job: JobId,
        checkpoint: Checkpoint,
        completions: Option<Completions>,
    ) -> Writing {
        let parts = self.parts.clone();
        let task = self.spawn(async move {
            if let Some(completions) = completions
                && let Err(problem) =
                    records::store_completions(&*parts.store, job, &completions).await
            {
                tracing::warn!(job_id = %job, %problem, "journal not stored");
            }
            let stored = records::store_checkpoint(&*parts.store, job, &checkpoint).await;
            if let Err(problem) = stored {
                tracing::warn!(job_id = %job, %problem, "checkpoint not stored");
            }
        });
        Writing { stop: self.stop.child_token(), task }
    }

    /// Publishes assignments in one message, retried until the queue accepts it, which ends
    /// their spans. Does nothing if there are none.
    pub(super) fn publish(&self, assignments: Vec<(Assignment, Option<Span>)>) {
        let publish = |(assignment, span): (Assignment, Option<Span>)| {
            let traceparent = span.as_ref().map(Span::context);
            (Assignment { traceparent, ..assignment }, span)
        };
        let (assignments, spans): (Vec<_>, Vec<_>) = assignments.into_iter().map(publish).unzip();
        let Some(attempt) = assignments.first().map(|assignment| assignment.attempt) else {
            return;
        };
        let parts = self.parts.clone();
        self.spawn(async move {
            while let Err(error) = parts.queue.publish(&assignments).await {
                parts.metrics.jobs.publication_retried();
                tracing::warn!(%attempt, error = with_sources(&error), "assignment not published yet");
                sleep(UNTIL_DONE_PAUSE).await;
            }
            for span in spans.into_iter().flatten() {
                parts.traces.end(span);
            }
        });
    }

    /// Sends a control message to the worker at an address, or to all workers, once: a message
    /// that is lost is made up for by the leases of attempts and workers.
    pub(super) fn control(&self, control: Control, address: Option<String>) {
        if let Control::Rest { .. } = control {
            // An error says that the driver ends.
            let _ = self.rests.send((control, address));
            return;
        }
        let parts = self.parts.clone();
        self.spawn(async move { send_control(&parts, &control, address.as_deref()).await });
    }

    /// Tells workers for how long they are set aside, in the order in which that is decided:
    /// the last word counts.
    fn tell_rests(&self, mut rests: mpsc::UnboundedReceiver<(Control, Option<String>)>) {
        let parts = self.parts.clone();
        self.spawn(async move {
            while let Some((control, address)) = rests.recv().await {
                send_control(&parts, &control, address.as_deref()).await;
            }
        });
    }

    /// Divides the total and stores the result, also where the request of the job wants it.
    pub(super) fn write_result(
        &self,
        total: Total,
        snapshot: JobSnapshot,
        tracing: Option<StoreTracing>,
    ) -> Writing {
        let (parts, messages, job) = (self.parts.clone(), self.messages.clone(), total.job);
        let store = match tracing {
            Some(tracing) => tracing.store(&parts.store, parts.inputs.own_location()),
            None => parts.store.clone(),
        };
        let writing = self.writing.clone();
        let stop = self.stop.child_token();
        let stopped = stop.clone();
        let task = self.spawn_for(job, "writing the result", async move {
            let Some(_permit) = stopped.run_until_cancelled(writing.acquire()).await else {
                return;
            };
            let bytes = result_bytes(total.columns, &total.statistics, total.typed.is_some());
            let mut holding = Holding::new(job, &messages);
            let written = loop {
                let written = match check_free_space(&*parts.store, "the result", bytes).await {
                    Ok(()) => write_result(&store, total.clone(), &stopped).await,
                    Err(problem) => Err(problem.into()),
                };
                match written {
                    // All is summed: whatever is wrong with the store, waiting is better.
                    Err(Unfinished::Problem(problem))
                        if is_of_store(&problem) && !stopped.is_cancelled() =>
                    {
                        stopped.run_until_cancelled(holding.hold(&problem)).await;
                    }
                    written => break written,
                }
            };
            let written = match written {
                Ok(summary) => {
                    write_outputs(&parts, snapshot, summary, &mut holding, &stopped).await
                }
                unfinished => unfinished,
            };
            holding.end().await;
            if stopped.is_cancelled() {
                return;
            }
            let message = match written {
                Ok(summary) => DriverMessage::Finished { job, summary: Box::new(summary) },
                Err(Unfinished::Problem(problem)) => broken(job, problem),
                Err(Unfinished::Damaged { segment }) => {
                    DriverMessage::Event(Event::TotalDamaged { job, segment })
                }
            };
            send(&messages, message).await;
        });
        Writing { stop, task }
    }

    /// Stores what was learned of the inputs of a job. If that fails, a restarted server
    /// learns it again.
    pub(super) fn store_learned(&self, job: JobId, learned: LearnedRecord) -> JoinHandle<()> {
        let parts = self.parts.clone();
        self.spawn(async move {
            if let Err(problem) = records::store_learned(&*parts.store, job, &learned).await {
                tracing::warn!(job_id = %job, %problem, "what was learned of a job is not stored");
            }
        })
    }

    /// Looks whether a job that has written `written` bytes leaves enough free space.
    pub(super) fn check_space(&self, job: JobId, written: u64) {
        let (parts, messages) = (self.parts.clone(), self.messages.clone());
        self.spawn(async move {
            match check_reserve(&*parts.store, written).await {
                Err(problem) if problem.kind == ProblemKind::InsufficientStorage => {
                    send(&messages, broken(job, problem)).await;
                }
                Err(problem) => tracing::warn!(job_id = %job, %problem, "free space not known"),
                Ok(()) => {}
            }
        });
    }

    /// Stores the report of a job that is over, and before it its timeline, if it has one;
    /// then collects its garbage. Storing the report is retried until it succeeds: without a report, the next start of the
    /// server would resume the job.
    pub(super) fn record(
        &self,
        mut snapshot: JobSnapshot,
        timeline: Option<Timeline>,
        writing: Option<Writing>,
        checkpoint: Option<Writing>,
        learning: Option<JoinHandle<()>>,
    ) {
        let (parts, messages) = (self.parts.clone(), self.messages.clone());
        let collecting = self.collecting.clone();
        self.spawn(async move {
            if let Some(writing) = writing {
                writing.end().await;
            }
            let goes_on = !snapshot.restarts.is_empty() || !snapshot.resumes.is_empty();
            let has_checkpoint = checkpoint.is_some() || goes_on;
            if let Some(checkpoint) = checkpoint {
                checkpoint.end().await;
            }
            if let Some(learning) = learning {
                // An error says that the task panicked, and so has ended.
                let _ = learning.await;
            }
            let job_id = snapshot.id;
            // A job that was never planned has no attempts.
            let leaves_writers = snapshot.phase != Phase::Done && snapshot.plan.is_some();
            let keep = parts.limits.keep_resumable;
            let collects =
                garbage_collection::leaves_no_sums(&snapshot, keep) && !parts.keep_partial_sums;
            if collects && let Err(error) = garbage_collection::mark(&*parts.store, job_id).await {
                tracing::warn!(%job_id, error = with_sources(&error), "job not marked for garbage collection");
            }
            if !snapshot.resumes.is_empty() {
                // Otherwise the next start of the server would resume the job.
                while let Err(error) = records::end_resume(&*parts.store, job_id).await {
                    tracing::error!(%job_id, error = with_sources(&error), "report not stored yet");
                    sleep(UNTIL_DONE_PAUSE).await;
                }
            }
            if let Some(timeline) = timeline
                && let Err(problem) =
                    records::store_timeline(&*parts.store, job_id, &timeline).await
            {
                tracing::warn!(%job_id, %problem, "timeline not stored");
            }
            if let Some(ended_at) = snapshot.timings.ended_at
                && parts.webhooks.are_wanted(&snapshot.request)
            {
                snapshot.webhook = Some(WebhookDelivery::pending(job_id, ended_at));
                while let Err(problem) =
                    records::webhook::mark(&*parts.store, job_id, ended_at).await
                {
                    tracing::error!(%job_id, %problem, "report not stored yet");
                    sleep(UNTIL_DONE_PAUSE).await;
                }
            }
            while let Err(problem) = records::store_report(&*parts.store, &snapshot).await {
                tracing::error!(%job_id, %problem, "report not stored yet");
                sleep(UNTIL_DONE_PAUSE).await;
            }
            if has_checkpoint
                && let Err(error) = records::delete_checkpoint(&*parts.store, job_id).await
            {
                tracing::warn!(%job_id, error = with_sources(&error), "checkpoint not deleted");
            }
            if has_checkpoint
                && let Err(error) = records::delete_completions(&*parts.store, job_id).await
            {
                tracing::warn!(%job_id, error = with_sources(&error), "journal not deleted");
            }
            if let Err(problem) = index::complete(&*parts.store, &snapshot, collects).await {
                tracing::warn!(%job_id, %problem, "the next start of the server reads the report");
            }
            send(&messages, DriverMessage::Recorded { snapshot: Box::new(snapshot) }).await;
            if !collects {
                return;
            }
            if leaves_writers {
                let store = &*parts.store;
                garbage_collection::collect_behind_writers(store, job_id, &collecting).await;
            } else {
                // An error would say that the semaphore was closed; it never is.
                let _permit = collecting.acquire().await;
                garbage_collection::collect(&*parts.store, job_id).await;
            }
        });
    }

    /// Deletes what workers may have written of a job that is over since its garbage was
    /// collected.
    pub(super) fn sweep(&self, job: JobId, report: Option<Arc<JobSnapshot>>) {
        let (parts, collecting) = (self.parts.clone(), self.collecting.clone());
        if parts.keep_partial_sums {
            return;
        }
        self.spawn(async move {
            // An error would say that the semaphore was closed; it never is.
            let _permit = collecting.acquire().await;
            let keep = parts.limits.keep_resumable;
            garbage_collection::sweep(&*parts.store, job, report, keep).await;
        });
    }

    /// Sets the number of workers that the pool keeps.
    pub(super) fn scale(&self, desired: u32) {
        self.tell_pool(PoolCall::Ensure(desired));
    }

    /// Tells the pool that a worker was told to drain.
    pub(super) fn drained(&self, worker: WorkerId) {
        self.tell_pool(PoolCall::Drained(worker));
    }

    /// Tells the pool that it may stop the instance of a worker.
    pub(super) fn released(&self, worker: WorkerId) {
        self.tell_pool(PoolCall::Released(worker));
    }

    /// Tells the pool that it may not do so any more.
    pub(super) fn retained(&self, worker: WorkerId) {
        self.tell_pool(PoolCall::Retained(worker));
    }

    fn tell_pool(&self, call: PoolCall) {
        // An error says that the driver ends.
        let _ = self.pool_calls.send(call);
    }

    /// Calls the pool, one call after the other; an error is shown on the dashboard.
    fn call_pool(&self, mut calls: mpsc::UnboundedReceiver<PoolCall>) {
        let (parts, messages) = (self.parts.clone(), self.messages.clone());
        self.spawn(async move {
            let pool = &*parts.pool;
            while let Some(call) = calls.recv().await {
                let answer = match call {
                    PoolCall::Ensure(desired) => pool.ensure(desired).await,
                    PoolCall::Drained(worker) => pool.drained(&worker).await,
                    PoolCall::Released(worker) => pool.released(&worker).await,
                    PoolCall::Retained(worker) => pool.retained(&worker).await,
                };
                let notice = answer.err().map(|error| {
                    tracing::warn!(%error, "worker pool failed");
                    format!("{error:#}")
                });
                send(&messages, DriverMessage::PoolAnswered { notice }).await;
            }
        });
    }
}

async fn send_control(parts: &Parts, control: &Control, address: Option<&str>) {
    let sent = match address {
        Some(address) => parts.queue.control_one(control, address).await,
        None => parts.queue.control(control).await,
    };
    if let Err(error) = sent {
        tracing::warn!(?control, error = with_sources(&error), "control message not sent");
    }
}

/// Whether a problem is one of the store or of the server's rights there, and not of a
/// job.
fn is_of_store(problem: &Problem) -> bool {
    matches!(problem.kind, ProblemKind::Unavailable | ProblemKind::Forbidden)
}

fn broken(job: JobId, problem: Problem) -> DriverMessage {
    DriverMessage::Event(Event::JobBroken { job, problem })
}

/// Sends a message to the driver, unless it has ended.
async fn send(messages: &mpsc::Sender<DriverMessage>, message: DriverMessage) {
    // Without a driver the server is stopping; its next start reads the store.
    let _ = messages.send(message).await;
}
