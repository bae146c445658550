//! What becomes of attempts.

use protocol::detail::{AttemptState, TaskState};
use protocol::problem::ProblemKind;
use protocol::task::{Failure, Outcome, Progress, StopReason};
use protocol::{AttemptId, JobId, Phase, Problem, WorkerId};

use super::Scheduler;
use crate::command::Command;
use crate::durations::whole;
use crate::job::Job;
use crate::task::TaskKey;

/// How many times longer a task is left alone after every further failure.
const RETRY_DELAY_FACTOR: u64 = 4;
/// No task is left alone for longer than this.
const RETRY_DELAY_MS_MAX: u64 = 60_000;

/// How an attempt came to an end without completing its task.
pub(super) enum End {
    /// With an error that may not come again.
    Failed(Problem),
    /// Nobody knows.
    Lost(&'static str),
    /// It was handed back, through no fault of the task.
    HandedBack(StopReason),
}

impl Scheduler {
    pub(super) fn attempt_started(
        &mut self,
        id: AttemptId,
        worker: &WorkerId,
        commands: &mut Vec<Command>,
    ) {
        self.hear(worker, commands);
        if let Some(key) = self.live_key(id) {
            self.start(id, key, worker);
        } else if self.adopt(id) {
            if let Some(key) = self.live_key(id) {
                self.start(id, key, worker);
            }
        } else {
            self.answer_stale(id, worker, commands);
        }
    }

    /// A worker has a live attempt.
    fn start(&mut self, id: AttemptId, key: TaskKey, worker: &WorkerId) {
        let Some(job) = self.jobs.get_mut(&id.job) else {
            return;
        };
        let now = self.now;
        let Some(attempt) = job.task(key).attempt(id.number) else {
            return;
        };
        if attempt.worker.as_ref() == Some(worker) {
            return;
        }
        let is_first = attempt.started_at.is_none();
        attempt.state = AttemptState::Running;
        attempt.worker = Some(worker.clone());
        attempt.started_at = Some(now);
        attempt.heard_at = now;
        attempt.pace.start(now);
        // What a former holder did is counted; the new one counts from 0.
        attempt.progress = Progress::default();
        let speculative = attempt.speculative;
        if is_first {
            job.published -= 1;
            job.attempts.started += 1;
            job.attempts.running += 1;
            job.attempts.speculative += u64::from(speculative);
            self.published -= 1;
        }
        self.pool.update(worker, now, |worker| worker.attempt = Some(id));
        self.job_changed(id.job);
        self.changes.pool = true;
    }

    pub(super) fn attempt_progressed(
        &mut self,
        id: AttemptId,
        worker: &WorkerId,
        progress: &Progress,
        commands: &mut Vec<Command>,
    ) {
        self.hear(worker, commands);
        if self.live_key(id).is_none() && !self.adopt(id) {
            self.answer_stale(id, worker, commands);
            return;
        }
        let Some(key) = self.live_key(id) else {
            return;
        };
        let Some(job) = self.jobs.get_mut(&id.job) else {
            return;
        };
        let Some(attempt) = job.task(key).attempt(id.number) else {
            return;
        };
        match &attempt.worker {
            Some(holder) if holder == worker => {}
            // Before the word that it has started, or of an earlier life of the server.
            None => self.start(id, key, worker),
            // Somebody else has taken it since.
            Some(_) => return,
        }
        self.advance(id, key, worker, progress);
        self.job_changed(id.job);
        self.changes.pool = true;
    }

    /// Takes in how far the holder of a live attempt is.
    fn advance(&mut self, id: AttemptId, key: TaskKey, worker: &WorkerId, progress: &Progress) {
        let now = self.now;
        let Some(job) = self.jobs.get_mut(&id.job) else {
            return;
        };
        let may_find_segments = job.restored || id.number > 1;
        let Some(attempt) = job.task(key).attempt(id.number) else {
            return;
        };
        let since_ms = now.millis_since(attempt.heard_at);
        attempt.heard_at = now;
        let is_first = attempt.progress == Progress::default();
        let done = attempt.advance(progress);
        attempt.pace.beat(
            now,
            attempt.progress.fraction,
            is_first && may_find_segments && progress.segments_reused > 0,
        );
        job.count(now, &done);
        let bytes = done.input_read_bytes + done.partial_read_bytes;
        self.pool.update(worker, now, |worker| {
            worker.joined.resident_bytes = progress.resident_bytes;
            if since_ms > 0 {
                worker.bytes_per_sec = bytes as f64 * 1000.0 / since_ms as f64;
            }
        });
    }

