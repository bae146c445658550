//! The state machine: what it holds, and which part handles which event.

mod attempts;
#[cfg(any(test, feature = "sim"))]
mod check;
mod completions;
mod dispatch;
mod endings;
mod jobs;
mod scaling;
mod stragglers;
mod views;
mod workers;

use std::collections::{BTreeMap, BTreeSet};

use protocol::{JobId, Timestamp};

use crate::command::Command;
use crate::event::Event;
use crate::job::Job;
use crate::pool::Pool;
use crate::settings::Settings;
use crate::speculation::Rule;
pub use views::{JobView, PoolView};

/// Decides who computes what, and when.
///
/// A value: the same events at the same times give the same commands, always.
/// Time is what the caller says it is, and never goes back.
#[derive(Debug)]
pub struct Scheduler {
    settings: Settings,
    /// The rule that finds stragglers, if it is not the jobs' own choice.
    rule: Option<Rule>,
    /// The time of the last event.
    now: Timestamp,
    /// Every job that is not forgotten; their ids sort from old to new.
    jobs: BTreeMap<JobId, Job>,
    /// The jobs that are not over.
    open: BTreeSet<JobId>,
    /// The jobs whose tasks may be given out.
    running: BTreeSet<JobId>,
    pool: Pool,
    /// How many live attempts lie in the queue.
    published: u32,
    /// How many workers are asked for; `None` until that was first said.
    desired: Option<u32>,
    /// How many workers somebody asked for by hand.
    by_hand: Option<u32>,
    /// Since when fewer workers would do than are asked for.
    surplus_since: Option<Timestamp>,
    /// No lease runs out before this.
    leases_at: Option<Timestamp>,
    changes: Changes,
}

/// What looks different from outside since it was last asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Jobs that have changed, appeared or gone.
    pub jobs: BTreeSet<JobId>,
    /// Whether the worker pool has changed.
    pub pool: bool,
}

impl Scheduler {
    /// A scheduler without jobs and workers.
    #[must_use]
    pub fn new(settings: Settings) -> Scheduler {
        Scheduler {
            settings,
            rule: None,
            now: Timestamp::default(),
            jobs: BTreeMap::new(),
            open: BTreeSet::new(),
            running: BTreeSet::new(),
            pool: Pool::default(),
            published: 0,
            desired: None,
            by_hand: None,
            surplus_since: None,
            leases_at: None,
            changes: Changes::default(),
        }
    }

    /// Lets one rule find the stragglers of all jobs, whatever they ask for:
    /// to compare rules in the simulator.
    #[cfg(feature = "sim")]
    #[must_use]
    pub fn with_rule(settings: Settings, rule: Rule) -> Scheduler {
        Scheduler { rule: Some(rule), ..Scheduler::new(settings) }
    }

    /// Takes in what has happened, at this time, and says what is to be done
    /// about it, in this order. An event that comes late, twice or before what
    /// it follows from does no harm.
    pub fn handle(&mut self, now: Timestamp, event: Event) -> Vec<Command> {
        self.now = self.now.max(now);
        let mut commands = Vec::new();
        self.apply(event, &mut commands);
        self.expire_leases(&mut commands);
        self.end_delays();
        self.admit_jobs(&mut commands);
        self.scale(&mut commands);
        self.dispatch(&mut commands);
        commands
    }

    fn apply(&mut self, event: Event, commands: &mut Vec<Command>) {
        match event {
            Event::JobSubmitted { job, terms } => {
                self.job_submitted(job, terms, commands);
            }
            Event::JobPlanned { job, plan } => {
                self.job_planned(job, plan, commands);
            }
            Event::JobRestored { job, terms, plan, columns, completed } => {
                self.job_restored(job, terms, plan, columns, &completed, commands);
            }
            Event::JobBroken { job, problem } => {
                self.job_broken(job, problem, commands);
            }
            Event::CancelRequested { job } => {
                self.cancel_requested(job, commands);
            }
            Event::ResultWritten { job } => {
                self.result_written(job, commands);
            }
            Event::JobForgotten { job } => {
                self.job_forgotten(job);
            }
            Event::WorkerJoined { worker, joined } => {
                self.worker_joined(&worker, joined, commands);
            }
            Event::WorkerSeen { worker, resident_bytes } => {
                self.worker_seen(&worker, resident_bytes, commands);
            }
            Event::WorkerLeft { worker, reason } => {
                self.worker_left(&worker, &reason, commands);
            }
            Event::AttemptStarted { attempt, worker } => {
                self.attempt_started(attempt, &worker, commands);
            }
            Event::AttemptProgressed { attempt, worker, progress } => {
                self.attempt_progressed(attempt, &worker, &progress, commands);
            }
            Event::AttemptCompleted { attempt, worker, outcome } => {
                self.attempt_completed(attempt, &worker, outcome, commands);
            }
            Event::AttemptFailed { attempt, worker, failure, progress } => {
                self.attempt_failed(attempt, &worker, failure, &progress, commands);
            }
            Event::AttemptStopped { attempt, worker, reason, progress } => {
                self.attempt_stopped(attempt, &worker, reason, &progress, commands);
            }
            Event::DesiredWorkersSet { by_hand } => {
                self.by_hand = by_hand;
                self.surplus_since = None;
                self.changes.pool = true;
            }
            Event::TimePassed => {}
        }
    }

    /// When something is due if nothing happens before: the time at which to
    /// say [`Event::TimePassed`].
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        if self.desired.is_none() && !self.settings.external_pool {
            return Some(self.now);
        }
        let jobs = self.running.iter().filter_map(|job| self.jobs.get(job));
        let of_jobs = jobs.flat_map(|job| {
            let delayed = job.delayed.first().map(|(until, _)| *until);
            [delayed, job.look_at]
        });
        of_jobs.chain([self.leases_at, self.surplus_until()]).flatten().min()
    }

    /// What has changed since this was last asked.
    pub fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    fn job_changed(&mut self, job: JobId) {
        self.changes.jobs.insert(job);
    }

    /// Makes tasks ready that failed and have waited long enough.
    fn end_delays(&mut self) {
        for job in &self.running {
            if let Some(job) = self.jobs.get_mut(job) {
                job.end_delays(self.now);
            }
        }
    }
}
