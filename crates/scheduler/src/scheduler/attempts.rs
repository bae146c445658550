//! Attempts as they are taken, go on, and speak out of turn.

use protocol::detail::{AttemptState, TaskState};
use protocol::task::{Progress, StopReason};
use protocol::{AttemptId, JobId, Phase, WorkerId};

use super::Scheduler;
use crate::command::Command;
use crate::job::Job;
use crate::task::TaskKey;

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
    pub(super) fn release(&mut self, id: AttemptId, worker: &WorkerId) {
        self.pool.update(worker, self.now, |worker| {
            if worker.attempt == Some(id) {
                worker.attempt = None;
                worker.bytes_per_sec = 0.0;
            }
        });
    }

    /// A running job and where one of its tasks is.
    pub(super) fn running_task(&mut self, id: AttemptId) -> Option<(&mut Job, TaskKey)> {
        let job = self.jobs.get_mut(&id.job)?;
        if job.phase != Phase::Running {
            return None;
        }
        let key = job.key(id.task)?;
        Some((job, key))
    }

    pub(super) fn task_is_complete(&self, job: JobId, key: TaskKey) -> bool {
        self.jobs.get(&job).is_some_and(|job| job.peek(key).state == TaskState::Complete)
    }

    /// Where the task of a live attempt is.
    pub(super) fn live_key(&self, id: AttemptId) -> Option<TaskKey> {
        let job = self.jobs.get(&id.job)?;
        let key = job.key(id.task)?;
        job.live.contains(&(key, id.number)).then_some(key)
    }
}
