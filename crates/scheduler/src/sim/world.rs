//! The event loop of a simulation, its queue, and the execution of commands.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};

use protocol::task::{Joined, StopReason};
use protocol::{JobId, Phase, Timestamp, WorkerId};

use super::faults::Fired;
use super::random::Random;
use super::sim_event::{Scheduled, SimEvent};
use super::store::StoredJob;
use super::terms::{Load, Measures, Terms};
use super::worker::{Message, SimWorker, Speed};
use crate::{Command, Event, Scheduler};

/// A scheduler, a queue, a store and workers.
pub struct World {
    /// The scheduler under test.
    pub scheduler: Scheduler,
    pub(super) terms: Terms,
    pub(super) random: Random,
    pub(super) now: u64,
    heap: BinaryHeap<Reverse<Scheduled>>,
    order: u64,
    pub(super) queue: VecDeque<Message>,
    /// Workers that wait for a delivery, longest waiting first.
    pub(super) waiting: VecDeque<usize>,
    pub(super) workers: Vec<SimWorker>,
    pub(super) by_id: BTreeMap<WorkerId, usize>,
    pub(super) jobs: BTreeMap<JobId, StoredJob>,
    loads: BTreeMap<JobId, Load>,
    /// The final phase of each ended job.
    pub ended: BTreeMap<JobId, Phase>,
    planned: BTreeSet<JobId>,
    /// The faults injected so far.
    pub fired: Fired,
    pub(super) faults_left: u32,
    /// The measurements so far.
    pub measures: Measures,
    pub(super) executing: u32,
    pub(super) executing_since: u64,
    desired: u32,
    /// The latest events and commands; empty unless invariants are checked.
    pub(super) recent: VecDeque<String>,
    /// Wall-clock time spent in the scheduler.
    pub handle_time: std::time::Duration,
}

/// Number of events and commands kept for error messages.
const RECENT: usize = 60;
/// A simulation with more events than this is stuck.
const EVENTS_MAX: u64 = 100_000_000;
/// The same for the small simulations that check invariants.
const CHECKED_EVENTS_MAX: u64 = 500_000;

impl World {
    /// Creates a world with an initial set of workers, given by speed and node.
    #[must_use]
    pub fn new(terms: Terms, seed: u64, speeds: &[(Speed, &str)], loads: Vec<Load>) -> World {
        let scheduler = new_scheduler(&terms);
        let mut world = World {
            scheduler,
            random: Random::new(seed),
            now: 0,
            heap: BinaryHeap::new(),
            order: 0,
            queue: VecDeque::new(),
            waiting: VecDeque::new(),
            workers: Vec::new(),
            by_id: BTreeMap::new(),
            jobs: BTreeMap::new(),
            loads: BTreeMap::new(),
            ended: BTreeMap::new(),
            planned: BTreeSet::new(),
            fired: Fired::default(),
            faults_left: terms.faults_max,
            measures: Measures::default(),
            executing: 0,
            executing_since: 0,
            desired: 0,
            recent: VecDeque::new(),
            handle_time: std::time::Duration::ZERO,
            terms,
        };
        for (speed, node) in speeds {
            let worker = world.add_worker(*speed, node);
            world.schedule(0, SimEvent::WorkerStarted(worker));
        }
        for (number, load) in (0_u128..).zip(loads) {
            let submitted_at = Timestamp::from_millis(load.at_us / 1_000);
            let job = JobId::from_parts(submitted_at, number);
            world.schedule(load.at_us.max(1), SimEvent::JobSubmitted(job));
            world.jobs.insert(
                job,
                StoredJob::new(
                    load.inputs,
                    load.columns,
                    load.fan_in,
                    load.terms.workers,
                    load.limits,
                    load.costs,
                ),
            );
            world.loads.insert(job, load);
        }
        world
    }

    /// The plans of the jobs.
    pub fn plans(&self) -> impl Iterator<Item = &protocol::Plan> {
        self.jobs.values().map(|job| &job.plan)
    }

