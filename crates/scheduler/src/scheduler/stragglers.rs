//! Publishes speculative attempts for stragglers when workers are idle.

use protocol::detail::AttemptState;
use protocol::task::{Direction, StopReason};
use protocol::{JobId, Timestamp, WorkerId};

use super::Scheduler;
use crate::command::Command;
use crate::durations::saturating_u64;
use crate::job::Job;
use crate::pool::Pool;
use crate::speculation::{AttemptEstimate, Rule, RunningTask, stragglers};
use crate::task::{Attempt, TaskKey};

/// Minimum interval of scans for stragglers.
const SCAN_MS_MIN: u64 = 20;
/// Maximum interval of scans while a worker is idle.
const SCAN_MS_MAX: u64 = 1_000;
/// Number of scans per median task duration, within these bounds.
const SCANS_PER_TASK: f64 = 64.0;
/// How many attempts at a task are replaced at most.
const REPLACED_MAX: u8 = 3;
/// By how much a worker must be faster than that of an attempt that is to be replaced.
const FASTER: f64 = 1.2;
/// After this many refusals, a speculative attempt may run on the same node as
/// the first attempt, but not on the same worker.
const REFUSALS_MAX: u32 = 2;

impl Scheduler {
    /// Publishes speculative attempts for idle workers.
    pub(super) fn speculate(&mut self, commands: &mut Vec<Command>) {
        let running: Vec<JobId> = self.running.iter().copied().collect();
        for id in running {
            if self.may_publish() {
                self.speculate_for_job(id, commands);
            } else if let Some(job) = self.jobs.get_mut(&id) {
                job.next_scan_at = None;
            }
        }
    }

    fn speculate_for_job(&mut self, id: JobId, commands: &mut Vec<Command>) {
        let now = self.now;
        let has_idle_worker = self.has_idle_worker();
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        let rule = self.rule.unwrap_or(Rule::of(&job.terms.speculation));
        if rule == Rule::Never
            || !has_idle_worker
            || speculative_slots(job, rule) == 0 && job.speculative == 0
            || job.live.is_empty()
            || job.ready() > 0
            || !job.store_wait.is_over()
        {
            job.next_scan_at = None;
            return;
        }
        let interval_ms = scan_interval_ms(job);
        let due = job.last_scan_at.plus_millis(interval_ms);
        if now < due {
            job.next_scan_at = Some(due);
            return;
        }
        job.last_scan_at = now;
        job.next_scan_at = Some(now.plus_millis(interval_ms));

        let (candidates, running_tasks) = running_tasks(job, now, &self.pool);
        for index in stragglers(rule, &job.terms.speculation, &running_tasks) {
            let Candidate { key, first, second } = candidates[index];
            let Some(job) = self.jobs.get(&id).filter(|_| self.has_idle_worker()) else {
                break;
            };
            let Some(second) = second else {
                if speculative_slots(job, rule) > 0 {
                    self.publish_speculative(id, key, first, rule, commands);
                }
                continue;
            };
            let second_is_slower = running_tasks[index].second_is_slower();
            let (slower, faster) = if second_is_slower { (second, first) } else { (first, second) };
            // The worker of one in a bundle goes on with the next, and W is the limit.
            if job.may_replace(key, slower) && self.is_worth_replacing(job, key, slower) {
                self.stop_slower(id, key, slower, commands);
                self.publish_speculative(id, key, faster, rule, commands);
            }
        }
    }

    /// Whether an attempt has had the time to show its speed, and a worker is idle that has
    /// been faster than its own. Otherwise tasks would be thrown about between slow workers.
    /// The time doubles with each replacement.
    fn is_worth_replacing(&self, job: &Job, key: TaskKey, number: u32) -> bool {
        let task = job.task(key);
        let Some(attempt) = task.live().find(|attempt| attempt.number == number) else {
            return false;
        };
        let least_ms = job.terms.speculation.min_ms.saturating_mul(1 << task.replaced.min(16));
        if task.replaced >= REPLACED_MAX || attempt.ran_ms(self.now) < least_ms {
            return false;
        }
        let own = attempt.worker.as_ref().and_then(|worker| self.pool.get(worker));
        let own = own.map_or(1.0, |worker| f64::from(worker.slowness));
        self.pool
            .iter()
            .any(|(_, worker)| worker.is_idle() && f64::from(worker.slowness) * FASTER < own)
    }

    /// Stops the slower of two attempts, so that a faster worker can replace it.
    fn stop_slower(&mut self, id: JobId, key: TaskKey, slower: u32, commands: &mut Vec<Command>) {
        let Some(job) = self.jobs.get(&id) else {
            return;
        };
        let attempt = job.attempt_id(key, slower);
        let worker = job.task(key).live().find(|it| it.number == slower);
        let worker = worker.and_then(|it| it.worker.clone());
        if let Some(job) = self.jobs.get_mut(&id) {
            let task = job.task_mut(key);
            task.replaced = task.replaced.saturating_add(1);
        }
        let reason = "it was too slow and was replaced by another attempt".to_owned();
        self.close_attempt(attempt, key, AttemptState::Stopped, Some(reason));
        let reason = StopReason::Superseded;
        commands.push(Command::StopAttempt { attempt, reason, worker });
    }