    pub(super) fn attempt_completed(
        &mut self,
        id: AttemptId,
        worker: &WorkerId,
        outcome: Outcome,
        commands: &mut Vec<Command>,
    ) {
        self.hear(worker, commands);
        self.release(id, worker);
        self.pool.update(worker, self.now, |worker| {
            worker.failures = 0;
            worker.joined.resident_bytes = outcome.progress.resident_bytes;
        });
        let Some((job, key)) = self.running_task(id) else {
            return;
        };
        let progress = outcome.progress;
        let done = job.task(key).attempt(id.number).map(|attempt| {
            attempt.released = true;
            attempt.advance(&progress)
        });
        let now = self.now;
        let Some(job) = self.jobs.get_mut(&id.job) else {
            return;
        };
        if let Some(done) = done {
            job.count(now, &done);
        }
        self.job_changed(id.job);
        self.changes.pool = true;
        if self.task_is_complete(id.job, key) {
            return;
        }
        if key.level == 0
            && let Err(problem) = self.learn(id.job, outcome)
        {
            self.fail_job(id.job, *problem, commands);
            return;
        }
        self.count_completion(id, key, worker);
        self.supersede_others(id, key, commands);
        if let Some(job) = self.jobs.get_mut(&id.job) {
            job.complete(key);
        }
        self.finish_if_summed(id.job, commands);
    }

    /// Ends the attempt that completed its task, and takes in how long it took.
    fn count_completion(&mut self, id: AttemptId, key: TaskKey, worker: &WorkerId) {
        let now = self.now;
        let Some(job) = self.jobs.get_mut(&id.job) else {
            return;
        };
        let mut duration_ms = None;
        let mut saved_ms = 0.0;
        let mut complete = |attempt: &mut crate::task::Attempt| {
            attempt.state = AttemptState::Completed;
            attempt.worker = Some(worker.clone());
            attempt.ended_at = Some(now);
            let progress = &attempt.progress;
            if progress.segments_reused == 0 {
                duration_ms = attempt.started_at.map(|at| now.millis_since(at));
            } else if !attempt.speculative && progress.segments_written > 0 {
                saved_ms = attempt.ran_ms(now) as f64 * progress.segments_reused as f64
                    / progress.segments_written as f64;
            }
        };
        if let Some(closed) = job.close(key, id.number, now, &mut complete) {
            job.attempts.speculative_won += u64::from(closed.speculative);
            if closed.was_published {
                self.published -= 1;
                job.attempts.started += 1;
            }
        } else if let Some(attempt) = job.task(key).attempt(id.number) {
            // It had been given up, and yet it was done first.
            complete(attempt);
        }
        job.attempts.completed += 1;
        let had_company = job.task(key).attempts.iter().any(|a| a.speculative);
        if had_company {
            job.attempts.saved_ms += whole(saved_ms);
        }
        let level = &mut job.levels[usize::from(key.level)];
        let usual_ms = level.durations.median_ms();
        if let Some(duration_ms) = duration_ms {
            level.durations.add(duration_ms);
        }
        self.pool.update(worker, now, |worker| {
            worker.completed += 1;
            if let (Some(duration_ms), Some(usual_ms)) = (duration_ms, usual_ms) {
                worker.took(duration_ms as f64 / usual_ms);
            }
        });
    }

    /// Stops the other live attempts at a task that is complete.
    fn supersede_others(&mut self, winner: AttemptId, key: TaskKey, commands: &mut Vec<Command>) {
        let now = self.now;
        let Some(job) = self.jobs.get_mut(&winner.job) else {
            return;
        };
        let others: Vec<u32> = job.peek(key).live().map(|attempt| attempt.number).collect();
        for number in others {
            let left_ms = job.task(key).attempt(number).and_then(|attempt| {
                let is_first = !attempt.speculative;
                attempt.pace.left_ms(now).filter(|_| is_first)
            });
            let closed = job.close(key, number, now, |attempt| {
                attempt.state = AttemptState::Superseded;
            });
            if closed.is_some_and(|closed| closed.was_published) {
                self.published -= 1;
            }
            job.attempts.superseded += 1;
            job.attempts.saved_ms += whole(left_ms.unwrap_or(0.0));
            commands.push(Command::StopAttempt {
                attempt: AttemptId { number, ..winner },
                reason: StopReason::Superseded,
            });
        }
    }

    /// Takes in what a leaf attempt found out about its objects.
    fn learn(&mut self, id: JobId, outcome: Outcome) -> Result<(), Box<Problem>> {
        let Some(job) = self.jobs.get_mut(&id) else {
            return Ok(());
        };
        match job.columns {
            Some(columns) if columns != outcome.columns => {
                return Err(Box::new(lengths_differ(job, columns, &outcome)));
            }
            Some(_) => {}
            None => job.set_columns(outcome.columns),
        }
        if job.columns_of.is_none() {
            job.columns_of = outcome.columns_of;
        }
        if job.shape.is_none() {
            job.shape = outcome.shape;
        }
        if job.format.is_none() {
            job.format = outcome.format;
        }
        Ok(())
    }

