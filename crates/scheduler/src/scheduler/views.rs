//! What the scheduler looks like from outside: summaries, and pages of detail.

use protocol::detail::{AttemptState, TaskPage, TaskSnapshot};
use protocol::job::{AttemptCounts, ByteCounts, InputSummary, LevelProgress, Phase, Timings};
use protocol::worker::{RunningAttempt, SHOWN_WORKERS, WorkerSnapshot};
use protocol::{JobId, Plan, Problem};

use super::Scheduler;
use crate::durations::whole;
use crate::job::Job;
use crate::pool::Worker;
use crate::task::{Attempt, TaskKey};

/// One job at one moment: the part of a [`protocol::JobSnapshot`] that the
/// scheduler knows.
#[derive(Clone, Debug, PartialEq)]
pub struct JobView {
    /// Which.
    pub id: JobId,
    /// Where it is.
    pub phase: Phase,
    /// W.
    pub workers: u32,
    /// When each phase was entered.
    pub timings: Timings,
    /// The plan, once there is one.
    pub plan: Option<Plan>,
    /// What its leaf attempts have found out about the inputs; `bytes` is not
    /// among that.
    pub inputs: InputSummary,
    /// How far each level has come, from level 0.
    pub progress: Vec<LevelProgress>,
    /// What became of the attempts.
    pub attempts: AttemptCounts,
    /// Bytes moved so far.
    pub bytes: ByteCounts,
    /// Input bytes read a second, lately; 0 when nothing is running.
    pub bytes_per_sec: f64,
    /// Milliseconds until the job is done at the present rate, if that can be told.
    pub remaining_ms: Option<u64>,
    /// Why the job failed.
    pub error: Option<Problem>,
}

/// The worker pool at one moment: the part of a
/// [`protocol::worker::PoolSnapshot`] that the scheduler knows.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolView {
    /// How many workers are asked for.
    pub desired: u32,
    /// Set if somebody asked for this number by hand.
    pub by_hand: Option<u32>,
    /// How many are able to work.
    pub ready: u32,
    /// How many execute an attempt.
    pub busy: u32,
    /// The fewest that are kept.
    pub min_workers: u32,
    /// The most that are kept.
    pub max_workers: u32,
    /// Tasks that are ready and have no live attempt, of all running jobs.
    pub backlog: u64,
    /// The first workers by name, at most [`SHOWN_WORKERS`].
    pub workers: Vec<WorkerSnapshot>,
}

impl Scheduler {
    /// One job as it looks now. Takes time in proportion to W, not to the tasks.
    #[must_use]
    pub fn job(&self, id: JobId) -> Option<JobView> {
        let job = self.jobs.get(&id)?;
        let progress = level_progress(job);
        let bytes_per_sec = if job.attempts.running > 0 {
            job.meter.per_sec(self.now, job.bytes.input_read)
        } else {
            0.0
        };
        Some(JobView {
            id,
            phase: job.phase,
            workers: job.terms.workers,
            timings: job.timings,
            plan: job.plan.clone(),
            inputs: InputSummary {
                objects: job.plan.as_ref().map(|plan| plan.objects),
                columns: job.columns,
                shape: job.shape.clone(),
                format: job.format.clone(),
                ..InputSummary::default()
            },
            remaining_ms: self.remaining_ms(job, &progress),
            progress,
            attempts: job.attempts,
            bytes: job.bytes,
            bytes_per_sec,
            error: job.problem.clone(),
        })
    }

