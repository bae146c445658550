//! The event loop of a simulation, its queue, and the execution of commands.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};

use protocol::task::{Joined, StopReason};
use protocol::{JobId, Phase, TaskId, Timestamp, WorkerId};

use super::faults::Fired;
use super::random::Random;
use super::sim_event::{Scheduled, SimEvent};
use super::station::Station;
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
    /// What the broker takes for messages to workers, and for reports.
    to_workers: Station,
    to_server: Station,
    server: Station,
    /// Messages that wait until the server has handled earlier ones.
    inbox: VecDeque<Vec<Event>>,
    pub(super) queue: VecDeque<Message>,
    /// Until when the broker is away, in microseconds.
    pub(super) broker_until: u64,
    /// Until when the store is away, in microseconds.
    pub(super) store_until: u64,
    /// Workers that wait for a delivery, longest waiting first.
    pub(super) waiting: VecDeque<usize>,
    pub(super) workers: Vec<SimWorker>,
    pub(super) by_id: BTreeMap<WorkerId, usize>,
    pub(super) jobs: BTreeMap<JobId, StoredJob>,
    loads: BTreeMap<JobId, Load>,
    /// The final phase of each ended job.
    pub ended: BTreeMap<JobId, Phase>,
    /// When each ended job ended, in microseconds.
    pub ended_at: BTreeMap<JobId, u64>,
    planned: BTreeSet<JobId>,
    /// The faults injected so far.
    pub fired: Fired,
    pub(super) faults_left: u32,
    /// How often a failure of the program, and the death of a worker, was injected into a task.
    pub(super) injected: BTreeMap<(JobId, TaskId), (u32, u32)>,
    /// The measurements so far.
    pub measures: Measures,
    pub(super) executing: u32,
    pub(super) executing_since: u64,
    pub(super) present: u32,
    pub(super) present_since: u64,
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
            to_workers: Station::default(),
            to_server: Station::default(),
            server: Station::default(),
            inbox: VecDeque::new(),
            queue: VecDeque::new(),
            broker_until: 0,
            store_until: 0,
            waiting: VecDeque::new(),
            workers: Vec::new(),
            by_id: BTreeMap::new(),
            jobs: BTreeMap::new(),
            loads: BTreeMap::new(),
            ended: BTreeMap::new(),
            ended_at: BTreeMap::new(),
            planned: BTreeSet::new(),
            fired: Fired::default(),
            faults_left: terms.faults_max,
            injected: BTreeMap::new(),
            measures: Measures::default(),
            executing: 0,
            executing_since: 0,
            present: 0,
            present_since: 0,
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
            world.jobs.insert(job, StoredJob::new(&load));
            world.loads.insert(job, load);
        }
        world
    }

    /// The plans of the jobs.
    pub fn plans(&self) -> impl Iterator<Item = &protocol::Plan> {
        self.jobs.values().map(|job| &job.plan)
    }

    /// The work of the plans of all jobs, in microseconds at speed 1.
    #[must_use]
    pub fn planned_work(&self) -> f64 {
        self.jobs.values().map(StoredJob::all_work).sum()
    }

    /// The views of all jobs, oldest first.
    pub fn views(&self) -> impl Iterator<Item = crate::JobView> {
        self.loads.keys().filter_map(|job| self.scheduler.job(*job))
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
        // Accounts for the time until now.
        self.count_present(0);
        Ok(())
    }

    /// Runs until a job has ended, and returns when that was, in microseconds.
    ///
    /// # Errors
    /// A description of the first violation.
    pub fn run_until_ended(&mut self, job: JobId) -> Result<u64, String> {
        loop {
            if let Some(at) = self.ended_at.get(&job) {
                return Ok(*at);
            }
            self.step()?;
        }
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
        let free_at = self.server.free_at().max(self.now);
        let deadline = deadline.map(|at| (at.as_millis() * 1_000).max(free_at));
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
    pub(super) fn latency_us(&mut self) -> u64 {
        let jitter_us = self.terms.jitter_us;
        let more = if jitter_us > 0.0 { self.random.exponential(jitter_us) } else { 0.0 };
        self.terms.message_us + crate::durations::saturating_u64(more)
    }

    /// When a report arrives that a worker sends now. It waits while the broker is away.
    pub(super) fn report_arrives_at(&mut self) -> u64 {
        let sent_at = self.now.max(self.broker_until);
        self.to_server.pass(sent_at, self.terms.broker_us) + self.latency_us()
    }

    /// When a message arrives that the server sends now.
    fn message_arrives_at(&mut self) -> u64 {
        let sent_at = self.occupy_server(1).max(self.broker_until);
        self.to_workers.pass(sent_at, self.terms.broker_us) + self.latency_us()
    }

    /// Lets the server handle a number of events or commands; returns when it has.
    fn occupy_server(&mut self, count: usize) -> u64 {
        let service_us = self.terms.server_us * count as u64;
        self.measures.server_us += service_us;
        self.server.pass(self.now, service_us)
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
            SimEvent::EventsReceived(events) => return self.receive(events),
            SimEvent::ServerFree => return self.receive_next(),
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
            SimEvent::HeartbeatDue(worker) => self.send_heartbeat(worker),
            SimEvent::WorkerCrashed(worker, epoch) => self.crash_worker(worker, epoch),
            SimEvent::NodeLost(node) => self.lose_node(node),
            SimEvent::BrokerLeft(us, is_wiped) => self.broker_left(us, is_wiped),
            SimEvent::BrokerReturned(is_wiped) => return self.broker_returned(is_wiped),
            SimEvent::StoreLeft(us) => self.store_left(us),
            SimEvent::WorkerEvicted(worker, epoch) => self.evict_worker(worker, epoch),
            SimEvent::WorkerStarted(worker) => return self.start_worker(worker),
            SimEvent::JobSubmitted(job) => {
                let terms = self.loads[&job].terms;
                return self.receive(vec![Event::JobSubmitted { job, terms }]);
            }
            SimEvent::JobCancelled(job) => {
                self.fired.job_cancelled += 1;
                return self.receive(vec![Event::CancelRequested { job }]);
            }
            SimEvent::ServerRestarted => return self.restart(),
            SimEvent::DesiredWorkersSet(by_hand) => {
                self.fired.manual_scaling += 1;
                return self.receive(vec![Event::DesiredWorkersSet { by_hand }]);
            }
        }
        Ok(())
    }

    /// Lets the server handle the events of a message, at once or after earlier messages.
    fn receive(&mut self, events: Vec<Event>) -> Result<(), String> {
        let free_at = self.server.free_at();
        if self.inbox.is_empty() && free_at <= self.now {
            self.occupy_server(events.len());
            return self.handle_events(events);
        }
        self.inbox.push_back(events);
        if self.inbox.len() == 1 {
            self.schedule(free_at, SimEvent::ServerFree);
        }
        Ok(())
    }

    fn receive_next(&mut self) -> Result<(), String> {
        // A deadline may have taken the time.
        let free_at = self.server.free_at();
        if free_at > self.now {
            self.schedule(free_at, SimEvent::ServerFree);
            return Ok(());
        }
        if let Some(events) = self.inbox.pop_front() {
            self.occupy_server(events.len());
            self.handle_events(events)?;
        }
        if !self.inbox.is_empty() {
            self.schedule(self.server.free_at().max(self.now), SimEvent::ServerFree);
        }
        Ok(())
    }

    /// Lets the scheduler handle an event and sends its commands.
    pub(super) fn handle_event(&mut self, event: Event) -> Result<(), String> {
        self.handle_events(vec![event])
    }

    /// Lets the scheduler handle the events of one message.
    fn handle_events(&mut self, events: Vec<Event>) -> Result<(), String> {
        for event in &events {
            self.measures.events += 1;
            self.log(|| format!("{event:?}"));
        }
        let now = Timestamp::from_millis(self.now / 1_000);
        let begun = std::time::Instant::now();
        let commands = self.scheduler.handle_all(now, events);
        self.handle_time += begun.elapsed();
        for command in &commands {
            self.log(|| format!("    {command:?}"));
        }
        if self.terms.checked {
            self.scheduler.check()?;
        }
        let heartbeat_us = self.scheduler.heartbeat_ms(self.terms.heartbeat_us / 1_000) * 1_000;
        let mut bundle: Option<Message> = None;
        for command in commands {
            let (message, carried) = match command {
                Command::PublishAttempt {
                    attempt,
                    direction,
                    resume,
                    not_on,
                    not_on_node,
                    carried,
                    ..
                } => {
                    let then = VecDeque::new();
                    let message = Message {
                        attempt,
                        direction,
                        resume,
                        not_on,
                        not_on_node,
                        heartbeat_us,
                        then,
                    };
                    (message, carried)
                }
                other => {
                    self.publish(bundle.take());
                    self.perform(other)?;
                    continue;
                }
            };
            match &mut bundle {
                Some(first) if carried => first.then.push_back(message),
                None if carried => return Err("an attempt is carried by none".to_owned()),
                _ => self.publish(bundle.replace(message)),
            }
        }
        self.publish(bundle);
        Ok(())
    }

    /// Sends a message to the queue.
    fn publish(&mut self, message: Option<Message>) {
        let Some(message) = message else {
            return;
        };
        let at = self.message_arrives_at();
        if self.random.bernoulli(self.terms.faults.duplicate_delivery) {
            self.fired.duplicate_delivery += 1;
            let second_at = at + self.latency_us();
            self.schedule(second_at, SimEvent::AttemptDelivered(message.clone()));
        }
        self.fired.carried += message.then.len() as u64;
        self.schedule(at, SimEvent::AttemptDelivered(message));
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
        match command {
            Command::PlanJob { job } => {
                self.planned.insert(job);
                let plan = self.jobs[&job].plan.clone();
                let at = self.now.max(self.store_until) + self.latency_us();
                self.schedule(at, SimEvent::EventsReceived(vec![Event::JobPlanned { job, plan }]));
            }
            // Attempts are put together into messages before.
            Command::PublishAttempt { .. } => {}
            Command::StopAttempt { attempt, reason, .. } => {
                if self.random.bernoulli(self.terms.faults.control_lost) {
                    self.fired.control_lost += 1;
                } else {
                    let at = self.message_arrives_at();
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
                let at = self.now.max(self.store_until) + self.latency_us();
                self.schedule(at, SimEvent::EventsReceived(vec![Event::ResultWritten { job }]));
            }
            Command::EndJob { job, phase, .. } => {
                if self.ended.insert(job, phase).is_some() {
                    return Err(format!("job {job} ended twice"));
                }
                self.ended_at.insert(job, self.now);
                let at = self.message_arrives_at();
                self.schedule(at, SimEvent::JobStopReceived(job));
            }
            Command::ScaleWorkers { desired } => {
                self.desired = desired;
                self.start_missing_workers();
            }
            Command::DrainWorker { worker } => {
                let at = self.message_arrives_at();
                self.schedule(at, SimEvent::DrainReceived(worker));
            }
            // A simulated worker ends when it leaves.
            Command::ReleaseWorker { .. } | Command::RetainWorker { .. } => {}
            Command::RestWorker { worker, rest_ms } => {
                let at = self.message_arrives_at();
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
            present: false,
            heartbeat_at: 0,
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
            let (slowest, fastest) = self.terms.start_speed;
            let speed = Speed::steady(slowest + (fastest - slowest) * self.random.fraction());
            let node = if self.random.bernoulli(0.5) { "a" } else { "b" };
            let worker = self.add_worker(speed, node);
            // Count the worker now, so that it is not started twice.
            self.workers[worker].alive = true;
            let (soonest, latest) = self.terms.start_us;
            let at = self.now + self.random.between(soonest, latest);
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
            let at = self.report_arrives_at();
            self.schedule(at, SimEvent::EventsReceived(vec![event]));
        }
        self.tell_outages()
    }
}

fn new_scheduler(terms: &Terms) -> Scheduler {
    match terms.rule {
        Some(rule) => Scheduler::with_rule(terms.settings, rule),
        None => Scheduler::new(terms.settings),
    }
}