    pub(super) fn attempt_failed(
        &mut self,
        id: AttemptId,
        worker: &WorkerId,
        failure: Failure,
        progress: &Progress,
        commands: &mut Vec<Command>,
    ) {
        self.hear(worker, commands);
        self.release(id, worker);
        let Some(key) = self.last_word(id, worker, progress) else {
            return;
        };
        if failure.retryable {
            self.count_against(worker, &failure.problem, commands);
            self.end_attempt(id, key, End::Failed(failure.problem), commands);
        } else {
            let reason = failure.problem.to_string();
            self.close_attempt(id, key, AttemptState::Failed, Some(reason));
            if let Some(job) = self.jobs.get_mut(&id.job) {
                job.attempts.failed += 1;
            }
            self.fail_job(id.job, failure.problem, commands);
        }
    }

    pub(super) fn attempt_stopped(
        &mut self,
        id: AttemptId,
        worker: &WorkerId,
        reason: StopReason,
        progress: &Progress,
        commands: &mut Vec<Command>,
    ) {
        self.hear(worker, commands);
        self.release(id, worker);
        if let Some(key) = self.last_word(id, worker, progress) {
            self.end_attempt(id, key, End::HandedBack(reason), commands);
        }
    }

    /// Takes in the last report of an attempt. Its task, if the attempt was
    /// live until now and this worker's.
    fn last_word(
        &mut self,
        id: AttemptId,
        worker: &WorkerId,
        progress: &Progress,
    ) -> Option<TaskKey> {
        self.changes.pool = true;
        let now = self.now;
        let job = self.jobs.get_mut(&id.job)?;
        let key = job.key(id.task)?;
        let attempt = job.task(key).attempt(id.number)?;
        if attempt.worker.as_ref().is_some_and(|holder| holder != worker) {
            return None;
        }
        attempt.worker = Some(worker.clone());
        attempt.released = true;
        let is_live = attempt.state.is_live();
        let done = attempt.advance(progress);
        job.count(now, &done);
        self.job_changed(id.job);
        is_live.then_some(key)
    }

    /// Ends a live attempt that did not complete its task, and sees to the
    /// task's next one if no other is live.
    pub(super) fn end_attempt(
        &mut self,
        id: AttemptId,
        key: TaskKey,
        end: End,
        commands: &mut Vec<Command>,
    ) {
        let (state, reason) = match &end {
            End::Failed(problem) => (AttemptState::Failed, problem.to_string()),
            End::Lost(why) => (AttemptState::Lost, (*why).to_owned()),
            End::HandedBack(reason) => (AttemptState::Stopped, stopped_because(*reason).to_owned()),
        };
        self.close_attempt(id, key, state, Some(reason));
        let now = self.now;
        let settings = self.settings;
        let Some(job) = self.jobs.get_mut(&id.job) else {
            return;
        };
        let task = job.task(key);
        let mut delay_ms = 0;
        match &end {
            End::Failed(_) | End::Lost(_) => {
                task.failures += 1;
                let exponent = task.failures.saturating_sub(1);
                if matches!(end, End::Failed(_)) {
                    delay_ms = settings
                        .retry_delay_ms
                        .saturating_mul(RETRY_DELAY_FACTOR.saturating_pow(exponent))
                        .min(RETRY_DELAY_MS_MAX);
                }
            }
            End::HandedBack(StopReason::NotHere) => task.refusals += 1,
            End::HandedBack(_) => {}
        }
        let failures = task.failures;
        let is_alone = task.live().next().is_none();
        match &end {
            End::Failed(_) => job.attempts.failed += 1,
            End::Lost(_) => job.attempts.lost += 1,
            End::HandedBack(_) => {}
        }
        if failures >= settings.attempts_max.max(1) && is_alone {
            let problem = failed_too_often(id, failures, &end);
            self.fail_job(id.job, problem, commands);
        } else if is_alone && delay_ms > 0 {
            job.delay(key, now.plus_millis(delay_ms));
        } else if is_alone {
            job.make_ready(key);
        }
        self.job_changed(id.job);
    }

    /// Counts a live attempt out.
    pub(super) fn close_attempt(
        &mut self,
        id: AttemptId,
        key: TaskKey,
        state: AttemptState,
        reason: Option<String>,
    ) {
        let now = self.now;
        let Some(job) = self.jobs.get_mut(&id.job) else {
            return;
        };
        let closed = job.close(key, id.number, now, |attempt| {
            attempt.state = state;
            attempt.reason = reason.map(String::into_boxed_str);
        });
        if closed.is_some_and(|closed| closed.was_published) {
            self.published -= 1;
        }
    }