    fn publish_speculative(
        &mut self,
        id: JobId,
        key: TaskKey,
        first: u32,
        rule: Rule,
        commands: &mut Vec<Command>,
    ) {
        let now = self.now;
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        let task = job.task_mut(key);
        let not_on = task.attempt_mut(first).and_then(|first| first.worker.clone());
        let refusals = task.refusals;
        let number = job.add_attempt(key, now, true, false);
        let attempt = job.attempt_id(key, number);
        let columns = job.columns;
        job.speculative += 1;
        self.published += 1;
        let resume = rule.resumes();
        commands.push(Command::PublishAttempt {
            attempt,
            speculative: true,
            direction: if resume { Direction::Backward } else { Direction::Forward },
            resume,
            not_on_node: not_on
                .as_ref()
                .filter(|_| refusals < REFUSALS_MAX)
                .and_then(|worker| self.node_to_avoid(worker)),
            not_on,
            columns,
            carried: false,
        });
        self.count_published();
        self.job_changed(id);
    }

    /// The node of a worker; `None` if no worker of another node is idle.
    fn node_to_avoid(&self, worker: &WorkerId) -> Option<String> {
        let node = self.pool.get(worker)?.joined.node.clone()?;
        let is_other_node_idle = self.pool.iter().any(|(_, other)| {
            other.is_idle() && other.joined.node.as_ref().is_some_and(|other| *other != node)
        });
        is_other_node_idle.then_some(node)
    }
}

/// Number of further speculative attempts that a job may have.
fn speculative_slots(job: &Job, rule: Rule) -> u32 {
    let workers = job.terms.workers;
    let most = fraction_of(workers, rule.speculative_fraction(&job.terms.speculation));
    let room = workers.saturating_sub(job.in_flight());
    room.min(most.saturating_sub(job.speculative))
}

/// A fraction, 0 to 1, of a number of workers; at least 1.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and a u32")]
fn fraction_of(workers: u32, fraction: f64) -> u32 {
    ((f64::from(workers) * fraction.clamp(0.0, 1.0)) as u32).max(1)
}

fn scan_interval_ms(job: &Job) -> u64 {
    let median_ms =
        job.levels.iter().rev().find_map(|level| level.durations.median_ms()).unwrap_or(0.0);
    let milliseconds = saturating_u64(median_ms / SCANS_PER_TASK);
    milliseconds.clamp(SCAN_MS_MIN, SCAN_MS_MAX)
}

/// A task that may need a speculative attempt, and the numbers of its attempts.
#[derive(Clone, Copy)]
struct Candidate {
    key: TaskKey,
    first: u32,
    second: Option<u32>,
}

/// The tasks whose live attempts are all running, with the input of the rules for
/// each.
fn running_tasks(job: &Job, now: Timestamp, pool: &Pool) -> (Vec<Candidate>, Vec<RunningTask>) {
    let estimate = |attempt: &Attempt| {
        let worker = attempt.worker.as_ref().and_then(|worker| pool.get(worker));
        (attempt.state == AttemptState::Running).then(|| AttemptEstimate {
            ran_ms: attempt.ran_ms(now) as f64,
            fraction: attempt.progress_rate.fraction_at(now),
            remaining_ms: attempt.progress_rate.remaining_ms(now),
            slowness: worker.map_or(1.0, |worker| f64::from(worker.slowness)),
        })
    };
    let mut candidates = Vec::new();
    let mut running_tasks = Vec::new();
    for &(key, number) in &job.live {
        let mut live = job.task(key).live();
        let (first, second) = (live.next(), live.next());
        let Some(first) = first.filter(|first| first.number == number) else {
            continue;
        };
        let (Some(first_estimate), second_estimate) = (estimate(first), second.map(estimate))
        else {
            continue;
        };
        if second_estimate.is_some_and(|estimate| estimate.is_none()) {
            continue;
        }
        let level = job.level(key);
        candidates.push(Candidate {
            key,
            first: first.number,
            second: second.map(|second| second.number),
        });
        running_tasks.push(RunningTask {
            first: first_estimate,
            second: second_estimate.flatten(),
            level_tasks: level.shape.tasks(),
            level_completed: level.completed,
            mean_ms: level.durations.mean_ms(),
            median_ms: level.durations.median_ms(),
            #[cfg(feature = "sim")]
            mean_rate: level.durations.mean_rate(),
            segments: job.segments(key).unwrap_or(1),
            seekable: job.is_seekable(key),
        });
    }
    (candidates, running_tasks)
}
