//! Gives stragglers' tasks a second attempt when a worker has nothing better to do.

use protocol::detail::AttemptState;
use protocol::task::{Direction, StopReason};
use protocol::{JobId, Timestamp, WorkerId};

use super::Scheduler;
use crate::command::Command;
use crate::durations::whole;
use crate::job::Job;
use crate::pool::Pool;
use crate::speculation::{Going, Rule, Runner, stragglers};
use crate::task::{Attempt, TaskKey};

/// Stragglers are looked for at most this often …
const LOOK_MS_MIN: u64 = 20;
/// … and, while somebody could help them, at least this often.
const LOOK_MS_MAX: u64 = 1_000;
/// Between the two, so many times during the usual duration of a task.
const LOOKS_PER_TASK: f64 = 64.0;
/// A task that has had so many attempts is left to those that it has.
const REPLACED_MAX: u32 = 8;
/// After so many refusals a task is offered to any worker but the first's.
const REFUSALS_MAX: u32 = 2;

impl Scheduler {
    /// Publishes second attempts for workers that have no task to take.
    pub(super) fn help_stragglers(&mut self, commands: &mut Vec<Command>) {
        let running: Vec<JobId> = self.running.iter().copied().collect();
        for id in running {
            self.help_stragglers_of(id, commands);
        }
    }

    fn help_stragglers_of(&mut self, id: JobId, commands: &mut Vec<Command>) {
        let now = self.now;
        let has_room = self.has_room();
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        let rule = self.rule.unwrap_or(Rule::of(&job.terms.speculation));
        if rule == Rule::Never
            || !has_room
            || places(job, rule) == 0 && job.speculative == 0
            || job.live.is_empty()
            || job.ready() > 0
        {
            job.look_at = None;
            return;
        }
        let interval_ms = look_interval_ms(job);
        let due = job.looked_at.plus_millis(interval_ms);
        if now < due {
            job.look_at = Some(due);
            return;
        }
        job.looked_at = now;
        job.look_at = Some(now.plus_millis(interval_ms));

        let (candidates, runners) = runners(job, now, &self.pool);
        for index in stragglers(rule, &job.terms.speculation, &runners) {
            let Candidate { key, first, second } = candidates[index];
            let Some(job) = self.jobs.get(&id).filter(|_| self.has_room()) else {
                break;
            };
            let Some(second) = second else {
                if places(job, rule) > 0 {
                    self.publish_second(id, key, first, rule, commands);
                }
                continue;
            };
            if job.peek(key).last_number < REPLACED_MAX {
                let second_is_slower = runners[index].second_is_slower();
                let (slower, faster) =
                    if second_is_slower { (second, first) } else { (first, second) };
                self.withdraw_slower(id, key, slower, commands);
                self.publish_second(id, key, faster, rule, commands);
            }
        }
    }

    /// Stops the slower of two attempts, so that a faster worker may go on.
    fn withdraw_slower(
        &mut self,
        id: JobId,
        key: TaskKey,
        slower: u32,
        commands: &mut Vec<Command>,
    ) {
        let Some(job) = self.jobs.get(&id) else {
            return;
        };
        let attempt = job.attempt_id(key, slower);
        let reason = "it was too slow, and another took its place".to_owned();
        self.close_attempt(attempt, key, AttemptState::Stopped, Some(reason));
        commands.push(Command::StopAttempt { attempt, reason: StopReason::Superseded });
    }

    fn publish_second(
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
        let task = job.task(key);
        let not_on = task.attempt(first).and_then(|first| first.worker.clone());
        let refusals = task.refusals;
        let number = task.add_attempt(now, true);
        let attempt = job.attempt_id(key, number);
        let columns = job.columns;
        job.live.insert((key, number));
        job.published += 1;
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
        });
        self.job_changed(id);
    }

    /// The machine of a worker, if one of another machine is idle.
    fn node_to_avoid(&self, worker: &WorkerId) -> Option<String> {
        let node = self.pool.get(worker)?.joined.node.clone()?;
        let others_wait = self.pool.iter().any(|(_, other)| {
            other.is_idle() && other.joined.node.as_ref().is_some_and(|other| *other != node)
        });
        others_wait.then_some(node)
    }
}

/// How many more speculative attempts a job may have.
fn places(job: &Job, rule: Rule) -> u32 {
    let workers = job.terms.workers;
    let most = share_of(workers, rule.share(&job.terms.speculation));
    let room = workers.saturating_sub(job.in_flight());
    room.min(most.saturating_sub(job.speculative))
}

/// A part of so many workers, but one at least.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and a u32")]
fn share_of(workers: u32, share: f64) -> u32 {
    ((f64::from(workers) * share.clamp(0.0, 1.0)) as u32).max(1)
}

fn look_interval_ms(job: &Job) -> u64 {
    let usual_ms =
        job.levels.iter().rev().find_map(|level| level.durations.median_ms()).unwrap_or(0.0);
    let milliseconds = whole(usual_ms / LOOKS_PER_TASK);
    milliseconds.clamp(LOOK_MS_MIN, LOOK_MS_MAX)
}

/// A task that could be given help, and its attempts.
#[derive(Clone, Copy)]
struct Candidate {
    key: TaskKey,
    first: u32,
    second: Option<u32>,
}

/// The tasks all of whose live attempts are with a worker, and what a rule may
/// want to know about each.
fn runners(job: &Job, now: Timestamp, pool: &Pool) -> (Vec<Candidate>, Vec<Runner>) {
    let going = |attempt: &Attempt| {
        let worker = attempt.worker.as_ref().and_then(|worker| pool.get(worker));
        (attempt.state == AttemptState::Running).then(|| Going {
            ran_ms: attempt.ran_ms(now) as f64,
            fraction: attempt.pace.fraction_at(now),
            left_ms: attempt.pace.left_ms(now),
            slowness: worker.map_or(1.0, |worker| f64::from(worker.slowness)),
        })
    };
    let mut candidates = Vec::new();
    let mut runners = Vec::new();
    for &(key, number) in &job.live {
        let mut live = job.peek(key).live();
        let (first, second) = (live.next(), live.next());
        let Some(first) = first.filter(|first| first.number == number) else {
            continue;
        };
        let (Some(first_going), second_going) = (going(first), second.map(going)) else {
            continue;
        };
        if second_going.is_some_and(|going| going.is_none()) {
            continue;
        }
        let level = job.level(key);
        candidates.push(Candidate {
            key,
            first: first.number,
            second: second.map(|second| second.number),
        });
        runners.push(Runner {
            first: first_going,
            second: second_going.flatten(),
            level_tasks: level.shape.tasks(),
            level_completed: level.completed,
            mean_ms: level.durations.mean_ms(),
            median_ms: level.durations.median_ms(),
            segments: job.segments(key).unwrap_or(1),
            seekable: job.is_seekable(key),
        });
    }
    (candidates, runners)
}
