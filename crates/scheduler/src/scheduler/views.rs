//! Views of the state: summaries and pages of tasks.

use protocol::detail::{AttemptSnapshot, AttemptState, TaskPage, TaskSnapshot};
use protocol::job::{AttemptCounts, ByteCounts, InputSummary, LevelProgress, Phase, Timings};
use protocol::worker::{RunningAttempt, SHOWN_WORKERS, WorkerSnapshot};
use protocol::{JobId, Outage, Plan, Problem, TaskId, WorkerId};

use super::Scheduler;
use crate::durations::saturating_u64;
use crate::job::Job;
use crate::pool::Worker;
use crate::task::{Attempt, TaskKey};

/// How many standard deviations the range is wide to each side.
const DEVIATIONS: f64 = 1.282;

/// The state of a job: the fields of a [`protocol::JobSnapshot`] that the
/// scheduler owns.
#[derive(Clone, Debug, PartialEq)]
pub struct JobView {
    /// The id of the job.
    pub id: JobId,
    /// The current phase.
    pub phase: Phase,
    /// W, the maximum number of attempts in flight; at least 1.
    pub workers: u32,
    /// When each phase started.
    pub timings: Timings,
    /// The plan; `None` before phase Planning.
    pub plan: Option<Plan>,
    /// The properties of the inputs that leaf attempts have determined, without
    /// `bytes`.
    pub inputs: InputSummary,
    /// Progress by level, from level 0; empty without a plan.
    pub progress: Vec<LevelProgress>,
    /// Numbers of attempts by outcome.
    pub attempts: AttemptCounts,
    /// How many of the attempts were started before a restart of the server and went on.
    pub adopted: u64,
    /// Bytes read, written and reused so far.
    pub bytes: ByteCounts,
    /// Recent input throughput in bytes per second; 0 if no attempt is running.
    pub bytes_per_sec: f64,
    /// The estimated remaining time; `None` if unknown.
    pub remaining: Option<Remaining>,
    /// The outage that the job waits for; `None` if it waits for none.
    pub outage: Option<Outage>,
    /// The error; `Some` only in phase Failed.
    pub error: Option<Problem>,
    /// The task that has killed workers; `Some` only if the job failed because of that.
    pub killer: Option<TaskId>,
}

/// How long a job will still run, in milliseconds. Of simulated jobs that are alone, nine of
/// ten end within the range, as a test says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Remaining {
    /// The work that is left, divided by the workers of the job.
    pub estimate_ms: u64,
    /// Probably not less than this.
    pub least_ms: u64,
    /// Probably not more than this.
    pub most_ms: u64,
}

/// The state of the worker pool: the fields of a
/// [`protocol::worker::PoolSnapshot`] that the scheduler owns.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolView {
    /// Requested number of workers.
    pub desired: u32,
    /// The number of workers set by hand; `None` for automatic.
    pub by_hand: Option<u32>,
    /// Number of workers that accept attempts, now or once their current one ends.
    pub ready: u32,
    /// Number of workers that execute an attempt.
    pub busy: u32,
    /// Minimum number of workers.
    pub min_workers: u32,
    /// Maximum number of workers.
    pub max_workers: u32,
    /// Number of ready tasks of all running jobs.
    pub backlog: u64,
    /// The outages that all jobs wait for.
    pub outages: Vec<Outage>,
    /// The first workers by name, at most [`SHOWN_WORKERS`].
    pub workers: Vec<WorkerSnapshot>,
}

/// A task that [`Scheduler::visit_attempts`] visits.
#[derive(Debug)]
pub struct VisitedTask<'a> {
    /// The id of the task.
    pub id: TaskId,
    /// The index of the task in its level.
    pub index: u64,
    /// The number of tasks of its level.
    pub of_tasks: u64,
    /// Its attempts, oldest first, which the visitor may change.
    pub attempts: &'a mut [AttemptSnapshot],
}