    /// Answers a worker that has an attempt which it should not have.
    fn answer_stale(&mut self, id: AttemptId, worker: &WorkerId, commands: &mut Vec<Command>) {
        let mut reason = StopReason::JobOver;
        let mut may_be_overtaken = false;
        if let Some((job, key)) = self.running_task(id) {
            let task = job.task(key);
            reason = if task.state == TaskState::Complete {
                StopReason::Superseded
            } else {
                StopReason::LeaseLost
            };
            if let Some(attempt) = task.attempt(id.number) {
                // It has said that it is done: this word was overtaken by that,
                // or the queue has delivered the attempt once more.
                may_be_overtaken = attempt.released && attempt.worker.as_ref() == Some(worker);
                attempt.worker.get_or_insert_with(|| worker.clone());
            }
        }
        if !may_be_overtaken {
            self.pool.update(worker, self.now, |worker| worker.attempt = Some(id));
            self.changes.pool = true;
        }
        commands.push(Command::StopAttempt { attempt: id, reason });
    }

    /// Takes over an attempt that this life of the server has not published,
    /// if its task has no other. Whether it did.
    fn adopt(&mut self, id: AttemptId) -> bool {
        let now = self.now;
        let Some((job, key)) = self.running_task(id) else {
            return false;
        };
        if !job.restored || job.task(key).attempt(id.number).is_some() {
            return false;
        }
        let may_take = job.in_flight() < job.terms.workers;
        if !may_take || !job.levels[usize::from(key.level)].take(key.index) {
            return false;
        }
        job.task(key).add_attempt_numbered(id.number, now, false);
        job.live.insert((key, id.number));
        job.published += 1;
        self.published += 1;
        true
    }

    /// The worker no longer executes this attempt.
    fn release(&mut self, id: AttemptId, worker: &WorkerId) {
        self.pool.update(worker, self.now, |worker| {
            if worker.attempt == Some(id) {
                worker.attempt = None;
                worker.bytes_per_sec = 0.0;
            }
        });
    }

    /// A running job and where one of its tasks is.
    fn running_task(&mut self, id: AttemptId) -> Option<(&mut Job, TaskKey)> {
        let job = self.jobs.get_mut(&id.job)?;
        if job.phase != Phase::Running {
            return None;
        }
        let key = job.key(id.task)?;
        Some((job, key))
    }

    fn task_is_complete(&self, job: JobId, key: TaskKey) -> bool {
        self.jobs.get(&job).is_some_and(|job| job.peek(key).state == TaskState::Complete)
    }

    /// Where the task of a live attempt is.
    pub(super) fn live_key(&self, id: AttemptId) -> Option<TaskKey> {
        let job = self.jobs.get(&id.job)?;
        let key = job.key(id.task)?;
        job.live.contains(&(key, id.number)).then_some(key)
    }
}

fn stopped_because(reason: StopReason) -> &'static str {
    match reason {
        StopReason::Superseded => "another attempt completed the task",
        StopReason::JobOver => "the job was over",
        StopReason::WorkerLeaves => "the worker was going, and handed it back",
        StopReason::LeaseLost => "its lease had run out",
        StopReason::NotHere => "it came to where the other attempt runs",
    }
}

fn lengths_differ(job: &Job, columns: u64, outcome: &Outcome) -> Problem {
    let found = outcome.columns_of.as_deref().unwrap_or("another object");
    let other = job.columns_of.as_deref().unwrap_or("the first object");
    Problem::new(
        ProblemKind::LengthsDiffer,
        format!("{other} holds {columns} numbers, {found} holds {}", outcome.columns),
    )
    .remedy("leave out the objects that do not belong, or repair them")
    .object(found)
}

fn failed_too_often(id: AttemptId, failures: u32, end: &End) -> Problem {
    let task = id.task;
    match end {
        End::Failed(last) => {
            let mut problem = Problem::new(
                ProblemKind::TaskFailed,
                format!("task {task} failed {failures} times, at last with: {}", last.detail),
            );
            problem.remedy = if last.remedy.is_empty() {
                "see to the cause and run the job again".to_owned()
            } else {
                last.remedy.clone()
            };
            problem.object.clone_from(&last.object);
            problem
        }
        End::Lost(_) | End::HandedBack(_) => Problem::new(
            ProblemKind::TaskFailed,
            format!("task {task} failed {failures} times; at last its worker went silent"),
        )
        .remedy("see why workers die, such as for want of memory, and run the job again"),
    }
}
