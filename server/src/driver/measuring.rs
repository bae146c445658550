//! Counts and times what the scheduler is told and what it commands, for Prometheus.

use std::collections::BTreeMap;

use protocol::task::StopReason;
use protocol::{AttemptId, JobId, JobSnapshot, Plan, TaskId};
use scheduler::{Command, Event, JobView};
use tokio::time::Instant;

use crate::metrics::{Counts, JobMetrics};

/// What is known of the jobs that are not over, in order to count them.
pub(super) struct Measuring {
    metrics: JobMetrics,
    jobs: BTreeMap<JobId, Measured>,
}

#[derive(Default)]
struct Measured {
    counted: Counts,
    /// The attempts that are published and have not ended, by task and number. Workers are
    /// believed of no others, so that they cannot fill the memory.
    attempts: BTreeMap<(TaskId, u32), Times>,
}

struct Times {
    published: Instant,
    started: Option<Instant>,
}

impl Measuring {
    pub(super) fn new(metrics: JobMetrics) -> Measuring {
        Measuring { metrics, jobs: BTreeMap::new() }
    }

    /// Counts a new job.
    pub(super) fn submitted(&self) {
        self.metrics.job_submitted();
    }

    /// Counts a job of an earlier run of the server, of which so many tasks are complete.
    pub(super) fn taken_up(&self, found: u64) {
        self.metrics.job_restored(found);
    }

    /// The same of a planned job. What it did before was counted before.
    pub(super) fn restored(&mut self, view: &JobView) {
        let counted = counts(view);
        self.taken_up(counted.tasks);
        self.jobs.insert(view.id, Measured { counted, ..Measured::default() });
    }

    /// Counts the tasks of a resumed job, which was taken up before, that are complete.
    pub(super) fn resumed(&mut self, view: &JobView) {
        let counted = counts(view);
        self.metrics.tasks_found(counted.tasks);
        self.jobs.insert(view.id, Measured { counted, ..Measured::default() });
    }

    /// Notes an event before the scheduler handles it.
    pub(super) fn event(&mut self, event: &Event, now: Instant) {
        match event {
            Event::AttemptStarted { attempt, .. } => {
                if let Some(times) = self.times(attempt)
                    && times.started.is_none()
                {
                    times.started = Some(now);
                    let waited = now.duration_since(times.published);
                    self.metrics.attempt_started(waited);
                }
            }
            Event::AttemptCompleted { attempt, .. } => {
                self.attempt_ended(attempt, "completed", now);
            }
            Event::AttemptFailed { attempt, failure, .. } => {
                let is_known = self.attempt_ended(attempt, "failed", now);
                if is_known {
                    self.metrics.attempt_failed(failure.fault);
                }
            }
            Event::AttemptStopped { attempt, reason, .. } => {
                let outcome = match reason {
                    StopReason::Superseded => "superseded",
                    StopReason::JobOver
                    | StopReason::WorkerLeaves
                    | StopReason::LeaseLost
                    | StopReason::NotHere
                    | StopReason::SegmentLost(_) => "stopped",
                };
                self.attempt_ended(attempt, outcome, now);
            }
            _ => {}
        }
    }

    /// Notes a command of the scheduler.
    pub(super) fn command(&mut self, command: &Command, now: Instant) {
        if let Command::PublishAttempt { attempt, speculative, .. } = command {
            self.metrics.attempt_published(attempt.number > 1 && !speculative);
            let times = Times { published: now, started: None };
            let measured = self.jobs.entry(attempt.job).or_default();
            measured.attempts.insert((attempt.task, attempt.number), times);
        }
    }

    /// Counts what has happened to a job since the last call.
    pub(super) fn advanced(&mut self, view: &JobView) {
        let more = self.jobs.entry(view.id).or_default().counted.advance(&counts(view));
        self.metrics.more(&more);
    }

    /// Counts a job whose report is stored, and forgets it.
    pub(super) fn ended(&mut self, job: &JobSnapshot, view: Option<&JobView>) {
        if let Some(view) = view {
            self.advanced(view);
        }
        let completed: u64 = job.progress.iter().map(|level| level.completed).sum();
        let tasks = job.plan.as_ref().map_or(0, Plan::tasks);
        self.metrics.job_ended(job, tasks.saturating_sub(completed));
        self.jobs.remove(&job.id);
    }

    fn times(&mut self, attempt: &AttemptId) -> Option<&mut Times> {
        self.jobs.get_mut(&attempt.job)?.attempts.get_mut(&(attempt.task, attempt.number))
    }

    /// Times an attempt that has ended; returns whether it was known.
    fn attempt_ended(&mut self, attempt: &AttemptId, outcome: &'static str, now: Instant) -> bool {
        let measured = self.jobs.get_mut(&attempt.job);
        let times = measured.and_then(|it| it.attempts.remove(&(attempt.task, attempt.number)));
        if let Some(Times { started: Some(started), .. }) = times {
            self.metrics.attempt_ended(attempt.task, outcome, now.duration_since(started));
        }
        times.is_some()
    }
}

fn counts(view: &JobView) -> Counts {
    let tasks = view.progress.iter().map(|level| level.completed).sum();
    Counts { attempts: view.attempts, bytes: view.bytes, tasks }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus_client::encoding::prometheus_text;
    use prometheus_client::registry::Registry;
    use protocol::task::{Direction, Failure, Fault, Progress};
    use protocol::{Problem, Timestamp, WorkerId};

    use super::*;

    fn publish(attempt: AttemptId) -> Command {
        Command::PublishAttempt {
            attempt,
            speculative: false,
            direction: Direction::Forward,
            resume: false,
            not_on: None,
            not_on_node: None,
            columns: None,
            carried: false,
        }
    }

    #[test]
    fn attempts_are_timed_from_the_queue_to_their_end_and_retries_are_counted() {
        let mut registry = Registry::default();
        let mut measuring = Measuring::new(JobMetrics::new(&mut registry));
        let job = JobId::from_parts(Timestamp::default(), 1);
        let attempt =
            |number| AttemptId { job, task: TaskId { level: 0, node: 0, range: 0 }, number };
        let worker = WorkerId::from("a".to_owned());
        let begun = Instant::now();
        let at = |secs| begun + Duration::from_secs(secs);
        measuring.command(&publish(attempt(1)), at(0));
        let started = Event::AttemptStarted { attempt: attempt(1), worker: worker.clone() };
        measuring.event(&started, at(2));
        measuring.event(&started, at(3));
        let failure = Failure { problem: Problem::no_numbers("a"), fault: Fault::Program };
        let failed = |number| Event::AttemptFailed {
            attempt: attempt(number),
            worker: worker.clone(),
            failure: failure.clone(),
            progress: Progress::default(),
        };
        measuring.event(&failed(1), at(10));
        measuring.event(&failed(1), at(11));
        // Nobody has published it.
        measuring.event(&failed(9), at(12));
        measuring.command(&publish(attempt(2)), at(13));
        let mut text = String::new();
        prometheus_text::encode(&mut text, &registry).unwrap();
        for line in [
            "attempt_queue_wait_seconds_sum 2.0",
            "attempt_queue_wait_seconds_count 1",
            "attempt_duration_seconds_sum{kind=\"sum\",outcome=\"failed\"} 8.0",
            "attempt_duration_seconds_count{kind=\"sum\",outcome=\"failed\"} 1",
            "attempt_failures_total{fault=\"program\"} 1",
            "attempt_failures_total{fault=\"input\"} 0",
            "task_retries_total 1",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
        }
    }
}
