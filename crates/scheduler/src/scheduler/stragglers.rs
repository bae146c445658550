//! Gives stragglers' tasks a second attempt when a worker has nothing better to do.

use protocol::detail::AttemptState;
use protocol::task::Direction;
use protocol::{JobId, Timestamp, WorkerId};

use super::Scheduler;
use crate::command::Command;
use crate::durations::whole;
use crate::job::Job;
use crate::speculation::{Rule, Runner, stragglers};
use crate::task::TaskKey;

/// Stragglers are looked for at most this often …
const LOOK_MS_MIN: u64 = 50;
/// … and, while somebody could help them, at least this often.
const LOOK_MS_MAX: u64 = 1_000;
/// Between the two, so many times during the usual duration of a task.
const LOOKS_PER_TASK: f64 = 16.0;
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
        let places = places(job, rule);
        if rule == Rule::Never || !has_room || places == 0 || job.live.is_empty() || job.ready() > 0
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

        let (candidates, runners): (Vec<(TaskKey, u32)>, Vec<Runner>) =
            runners(job, now, &self.pool);
        let chosen = stragglers(rule, &job.terms.speculation, &runners);
        for index in chosen.into_iter().take(places as usize) {
            if !self.has_room() {
                break;
            }
            let (key, number) = candidates[index];
            self.publish_second(id, key, number, rule, commands);
        }
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

/// The attempts that could be given company: those with a worker that are
/// alone at their task, and what a rule may want to know about each.
fn runners(
    job: &Job,
    now: Timestamp,
    pool: &crate::pool::Pool,
) -> (Vec<(TaskKey, u32)>, Vec<Runner>) {
    let mut keys = Vec::new();
    let mut runners = Vec::new();
    for &(key, number) in &job.live {
        let task = job.peek(key);
        if task.live().count() != 1 {
            continue;
        }
        let Some(attempt) = task.live().next() else {
            continue;
        };
        if attempt.state != AttemptState::Running || attempt.number != number {
            continue;
        }
        let level = job.level(key);
        let slowness = attempt
            .worker
            .as_ref()
            .and_then(|worker| pool.get(worker))
            .map_or(1.0, |worker| f64::from(worker.slowness));
        keys.push((key, number));
        runners.push(Runner {
            ran_ms: attempt.ran_ms(now) as f64,
            fraction: attempt.pace.fraction_at(now),
            left_ms: attempt.pace.left_ms(now),
            slowness,
            level_tasks: level.shape.tasks(),
            level_completed: level.completed,
            mean_ms: level.durations.mean_ms(),
            median_ms: level.durations.median_ms(),
            segments: job.segments(key).unwrap_or(1),
            seekable: job.is_seekable(key),
        });
    }
    (keys, runners)
}