    /// The work of all jobs, in microseconds at speed 1.
    #[must_use]
    pub fn all_work(&self) -> f64 {
        self.jobs.values().map(StoredJob::all_work).sum()
    }

    /// The ids of all jobs.
    #[must_use]
    pub fn job_ids(&self) -> Vec<JobId> {
        self.loads.keys().copied().collect()
    }

    /// Runs until every job has ended.
    ///
    /// # Errors
    /// A description of the first violation.
    pub fn run(&mut self) -> Result<(), String> {
        while self.ended.len() < self.loads.len() {
            self.step()?;
        }
        self.measures.end_us = self.now;
        Ok(())
    }

    /// Runs for a further number of microseconds.
    ///
    /// # Errors
    /// A description of the first violation.
    pub fn run_for(&mut self, us: u64) -> Result<(), String> {
        let until = self.now + us;
        while self.next_at().is_some_and(|at| at <= until) {
            self.step()?;
        }
        Ok(())
    }

    /// Checks that no worker is busy, in the simulation and in the scheduler.
    ///
    /// # Errors
    /// A description of the violation.
    pub fn check_quiescent(&self) -> Result<(), String> {
        let running = self.workers.iter().filter(|m| m.run.is_some()).count();
        if running > 0 {
            return Err(format!("{running} workers execute attempts of ended jobs"));
        }
        let pool = self.scheduler.pool();
        if pool.busy > 0 {
            return Err(format!("the scheduler counts {} busy workers", pool.busy));
        }
        self.scheduler.check()
    }

    fn next_at(&self) -> Option<u64> {
        let deadline = self.scheduler.next_deadline();
        let deadline = deadline.map(|at| (at.as_millis() * 1_000).max(self.now));
        let next = self.heap.peek().map(|Reverse(next)| next.at);
        match (deadline, next) {
            (Some(deadline), Some(next)) => Some(deadline.min(next)),
            (at, None) | (None, at) => at,
        }
    }

    fn step(&mut self) -> Result<(), String> {
        let Some(at) = self.next_at() else {
            return Err("no event is left, but jobs have not ended".to_owned());
        };
        self.now = at;
        let most = if self.terms.checked { CHECKED_EVENTS_MAX } else { EVENTS_MAX };
        if self.measures.events > most {
            return Err("too many events: the simulation is stuck".to_owned());
        }
        let is_next = self.heap.peek().is_some_and(|Reverse(next)| next.at <= at);
        match self.heap.pop() {
            Some(Reverse(next)) if is_next => self.process(next.event),
            other => {
                self.heap.extend(other);
                self.handle_event(Event::TimePassed)
            }
        }
    }

    /// Schedules an event at a time in microseconds.
    pub(super) fn schedule(&mut self, at: u64, event: SimEvent) {
        self.order += 1;
        self.heap.push(Reverse(Scheduled { at, order: self.order, event }));
    }

    /// Draws the latency of a message, in microseconds.
    pub(super) fn message_us(&mut self) -> u64 {
        let jitter_us = self.terms.jitter_us;
        let more = if jitter_us > 0.0 { self.random.exponential(jitter_us) } else { 0.0 };
        self.terms.message_us + crate::durations::saturating_u64(more)
    }

    /// Whether to inject a fault that destroys work, within `faults_max`.
    pub(super) fn draw_fault(&mut self, probability: f64) -> bool {
        let is_drawn = self.faults_left > 0 && self.random.bernoulli(probability);
        if is_drawn {
            self.faults_left -= 1;
        }
        is_drawn
    }