    /// Every job that is not forgotten, from old to new.
    pub fn jobs(&self) -> impl DoubleEndedIterator<Item = JobId> + '_ {
        self.jobs.keys().copied()
    }

    /// The worker pool as it looks now.
    #[must_use]
    pub fn pool(&self) -> PoolView {
        PoolView {
            desired: self.desired.unwrap_or_else(|| {
                if self.settings.external_pool { self.pool.able() } else { self.target() }
            }),
            by_hand: self.by_hand,
            ready: self.pool.able(),
            busy: self.pool.busy(),
            min_workers: self.settings.min_workers,
            max_workers: self.settings.max_workers,
            backlog: self.backlog(),
            workers: self
                .pool
                .iter()
                .take(SHOWN_WORKERS)
                .map(|(id, worker)| WorkerSnapshot {
                    id: id.clone(),
                    state: worker.state(),
                    node: worker.joined.node.clone(),
                    attempt: self.running_attempt(worker),
                    completed: worker.completed,
                    resident_bytes: worker.joined.resident_bytes,
                    bytes_per_sec: worker.bytes_per_sec,
                    faults: worker.joined.faults.clone(),
                    reason: reason(worker),
                    instance: None,
                })
                .collect(),
        }
    }

    /// Tasks that are ready and have no live attempt, of all running jobs.
    #[must_use]
    pub fn backlog(&self) -> u64 {
        let jobs = self.running.iter().filter_map(|id| self.jobs.get(id));
        jobs.map(Job::ready).sum()
    }

    /// The tasks of one level of a job from the `start`th on, at most `limit`;
    /// `None` if there is no such job or level.
    #[must_use]
    pub fn tasks(&self, id: JobId, level: u8, start: u64, limit: usize) -> Option<TaskPage> {
        let job = self.jobs.get(&id)?;
        let tasks = &job.levels.get(usize::from(level))?.tasks;
        let first = usize::try_from(start).unwrap_or(usize::MAX).min(tasks.len());
        let end = first.saturating_add(limit).min(tasks.len());
        let page = (0_u32..)
            .skip(first)
            .zip(&tasks[first..end])
            .map(|(index, task)| TaskSnapshot {
                id: job.task_id(TaskKey { level, index }),
                state: task.state,
                attempts: task.attempts.iter().map(Attempt::snapshot).collect(),
            })
            .collect();
        Some(TaskPage {
            tasks: page,
            total: tasks.len() as u64,
            cursor: (end < tasks.len()).then_some(end as u64),
        })
    }

    fn running_attempt(&self, worker: &Worker) -> Option<RunningAttempt> {
        let id = worker.attempt?;
        let job = self.jobs.get(&id.job)?;
        let task = job.peek(job.key(id.task)?);
        let attempt = task.attempts.iter().find(|a| a.number == id.number)?;
        Some(RunningAttempt {
            id,
            speculative: attempt.speculative,
            started_at: attempt.started_at?,
            fraction: attempt.progress.fraction,
        })
    }

    /// What is left of every level at the pace of its attempts so far, shared
    /// by the workers that the job can have.
    fn remaining_ms(&self, job: &Job, progress: &[LevelProgress]) -> Option<u64> {
        if job.phase != Phase::Running {
            return None;
        }
        let workers = job.terms.workers.min(self.pool.able()).max(1);
        let mut left_ms = 0.0;
        let mut mean_ms = None;
        for (level, progress) in job.levels.iter().zip(progress) {
            // A level that has not begun is taken to be like the one below it.
            mean_ms = level.durations.mean_ms().or(mean_ms);
            let left = (progress.tasks as f64 - progress.complete()).max(0.0);
            let at_once = f64::from(workers).min(progress.tasks as f64);
            left_ms += left * mean_ms? / at_once;
        }
        Some(whole(left_ms))
    }
}

fn level_progress(job: &Job) -> Vec<LevelProgress> {
    let mut progress: Vec<LevelProgress> = job
        .levels
        .iter()
        .map(|level| LevelProgress {
            tasks: level.shape.tasks(),
            completed: level.completed,
            mean_ms: whole(level.durations.mean_ms().unwrap_or(0.0)),
            ..LevelProgress::default()
        })
        .collect();
    let mut last: Option<TaskKey> = None;
    for &(key, _) in &job.live {
        if last.replace(key) == Some(key) {
            continue;
        }
        let of_level = &mut progress[usize::from(key.level)];
        let running = || {
            let live = job.peek(key).live();
            live.filter(|attempt| attempt.state == AttemptState::Running)
        };
        of_level.running += u64::from(running().next().is_some());
        of_level.speculative += u64::from(running().any(|attempt| attempt.speculative));
        of_level.partly += running().map(|attempt| attempt.progress.fraction).fold(0.0, f64::max);
    }
    progress
}

fn reason(worker: &Worker) -> Option<String> {
    if worker.lost {
        Some("nothing has been heard of it".to_owned())
    } else if worker.aside {
        let failure = worker.last_failure.as_deref().unwrap_or("unknown");
        Some(format!("it failed {} times in a row: {failure}", worker.failures))
    } else {
        None
    }
}
