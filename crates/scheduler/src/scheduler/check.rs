//! Checks of the invariants. They visit every task, so only the simulator and
//! tests use them.

use std::collections::{BTreeMap, BTreeSet};

use protocol::Phase;
use protocol::detail::{AttemptState, TaskState};
use protocol::states::DrawnState;

use super::Scheduler;
use crate::job::Job;
use crate::task::{Attempt, Task, TaskKey};

impl Scheduler {
    /// What a task with one attempt takes, in bytes.
    pub const TASK_BYTES: usize = size_of::<Task>() + size_of::<Attempt>();

    /// The most attempts that a task of any job has had.
    #[must_use]
    pub fn attempts_most(&self) -> u32 {
        let tasks = self.jobs.values().flat_map(|job| &job.levels).flat_map(|level| &level.tasks);
        tasks.map(|task| task.last_number).max().unwrap_or(0)
    }

    /// Checks every invariant.
    ///
    /// # Errors
    /// A description of the first violation.
    pub fn check(&self) -> Result<(), String> {
        let mut published = 0;
        for job in self.jobs.values() {
            self.check_job(job).map_err(|broken| format!("job {}: {broken}", job.id))?;
            published += job.published;
        }
        ensure(published == self.published, || {
            format!("{published} attempts are published, {} counted", self.published)
        })?;
        let open = self.jobs.values().filter(|job| !job.phase.is_over());
        ensure(open.map(|job| &job.id).eq(&self.open), || {
            format!("the set of open jobs is wrong: {:?}", self.open)
        })?;
        self.check_pool()?;
        let next = self.next_deadline();
        let has_live = self.running.iter().any(|id| {
            let job = &self.jobs[id];
            !job.live.is_empty() || !job.delayed.is_empty()
        });
        ensure(!has_live || next.is_some(), || {
            "attempts are live, but no deadline is set".to_owned()
        })?;
        ensure(next.is_none_or(|next| next >= self.now), || {
            format!("the deadline {next:?} has passed at {:?}", self.now)
        })
    }

    fn check_job(&self, job: &Job) -> Result<(), String> {
        let is_running = job.phase == Phase::Running;
        ensure(is_running == self.running.contains(&job.id), || {
            format!("phase {:?} does not match the set of running jobs", job.phase)
        })?;
        let mut live = BTreeSet::new();
        let mut messages = BTreeMap::new();
        let (mut published, mut carried, mut running, mut speculative) = (0, 0, 0, 0);
        for (number, level) in (0_u8..).zip(&job.levels) {
            let mut completed = 0;
            let mut ready = 0;
            for (index, task) in (0_u32..).zip(&level.tasks) {
                let key = TaskKey { level: number, index };
                let live_attempts: Vec<_> = task.live().collect();
                for attempt in &live_attempts {
                    live.insert((key, attempt.number));
                    *messages.entry(attempt.message).or_default() += 1;
                    match attempt.state {
                        AttemptState::Published if attempt.carried => carried += 1,
                        AttemptState::Published => published += 1,
                        _ => running += 1,
                    }
                    speculative += u32::from(attempt.secondary);
                }
                let secondary = live_attempts.iter().filter(|attempt| attempt.secondary).count();
                ensure(
                    live_attempts.len() <= 2 && secondary == live_attempts.len().saturating_sub(1),
                    || {
                        format!(
                            "task {} has {} live attempts",
                            job.task_id(key),
                            live_attempts.len()
                        )
                    },
                )?;
                completed += u64::from(task.state == TaskState::Complete);
                ready += u64::from(task.state == TaskState::Ready);
                if is_running {
                    check_task(job, key)?;
                }
            }
            ensure(completed == level.completed, || {
                format!("level {number}: {completed} complete, {} counted", level.completed)
            })?;
            ensure(ready == level.ready(), || {
                format!("level {number}: {ready} ready, {} counted", level.ready())
            })?;
        }
        ensure(live == job.live, || format!("live {live:?}, recorded {:?}", job.live))?;
        let counted = (job.published, job.carried, job.attempts.running, job.speculative);
        ensure(counted == (published, carried, running, speculative), || {
            format!(
                "{published} published, {carried} carried, {running} running, {speculative} \
                 speculative; counted {counted:?}"
            )
        })?;
        ensure(messages == job.messages, || {
            format!("messages {messages:?}, recorded {:?}", job.messages)
        })?;
        ensure(job.attempts.started == job.attempts.in_all_states(), || {
            format!("the attempts by state do not add up: {:?}", job.attempts)
        })?;
        self.check_drawn(job)?;
        self.check_attempt_limit(job)
    }