    pub(super) fn process(&mut self, event: SimEvent) -> Result<(), String> {
        match event {
            SimEvent::EventReceived(event) => return self.handle_event(event),
            SimEvent::AttemptDelivered(message) => {
                self.queue.push_back(message);
                return self.deliver_queued();
            }
            SimEvent::AttemptStopReceived(attempt, reason) => {
                self.stop_where(|id| id == attempt, reason);
            }
            SimEvent::JobStopReceived(job) => {
                self.stop_where(|id| id.job == job, StopReason::JobOver);
            }
            SimEvent::DrainReceived(worker) => self.drain_worker(&worker),
            SimEvent::RestReceived(worker, rest_ms) => self.rest_worker(&worker, rest_ms),
            SimEvent::RestEnded(worker) => {
                if !self.waiting.contains(&worker) {
                    self.waiting.push_back(worker);
                }
                return self.deliver_queued();
            }
            SimEvent::SegmentCompleted(worker, epoch) => {
                return self.complete_segment(worker, epoch);
            }
            SimEvent::HeartbeatDue(worker, incarnation) => self.send_heartbeat(worker, incarnation),
            SimEvent::WorkerCrashed(worker, epoch) => self.crash_worker(worker, epoch),
            SimEvent::WorkerEvicted(worker, epoch) => self.evict_worker(worker, epoch),
            SimEvent::WorkerStarted(worker) => return self.start_worker(worker),
            SimEvent::JobSubmitted(job) => {
                let terms = self.loads[&job].terms;
                return self.handle_event(Event::JobSubmitted { job, terms });
            }
            SimEvent::JobCancelled(job) => {
                self.fired.job_cancelled += 1;
                return self.handle_event(Event::CancelRequested { job });
            }
            SimEvent::ServerRestarted => return self.restart(),
            SimEvent::DesiredWorkersSet(by_hand) => {
                self.fired.manual_scaling += 1;
                return self.handle_event(Event::DesiredWorkersSet { by_hand });
            }
        }
        Ok(())
    }

    /// Lets the scheduler handle an event and sends its commands.
    pub(super) fn handle_event(&mut self, event: Event) -> Result<(), String> {
        self.measures.events += 1;
        self.log(|| format!("{event:?}"));
        let now = Timestamp::from_millis(self.now / 1_000);
        let begun = std::time::Instant::now();
        let commands = self.scheduler.handle(now, event);
        self.handle_time += begun.elapsed();
        for command in &commands {
            self.log(|| format!("    {command:?}"));
        }
        if self.terms.checked {
            self.scheduler.check()?;
        }
        for command in commands {
            self.perform(command)?;
        }
        Ok(())
    }

    fn log(&mut self, line: impl FnOnce() -> String) {
        if self.terms.checked {
            if self.recent.len() >= RECENT {
                self.recent.pop_front();
            }
            self.recent.push_back(format!("{:>12} µs {}", self.now, line()));
        }
    }

    /// The latest events and commands, one per line.
    #[must_use]
    pub fn recent(&self) -> String {
        self.recent.iter().map(|line| format!("{line}\n")).collect()
    }

    fn perform(&mut self, command: Command) -> Result<(), String> {
        let at = self.now + self.message_us();
        match command {
            Command::PlanJob { job } => {
                self.planned.insert(job);
                let plan = self.jobs[&job].plan.clone();
                self.schedule(at, SimEvent::EventReceived(Event::JobPlanned { job, plan }));
            }
            Command::PublishAttempt { attempt, direction, resume, not_on, not_on_node, .. } => {
                let message = Message { attempt, direction, resume, not_on, not_on_node };
                if self.random.bernoulli(self.terms.faults.duplicate_delivery) {
                    self.fired.duplicate_delivery += 1;
                    let second_at = at + self.message_us();
                    self.schedule(second_at, SimEvent::AttemptDelivered(message.clone()));
                }
                self.schedule(at, SimEvent::AttemptDelivered(message));
            }
            Command::StopAttempt { attempt, reason } => {
                if self.random.bernoulli(self.terms.faults.control_lost) {
                    self.fired.control_lost += 1;
                } else {
                    self.schedule(at, SimEvent::AttemptStopReceived(attempt, reason));
                }
            }
            Command::WriteResult { job, columns } => {
                let stored = self.jobs.get_mut(&job).ok_or("the result of an unknown job")?;
                if columns != stored.columns {
                    return Err(format!("{columns} columns, not {}", stored.columns));
                }
                let complete = stored.complete_tasks().len() as u64;
                let empty = stored.plan.tasks() - complete;
                let beyond = stored.empty_tasks();
                if empty > beyond {
                    return Err(format!("{} tasks are lost", empty - beyond));
                }
                self.schedule(at, SimEvent::EventReceived(Event::ResultWritten { job }));
            }
            Command::EndJob { job, phase, .. } => {
                if self.ended.insert(job, phase).is_some() {
                    return Err(format!("job {job} ended twice"));
                }
                self.schedule(at, SimEvent::JobStopReceived(job));
            }
            Command::ScaleWorkers { desired } => {
                self.desired = desired;
                self.start_missing_workers();
            }
            Command::DrainWorker { worker } => self.schedule(at, SimEvent::DrainReceived(worker)),
            Command::RestWorker { worker, rest_ms } => {
                self.schedule(at, SimEvent::RestReceived(worker, rest_ms));
            }
        }
        Ok(())
    }