impl Scheduler {
    /// The current state of a job; `None` if unknown. Takes time proportional to
    /// W, not to the number of tasks.
    #[must_use]
    pub fn job(&self, id: JobId) -> Option<JobView> {
        let job = self.jobs.get(&id)?;
        let progress = level_progress(job);
        let bytes_per_sec = if job.attempts.running > 0 {
            job.throughput.per_sec(self.now, job.bytes.input_read)
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
            remaining: self.remaining(job, &progress),
            progress,
            attempts: job.attempts,
            adopted: job.adopted,
            bytes: job.bytes,
            bytes_per_sec,
            outage: self.outage_of(id),
            error: job.problem.clone(),
            killer: job.killer,
        })
    }

    /// The ids of all jobs, ended ones included, oldest first.
    pub fn jobs(&self) -> impl DoubleEndedIterator<Item = JobId> + '_ {
        self.jobs.keys().copied()
    }

    /// The current state of the worker pool.
    #[must_use]
    pub fn pool(&self) -> PoolView {
        PoolView {
            desired: self.desired.unwrap_or_else(|| {
                if self.settings.external_pool { self.pool.available() } else { self.targets().now }
            }),
            by_hand: self.by_hand,
            ready: self.pool.available(),
            busy: self.pool.busy(),
            min_workers: self.settings.min_workers,
            max_workers: self.settings.max_workers,
            backlog: self.backlog(),
            outages: self.outages(),
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

    /// Where messages for a worker alone can be sent, if it has said so.
    #[must_use]
    pub fn address(&self, worker: &WorkerId) -> Option<&str> {
        self.pool.get(worker)?.joined.address.as_deref()
    }

    /// Number of ready tasks of all running jobs. A ready task has no live attempt.
    #[must_use]
    pub fn backlog(&self) -> u64 {
        let jobs = self.running.iter().filter_map(|id| self.jobs.get(id));
        jobs.map(Job::ready).sum()
    }

    /// A page of the tasks of a level: at most `limit` tasks, starting at index
    /// `start`. `None` if there is no such job or level.
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

    /// Visits the tasks of a job that have had attempts, level by level: the index of each
    /// in its level, its id, its attempts, oldest first, and the number of tasks of the
    /// level. Takes time proportional to the number of tasks. Does nothing if there is no
    /// such job.
    pub fn visit_attempts(&self, id: JobId, visit: &mut dyn FnMut(VisitedTask<'_>)) {
        let Some(job) = self.jobs.get(&id) else {
            return;
        };
        let mut attempts = Vec::new();
        for (level, of_level) in (0_u8..).zip(&job.levels) {
            let tried = (0_u32..).zip(&of_level.tasks).filter(|(_, it)| !it.attempts.is_empty());
            for (index, task) in tried {
                attempts.clear();
                attempts.extend(task.attempts.iter().map(Attempt::snapshot));
                let id = job.task_id(TaskKey { level, index });
                let of_tasks = of_level.tasks.len() as u64;
                visit(VisitedTask { id, index: index.into(), of_tasks, attempts: &mut attempts });
            }
        }
    }

    fn running_attempt(&self, worker: &Worker) -> Option<RunningAttempt> {
        let id = worker.attempt?;
        let job = self.jobs.get(&id.job)?;
        let task = job.task(job.key(id.task)?);
        let attempt = task.attempts.iter().find(|a| a.number == id.number)?;
        Some(RunningAttempt {
            id,
            speculative: attempt.speculative,
            started_at: attempt.started_at?,
            fraction: attempt.progress.fraction,
        })
    }

    /// How many workers a job gets beside the others that run: as many as it may have, or
    /// its share of the pool in proportion to W.
    fn share_of(&self, job: &Job) -> u32 {
        let available = self.pool.available();
        let asked = |job: &Job| u64::from(job.terms.workers.min(available));
        let all: u64 = self.running.iter().filter_map(|id| self.jobs.get(id)).map(asked).sum();
        let share = (asked(job) * u64::from(available)).div_ceil(all.max(1));
        job.terms.workers.min(u32::try_from(share).unwrap_or(available)).max(1)
    }

    /// The remaining time: for every level, the remaining tasks times their mean duration,
    /// divided by the workers of the job.
    ///
    /// At worst all workers but one are idle while the last attempt of a level runs: that
    /// takes less than `1 - 1 / workers` of its duration longer (Graham's bound). What is
    /// unknown of the mean, and by how much durations differ, widens the range.
    fn remaining(&self, job: &Job, progress: &[LevelProgress]) -> Option<Remaining> {
        if job.phase != Phase::Running {
            return None;
        }
        let workers = self.share_of(job);
        let (mut estimate_ms, mut last_ms, mut variance) = (0.0, 0.0, 0.0);
        let mut known = None;
        for (level, progress) in job.levels.iter().zip(progress) {
            let of_level = level.durations.mean_ms().zip(level.durations.deviations_ms());
            // A level without completed attempts is assumed to be like the one below, as far
            // as is known before: as long as that, give or take as much.
            known = of_level.or(known.map(|(mean_ms, (of_one, _))| (mean_ms, (of_one, mean_ms))));
            let left = (progress.tasks as f64 - progress.complete()).max(0.0);
            if left == 0.0 {
                continue;
            }
            let (mean_ms, (of_one, of_mean)) = known?;
            let at_once = f64::from(workers).min(progress.tasks as f64);
            estimate_ms += left * mean_ms / at_once;
            last_ms += (1.0 - 1.0 / at_once) * left.min(1.0) * mean_ms;
            variance += (left * of_mean / at_once).powi(2) + left * (of_one / at_once).powi(2);
        }
        let spread_ms = DEVIATIONS * variance.sqrt();
        Some(Remaining {
            estimate_ms: saturating_u64(estimate_ms),
            least_ms: saturating_u64(estimate_ms - spread_ms),
            most_ms: saturating_u64(estimate_ms + last_ms + spread_ms),
        })
    }
}

fn level_progress(job: &Job) -> Vec<LevelProgress> {
    let mut progress: Vec<LevelProgress> = job
        .levels
        .iter()
        .map(|level| LevelProgress {
            tasks: level.shape.tasks(),
            completed: level.completed,
            mean_ms: saturating_u64(level.durations.mean_ms().unwrap_or(0.0)),
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
            let live = job.task(key).live();
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
        Some("no report within the lease duration".to_owned())
    } else if worker.rests_until.is_some() {
        let failure = worker.last_failure.as_deref().unwrap_or("errors of other workers there");
        Some(format!("set aside for a time, as the worker or its node is at fault: {failure}"))
    } else if worker.aside {
        let failure = worker.last_failure.as_deref().unwrap_or("unknown");
        Some(format!("{} consecutive failures; last error: {failure}", worker.failures))
    } else {
        None
    }
}