    /// Checks the drawn states of a job against its tasks.
    fn check_drawn(&self, job: &Job) -> Result<(), String> {
        let levels = self.task_states(job.id).unwrap_or_default();
        ensure(levels.len() == job.levels.len(), || "a level is not drawn".to_owned())?;
        for (level, drawn) in job.levels.iter().zip(&levels) {
            for (index, task) in (0..).zip(&level.tasks) {
                let running = || task.live().filter(|it| it.state == AttemptState::Running);
                let expected = if task.state == TaskState::Complete {
                    DrawnState::Complete
                } else if running().any(|attempt| attempt.speculative) {
                    DrawnState::Speculative
                } else if running().next().is_some() {
                    DrawnState::Running
                } else {
                    DrawnState::Waiting
                };
                ensure(drawn.get(index) == expected, || {
                    format!("task {index} is {expected:?}, drawn {:?}", drawn.get(index))
                })?;
            }
        }
        Ok(())
    }

    /// A job has at most W attempts on workers. Attempts published ahead may
    /// exceed W only if W covers the whole pool.
    fn check_attempt_limit(&self, job: &Job) -> Result<(), String> {
        let workers = job.terms.workers;
        // A worker that has started another attempt has finished the previous
        // one, even if that report is still in transit; so has one that has started a later
        // attempt of the same message.
        let executing = self.pool.iter().filter_map(|(_, worker)| worker.attempt);
        let executing = executing.filter(|id| id.job == job.id).filter_map(|id| {
            let mut live = job.task(self.live_key(id)?).live();
            live.find(|attempt| attempt.number == id.number).map(|attempt| attempt.message)
        });
        let executing = executing.collect::<BTreeSet<_>>().len();
        ensure(executing <= workers as usize, || {
            format!("{executing} attempts on workers, W is {workers}")
        })?;
        let covers_all = workers >= self.pool.live();
        ensure(job.in_flight() <= workers || covers_all || job.published == 0, || {
            format!("{} attempts in flight, W is {workers}", job.in_flight())
        })
    }

    fn check_pool(&self) -> Result<(), String> {
        let (mut available, mut idle, mut busy) = (0, 0, 0);
        for (_, worker) in self.pool.iter() {
            available += u32::from(worker.is_available());
            idle += u32::from(worker.is_idle());
            busy += u32::from(worker.attempt.is_some() && !worker.lost);
        }
        let counted = (self.pool.available(), self.pool.idle(), self.pool.busy());
        ensure(counted == (available, idle, busy), || {
            format!("{available} available, {idle} idle, {busy} busy; counted {counted:?}")
        })?;
        for job in self.running.iter().map(|id| &self.jobs[id]) {
            let may_start = self.may_publish() && job.ready() > 0 && job.may_start(self.now);
            ensure(!(self.has_idle_worker() && may_start), || {
                format!("a worker is idle while a task of job {} is ready", job.id)
            })?;
        }
        Ok(())
    }
}

/// Checks that a task's state agrees with its inputs, attempts and back-off.
fn check_task(job: &Job, key: TaskKey) -> Result<(), String> {
    let task = job.task(key);
    let live_attempts = task.live().count();
    let is_delayed = job.delayed.iter().any(|(_, delayed)| *delayed == key);
    let holds = match task.state {
        TaskState::Waiting => {
            live_attempts == 0 && task.missing > 0 && incomplete_inputs(job, key) == task.missing
        }
        TaskState::Ready => live_attempts == 0 && incomplete_inputs(job, key) == 0,
        TaskState::Delayed => live_attempts == 0 && is_delayed,
        // An input may have been reopened since the attempt began.
        TaskState::Underway => live_attempts > 0 && incomplete_inputs(job, key) == task.missing,
        TaskState::Complete => live_attempts == 0,
    };
    ensure(holds, || {
        format!(
            "task {} is {:?} with {live_attempts} live attempts, {} of its inputs missing, {} counted",
            job.task_id(key),
            task.state,
            incomplete_inputs(job, key),
            task.missing,
        )
    })
}

/// Recounts the inputs of a task that are not complete.
fn incomplete_inputs(job: &Job, key: TaskKey) -> u32 {
    let (Some(plan), Some(below)) = (&job.plan, key.level.checked_sub(1)) else {
        return 0;
    };
    let id = job.task_id(key);
    let level = &job.levels[usize::from(below)];
    let first = u64::from(id.range) * job.level(key).shape.range_segments;
    let range = (first / level.shape.range_segments).min(u64::from(level.shape.ranges) - 1);
    let inputs = plan.node_inputs(key.level, id.node);
    let incomplete = inputs.filter(|node| {
        let index = node * u64::from(level.shape.ranges) + range;
        let input = &level.tasks[usize::try_from(index).unwrap_or(usize::MAX)];
        input.state != TaskState::Complete
    });
    u32::try_from(incomplete.count()).unwrap_or(u32::MAX)
}

fn ensure(holds: bool, broken: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(broken()) }
}