    /// Adds a worker that has not started.
    pub(super) fn add_worker(&mut self, speed: Speed, node: &str) -> usize {
        let number = self.workers.len();
        let id = WorkerId::from(format!("worker-{number:05}"));
        self.by_id.insert(id.clone(), number);
        self.workers.push(SimWorker {
            id,
            node: node.to_owned(),
            incarnation: 1,
            speed,
            alive: false,
            draining: false,
            black_hole: false,
            rests_until: 0,
            silent_until: 0,
            run: None,
            epoch: 0,
        });
        number
    }

    /// Starts workers until the desired number is running.
    pub(super) fn start_missing_workers(&mut self) {
        if !self.terms.managed_pool {
            return;
        }
        let running = self.workers.iter().filter(|m| m.alive && !m.draining);
        let running = u32::try_from(running.count()).unwrap_or(u32::MAX);
        for _ in running..self.desired {
            let speed = Speed::steady(0.5 + self.random.fraction());
            let node = if self.random.bernoulli(0.5) { "a" } else { "b" };
            let worker = self.add_worker(speed, node);
            // Count the worker now, so that it is not started twice.
            self.workers[worker].alive = true;
            let at = self.now + self.random.between(1_000, 500_000);
            self.schedule(at, SimEvent::WorkerStarted(worker));
        }
    }

    pub(super) fn joined(sim_worker: &SimWorker) -> Event {
        Event::WorkerJoined {
            worker: sim_worker.id.clone(),
            joined: Joined {
                node: Some(sim_worker.node.clone()),
                incarnation: sim_worker.incarnation,
                ..Joined::default()
            },
        }
    }

    /// Simulates a server crash: restores a new scheduler from the store.
    fn restart(&mut self) -> Result<(), String> {
        self.fired.server_restarts += 1;
        self.scheduler = new_scheduler(&self.terms);
        let open: Vec<JobId> = self.planned.iter().copied().collect();
        for job in open {
            if self.ended.contains_key(&job) {
                continue;
            }
            let columns_known = self.random.bernoulli(0.5);
            let stored = self.jobs.get_mut(&job).ok_or("no such job")?;
            let event = Event::JobRestored {
                job,
                terms: self.loads[&job].terms,
                columns: columns_known.then_some(stored.columns),
                completed: stored.complete_tasks(),
                plan: stored.plan.clone(),
                earlier_attempts: 0,
            };
            self.handle_event(event)?;
        }
        let rejoined: Vec<Event> = self
            .workers
            .iter()
            .filter(|sim_worker| sim_worker.alive && sim_worker.epoch > 0)
            .map(World::joined)
            .collect();
        for event in rejoined {
            let at = self.now + self.message_us();
            self.schedule(at, SimEvent::EventReceived(event));
        }
        Ok(())
    }
}

fn new_scheduler(terms: &Terms) -> Scheduler {
    match terms.rule {
        Some(rule) => Scheduler::with_rule(terms.settings, rule),
        None => Scheduler::new(terms.settings),
    }
}
