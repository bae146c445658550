//! What is true after every event, checked task by task. Only the simulator
//! and tests can afford that.

use std::collections::BTreeSet;

use protocol::Phase;
use protocol::detail::{AttemptState, TaskState};

use super::Scheduler;
use crate::job::Job;
use crate::task::TaskKey;

impl Scheduler {
    /// Says which invariant does not hold, if one does not.
    ///
    /// # Errors
    /// The invariant, in words, and what breaks it.
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
            format!("the jobs that are not over are not {:?}", self.open)
        })?;
        self.check_pool()?;
        let next = self.next_deadline();
        let has_live = self.running.iter().any(|id| {
            let job = &self.jobs[id];
            !job.live.is_empty() || !job.delayed.is_empty()
        });
        ensure(!has_live || next.is_some(), || {
            "attempts are live and no deadline watches them".to_owned()
        })?;
        ensure(next.is_none_or(|next| next >= self.now), || {
            format!("the deadline {next:?} has passed at {:?}", self.now)
        })
    }

    fn check_job(&self, job: &Job) -> Result<(), String> {
        let is_running = job.phase == Phase::Running;
        ensure(is_running == self.running.contains(&job.id), || {
            format!("in phase {:?} and among the running: not both or neither", job.phase)
        })?;
        let mut live = BTreeSet::new();
        let (mut of_published, mut of_running, mut of_speculative) = (0, 0, 0);
        for (number, level) in (0_u8..).zip(&job.levels) {
            let mut completed = 0;
            let mut ready = 0;
            for (index, task) in (0_u32..).zip(&level.tasks) {
                let key = TaskKey { level: number, index };
                let alive: Vec<_> = task.live().collect();
                for attempt in &alive {
                    live.insert((key, attempt.number));
                    match attempt.state {
                        AttemptState::Published => of_published += 1,
                        _ => of_running += 1,
                    }
                    of_speculative += u32::from(attempt.beside);
                }
                let beside = alive.iter().filter(|attempt| attempt.beside).count();
                ensure(alive.len() <= 2 && beside == alive.len().saturating_sub(1), || {
                    format!("task {} has {} live attempts", job.task_id(key), alive.len())
                })?;
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
        ensure(live == job.live, || format!("live {live:?}, kept {:?}", job.live))?;
        let counted = (job.published, job.attempts.running, job.speculative);
        ensure(counted == (of_published, of_running, of_speculative), || {
            format!(
                "{of_published} published, {of_running} running, {of_speculative} speculative; counted {counted:?}"
            )
        })?;
        self.check_share(job)
    }

    /// No job has more than W attempts with workers; with the look-ahead
    /// counted, only where the pool cannot give it more.
    fn check_share(&self, job: &Job) -> Result<(), String> {
        let workers = job.terms.workers;
        // A worker that has begun another attempt is done with the one before,
        // though its word of that is still on its way.
        let executing = self.pool.iter().filter_map(|(_, worker)| worker.attempt);
        let executing = executing.filter(|id| id.job == job.id && self.live_key(*id).is_some());
        let executing = executing.collect::<BTreeSet<_>>().len();
        ensure(executing <= workers as usize, || {
            format!("{executing} attempts with workers, W is {workers}")
        })?;
        let covers_all = workers >= self.pool.takers();
        ensure(job.in_flight() <= workers || covers_all || job.published == 0, || {
            format!("{} attempts in flight, W is {workers}", job.in_flight())
        })
    }

    fn check_pool(&self) -> Result<(), String> {
        let (mut able, mut idle, mut busy) = (0, 0, 0);
        for (_, worker) in self.pool.iter() {
            able += u32::from(worker.is_able());
            idle += u32::from(worker.is_idle());
            busy += u32::from(worker.attempt.is_some() && !worker.lost);
        }
        let counted = (self.pool.able(), self.pool.idle(), self.pool.busy());
        ensure(counted == (able, idle, busy), || {
            format!("{able} able, {idle} idle, {busy} busy; counted {counted:?}")
        })?;
        for job in self.running.iter().map(|id| &self.jobs[id]) {
            let may_take = job.ready() > 0 && job.in_flight() < job.terms.workers;
            ensure(!(self.has_room() && may_take), || {
                format!("a worker waits beside a ready task of job {}", job.id)
            })?;
        }
        Ok(())
    }
}

/// Every task is somewhere: it waits for something, is ready, delayed,
/// attempted or complete, and what should bring it on is there.
fn check_task(job: &Job, key: TaskKey) -> Result<(), String> {
    let task = job.peek(key);
    let alive = task.live().count();
    let is_delayed = job.delayed.iter().any(|(_, delayed)| *delayed == key);
    let holds = match task.state {
        TaskState::Waiting => {
            alive == 0 && task.missing > 0 && incomplete_inputs(job, key) == task.missing
        }
        TaskState::Ready => alive == 0 && incomplete_inputs(job, key) == 0,
        TaskState::Delayed => alive == 0 && is_delayed,
        TaskState::Underway => alive > 0 && incomplete_inputs(job, key) == 0,
        TaskState::Complete => alive == 0,
    };
    ensure(holds, || {
        format!(
            "task {} is {:?} with {alive} live attempts, {} of its inputs missing, {} counted",
            job.task_id(key),
            task.state,
            incomplete_inputs(job, key),
            task.missing,
        )
    })
}

/// How many of a task's inputs are not complete, counted anew.
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
