//! Attempts: start, progress, and stale reports.

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
        self.renew_worker_lease(worker, commands);
        if let Some(key) = self.live_key(id) {
            self.record_start(id, key, worker);
        } else if self.adopt(id) {
            if let Some(key) = self.live_key(id) {
                self.record_start(id, key, worker);
            }
        } else {
            self.stop_stale(id, worker, commands);
        }
    }

    /// Records that a worker executes a live attempt.
    fn record_start(&mut self, id: AttemptId, key: TaskKey, worker: &WorkerId) {
        let Some(job) = self.jobs.get_mut(&id.job) else {
            return;
        };
        let now = self.now;
        let Some(attempt) = job.task_mut(key).attempt_mut(id.number) else {
            return;
        };
        if attempt.worker.as_ref() == Some(worker) {
            return;
        }
        let is_first = attempt.started_at.is_none();
        attempt.state = AttemptState::Running;
        attempt.worker = Some(worker.clone());
        attempt.started_at = Some(now);
        attempt.renewed_at = now;
        attempt.progress_rate.start(now);
        // The progress of a previous holder is counted already. The new holder
        // reports from 0.
        attempt.progress = Progress::default();
        let (speculative, carried) = (attempt.speculative, attempt.carried);
        if is_first {
            if carried {
                job.carried -= 1;
            } else {
                job.published -= 1;
                self.published -= 1;
            }
            job.attempts.started += 1;
            job.attempts.running += 1;
            job.attempts.speculative += u64::from(speculative);
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
        self.renew_worker_lease(worker, commands);
        if self.live_key(id).is_none() && !self.adopt(id) {
            self.stop_stale(id, worker, commands);
            return;
        }
        let Some(key) = self.live_key(id) else {
            return;
        };
        let Some(job) = self.jobs.get_mut(&id.job) else {
            return;
        };
        let Some(attempt) = job.task_mut(key).attempt_mut(id.number) else {
            return;
        };
        match &attempt.worker {
            Some(holder) if holder == worker => {}
            // The start report is late, or was sent before a server restart.
            None => self.record_start(id, key, worker),
            // Another worker holds it now.
            Some(_) => return,
        }
        self.record_progress(id, key, worker, progress, commands);
        self.job_changed(id.job);
        self.changes.pool = true;
    }

    /// Records the progress that the holder of a live attempt reported.
    fn record_progress(
        &mut self,
        id: AttemptId,
        key: TaskKey,
        worker: &WorkerId,
        progress: &Progress,
        commands: &mut Vec<Command>,
    ) {
        let now = self.now;
        let Some(job) = self.jobs.get_mut(&id.job) else {
            return;
        };
        let may_find_segments = job.restored || id.number > 1;
        let Some(attempt) = job.task_mut(key).attempt_mut(id.number) else {
            return;
        };
        let since_ms = now.millis_since(attempt.renewed_at);
        attempt.renewed_at = now;
        let is_first = attempt.progress == Progress::default();
        let done = attempt.advance(progress);
        attempt.progress_rate.record(
            now,
            attempt.progress.fraction,
            is_first && may_find_segments && progress.segments_reused > 0,
        );
        job.count(now, &done);
        let has_advanced = has_advanced(&done);
        let has_found_store = has_advanced && job.store_wait.succeeded(job.terms.workers);
        let bytes = done.input_read_bytes.saturating_add(done.partial_read_bytes);
        self.pool.update(worker, now, |worker| {
            worker.joined.resident_bytes = progress.resident_bytes;
            if has_advanced {
                worker.advanced_at = now;
            }
            if since_ms > 0 {
                worker.bytes_per_sec = bytes as f64 * 1000.0 / since_ms as f64;
            }
        });
        if has_found_store {
            self.job_changed(id.job);
        }
        if done.segments_written > 0 {
            self.worker_succeeded(worker, commands);
        }
    }

    /// Stops an attempt that a worker executes although it is not live.
    fn stop_stale(&mut self, id: AttemptId, worker: &WorkerId, commands: &mut Vec<Command>) {
        let mut reason = StopReason::JobOver;
        let mut has_reported_end = false;
        if let Some((job, key)) = self.running_task(id) {
            let task = job.task_mut(key);
            reason = if task.state == TaskState::Complete {
                StopReason::Superseded
            } else {
                StopReason::LeaseLost
            };
            if let Some(attempt) = task.attempt_mut(id.number) {
                // The worker has reported the end of the attempt. This report is
                // late, or the queue has redelivered the attempt.
                let is_holder = attempt.worker.as_ref() == Some(worker);
                has_reported_end = attempt.released && is_holder;
                // It was only silent.
                attempt.died &= !is_holder;
                attempt.worker.get_or_insert_with(|| worker.clone());
            }
        }
        if !has_reported_end {
            self.pool.update(worker, self.now, |worker| worker.attempt = Some(id));
            self.changes.pool = true;
        }
        let worker = Some(worker.clone());
        commands.push(Command::StopAttempt { attempt: id, reason, worker });
    }

    /// Adopts an attempt that was published before a server restart, if its task
    /// is ready. Returns whether it did.
    fn adopt(&mut self, id: AttemptId) -> bool {
        let now = self.now;
        let Some((job, key)) = self.running_task(id) else {
            return false;
        };
        if !job.restored || job.task_mut(key).attempt_mut(id.number).is_some() {
            return false;
        }
        let may_start = job.in_flight() < job.terms.workers;
        if !may_start || !job.levels[usize::from(key.level)].claim(key.index) {
            return false;
        }
        job.task_mut(key).add_attempt_numbered(id.number, now, false);
        job.count_added(key, id.number, false);
        job.adopted += 1;
        self.published += 1;
        true
    }

    /// Records that a worker which seemed to have died is alive.
    pub(super) fn revive(&mut self, worker: &WorkerId) {
        let Some(id) = self.pool.get(worker).and_then(|worker| worker.attempt) else {
            return;
        };
        let Some(job) = self.jobs.get_mut(&id.job) else {
            return;
        };
        let Some(key) = job.key(id.task) else {
            return;
        };
        if let Some(attempt) = job.task_mut(key).attempt_mut(id.number)
            && attempt.worker.as_ref() == Some(worker)
        {
            attempt.died = false;
        }
    }

    /// Records that a worker no longer executes an attempt.
    pub(super) fn release(&mut self, id: AttemptId, worker: &WorkerId) {
        self.pool.update(worker, self.now, |worker| {
            if worker.attempt == Some(id) {
                worker.attempt = None;
                worker.bytes_per_sec = 0.0;
            }
        });
    }

    /// The job and task key of an attempt; `None` unless the job is running, and has not
    /// been resumed since.
    pub(super) fn running_task(&mut self, id: AttemptId) -> Option<(&mut Job, TaskKey)> {
        let job = self.jobs.get_mut(&id.job)?;
        if job.phase != Phase::Running || id.number <= job.earlier_attempts {
            return None;
        }
        let key = job.key(id.task)?;
        Some((job, key))
    }

    pub(super) fn task_is_complete(&self, job: JobId, key: TaskKey) -> bool {
        self.jobs.get(&job).is_some_and(|job| job.task(key).state == TaskState::Complete)
    }

    /// The task key of an attempt; `None` unless the attempt is live.
    pub(super) fn live_key(&self, id: AttemptId) -> Option<TaskKey> {
        let job = self.jobs.get(&id.job)?;
        let key = job.key(id.task)?;
        job.live.contains(&(key, id.number)).then_some(key)
    }
}

/// Whether a report tells of work since the last one.
fn has_advanced(done: &Progress) -> bool {
    [done.input_read_bytes, done.partial_read_bytes, done.segments_written, done.segments_reused]
        .iter()
        .any(|count| *count > 0)
}
