//! The state machine: its state and the dispatch of events.

mod attempts;
#[cfg(any(test, feature = "sim"))]
mod check;
mod completions;
mod dispatch;
mod endings;
mod jobs;
mod losses;
mod outages;
mod rests;
mod scaling;
mod states;
mod stragglers;
mod views;
mod workers;

use std::collections::{BTreeMap, BTreeSet};

use protocol::{JobId, Part, Timestamp, WorkerId};

use self::jobs::Stored;
use self::outages::{Away, SpeedUp};
use self::rests::NodeFaults;
use crate::command::Command;
use crate::event::Event;
use crate::job::Job;
use crate::pool::Pool;
use crate::settings::Settings;
use crate::speculation::Rule;
pub use views::{JobView, PoolView, Remaining, VisitedTask};

/// The scheduler.
///
/// It is deterministic: the same events at the same times give the same
/// commands. The caller supplies the time. A time before the previous one
/// counts as the previous one.
#[derive(Debug)]
pub struct Scheduler {
    settings: Settings,
    /// Overrides the speculation rule of all jobs; `None` outside the simulator.
    rule: Option<Rule>,
    /// The time of the last event.
    now: Timestamp,
    /// All jobs, ended ones included, oldest first.
    jobs: BTreeMap<JobId, Job>,
    /// The jobs that have not ended.
    open: BTreeSet<JobId>,
    /// The jobs in phase Running.
    running: BTreeSet<JobId>,
    /// Number of jobs planned so far.
    planned: u64,
    /// Numbers of running, open and planned jobs when it was last checked which jobs can start.
    admitted_at: (usize, usize, u64),
    pool: Pool,
    /// The workers that are set aside for a time, by its end.
    resting: BTreeSet<(Timestamp, WorkerId)>,
    /// The nodes whose workers are at fault.
    nodes: BTreeMap<String, NodeFaults>,
    /// Since when every worker is at fault; `None` if one is well.
    no_worker_well: Option<Away>,
    /// When a worker was last lost because its lease expired, and which.
    last_loss: Option<(Timestamp, WorkerId)>,
    /// The parts that do not answer the server.
    outages: BTreeMap<Part, Away>,
    /// Limits the attempts published after an outage.
    speed_up: Option<SpeedUp>,
    /// Number of messages in the queue.
    published: u32,
    /// The pass of the job that was served last.
    pass: f64,
    /// The pool size last requested; `None` before the first request.
    desired: Option<u32>,
    /// The number of workers set by hand; `None` for automatic.
    by_hand: Option<u32>,
    /// Since when the pool has had surplus workers.
    surplus_since: Option<Timestamp>,
    /// No lease expires before this time; `None` if there is no lease.
    next_lease_check_at: Option<Timestamp>,
    changes: Changes,
}

/// The views that have changed since the last [`Scheduler::take_changes`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Jobs that were added, changed or removed.
    pub jobs: BTreeSet<JobId>,
    /// Whether the worker pool changed.
    pub pool: bool,
}

impl Scheduler {
    /// Creates a scheduler without jobs and workers.
    #[must_use]
    pub fn new(settings: Settings) -> Scheduler {
        Scheduler {
            settings,
            rule: None,
            now: Timestamp::default(),
            jobs: BTreeMap::new(),
            open: BTreeSet::new(),
            running: BTreeSet::new(),
            planned: 0,
            admitted_at: (0, 0, 0),
            pool: Pool::default(),
            resting: BTreeSet::new(),
            nodes: BTreeMap::new(),
            no_worker_well: None,
            last_loss: None,
            outages: BTreeMap::new(),
            speed_up: None,
            published: 0,
            pass: 0.0,
            desired: None,
            by_hand: None,
            surplus_since: None,
            next_lease_check_at: None,
            changes: Changes::default(),
        }
    }

    /// Creates a scheduler that applies one speculation rule to all jobs, to
    /// compare rules in the simulator.
    #[cfg(feature = "sim")]
    #[must_use]
    pub fn with_rule(settings: Settings, rule: Rule) -> Scheduler {
        Scheduler { rule: Some(rule), ..Scheduler::new(settings) }
    }

    /// Handles an event and returns the commands to execute, in order. Events
    /// may be late, duplicated or out of order.
    pub fn handle(&mut self, now: Timestamp, event: Event) -> Vec<Command> {
        self.handle_all(now, [event])
    }

    /// Handles events that have arrived together, such as the end of an attempt and the
    /// start of its worker's next one. Nothing is decided in between.
    pub fn handle_all(
        &mut self,
        now: Timestamp,
        events: impl IntoIterator<Item = Event>,
    ) -> Vec<Command> {
        self.now = self.now.max(now);
        let mut commands = Vec::new();
        for event in events {
            self.apply(event, &mut commands);
        }
        self.expire_leases(&mut commands);
        self.end_delays();
        self.shorten_rests(&mut commands);
        self.end_rests();
        self.end_speed_up();
        self.admit_jobs(&mut commands);
        self.scale(&mut commands);
        self.dispatch(&mut commands);
        commands
    }

    fn apply(&mut self, event: Event, commands: &mut Vec<Command>) {
        if event.worker().is_some_and(|worker| self.pool.has_no_room_for(worker)) {
            return;
        }
        match event {
            Event::JobSubmitted { job, terms } => {
                self.job_submitted(job, terms, commands);
            }
            Event::JobPlanned { job, plan } => {
                self.job_planned(job, plan, commands);
            }
            Event::JobRestored { job, terms, plan, columns, completed, earlier_attempts } => {
                let stored = Stored { plan, columns, completed, earlier_attempts };
                self.job_restored(job, terms, stored, commands);
            }
            Event::JobResumed { job, plan, columns, completed, earlier_attempts } => {
                let stored = Stored { plan, columns, completed, earlier_attempts };
                self.job_resumed(job, stored, commands);
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
            Event::TotalDamaged { job, segment } => {
                self.total_damaged(job, segment, commands);
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
            Event::PartMissed { part, reason } => {
                self.part_missed(part, reason);
            }
            Event::PartReturned { part } => {
                self.part_returned(part);
            }
            Event::QueueLost => {
                self.queue_lost();
            }
            Event::ServerResumed => {
                self.renew_all_leases();
            }
            Event::DesiredWorkersSet { by_hand } => {
                self.by_hand = by_hand;
                self.surplus_since = None;
                self.changes.pool = true;
            }
            Event::TimePassed => {}
        }
    }

    /// The time of the next timer, when the caller must send
    /// [`Event::TimePassed`]; `None` if no timer is set.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        if self.desired.is_none() && !self.settings.external_pool {
            return Some(self.now);
        }
        let jobs = self.running.iter().filter_map(|job| self.jobs.get(job));
        let of_jobs = jobs.flat_map(|job| {
            let delayed = job.delayed.first().map(|(until, _)| *until);
            [delayed, job.next_scan_at, job.take_back_at, job.store_wait.until(self.now)]
        });
        let rest_ends_at = self.resting.first().map(|(until, _)| *until);
        let others =
            [self.next_lease_check_at, self.surplus_until(), rest_ends_at, self.speed_up_at()];
        of_jobs.chain(others).flatten().min()
    }

    /// Returns the changes since the last call and clears them.
    pub fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    fn job_changed(&mut self, job: JobId) {
        self.changes.jobs.insert(job);
    }

    /// Makes the failed tasks ready whose back-off has ended.
    fn end_delays(&mut self) {
        for job in &self.running {
            if let Some(job) = self.jobs.get_mut(job) {
                job.end_delays(self.now);
            }
        }
    }
}
