//! The loop of a simulation, its queue, and what commands do.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};

use protocol::task::{Joined, StopReason};
use protocol::{JobId, Phase, Timestamp, WorkerId};

use super::chance::Chance;
use super::faults::Fired;
use super::happening::{Happening, Scheduled};
use super::machine::{Machine, Message, Speed};
use super::store::StoredJob;
use super::terms::{Load, Measures, Terms};
use crate::{Command, Event, Scheduler};

/// A scheduler, a queue, a store and workers.
pub struct World {
    /// The scheduler under test.
    pub scheduler: Scheduler,
    pub(super) terms: Terms,
    pub(super) chance: Chance,
    pub(super) now: u64,
    heap: BinaryHeap<Reverse<Scheduled>>,
    order: u64,
    pub(super) queue: VecDeque<Message>,
    /// Workers that wait for a delivery, the one that has waited longest first.
    pub(super) waiting: VecDeque<usize>,
    pub(super) machines: Vec<Machine>,
    pub(super) by_id: BTreeMap<WorkerId, usize>,
    pub(super) jobs: BTreeMap<JobId, StoredJob>,
    loads: BTreeMap<JobId, Load>,
    /// How each job ended.
    pub ended: BTreeMap<JobId, Phase>,
    planned: BTreeSet<JobId>,
    /// What happened that should not.
    pub fired: Fired,
    pub(super) faults_left: u32,
    /// What was measured.
    pub measures: Measures,
    pub(super) executing: u32,
    pub(super) executing_since: u64,
    desired: u32,
    /// The last events and commands, where the invariants are checked.
    pub(super) recent: VecDeque<String>,
    /// Time spent inside the scheduler, if somebody measures it.
    pub handle_time: std::time::Duration,
}

/// So many events and commands are remembered.
const RECENT: usize = 60;
/// A world that does not come to an end within so many events is stuck …
const EVENTS_MAX: u64 = 100_000_000;
/// … and so is a small one after these.
const CHECKED_EVENTS_MAX: u64 = 500_000;

impl World {
    /// A world with workers that are there from the start.
    #[must_use]
    pub fn new(terms: Terms, seed: u64, speeds: &[(Speed, &str)], loads: Vec<Load>) -> World {
        let scheduler = new_scheduler(&terms);
        let mut world = World {
            scheduler,
            chance: Chance::new(seed),
            now: 0,
            heap: BinaryHeap::new(),
            order: 0,
            queue: VecDeque::new(),
            waiting: VecDeque::new(),
            machines: Vec::new(),
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
            let worker = world.add_machine(*speed, node);
            world.schedule(0, Happening::Appear(worker));
        }
        for (number, load) in (0_u128..).zip(loads) {
            let submitted_at = Timestamp::from_millis(load.at_us / 1_000);
            let job = JobId::from_parts(submitted_at, number);
            world.schedule(load.at_us.max(1), Happening::Submit(job));
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

    /// All work of all jobs, in microseconds at the usual speed.
    #[must_use]
    pub fn all_work(&self) -> f64 {
        self.jobs.values().map(StoredJob::all_work).sum()
    }

    /// Puts something on its way that nobody else would.
    pub(super) fn plan_for(&mut self, at: u64, what: Happening) {
        self.schedule(at, what);
    }

    /// Which jobs there are.
    #[must_use]
    pub fn job_ids(&self) -> Vec<JobId> {
        self.loads.keys().copied().collect()
    }

    /// Goes on until every job is over.
    ///
    /// # Errors
    /// The invariant that does not hold, in words.
    pub fn run(&mut self) -> Result<(), String> {
        while self.ended.len() < self.loads.len() {
            self.step()?;
        }
        self.measures.end_us = self.now;
        Ok(())
    }

    /// Goes on for some time more.
    ///
    /// # Errors
    /// The invariant that does not hold, in words.
    pub fn run_on(&mut self, us: u64) -> Result<(), String> {
        let until = self.now + us;
        while self.next_at().is_some_and(|at| at <= until) {
            self.step()?;
        }
        Ok(())
    }

    /// Nothing is executed, and the scheduler knows.
    ///
    /// # Errors
    /// What is left over, in words.
    pub fn check_rest(&self) -> Result<(), String> {
        let running = self.machines.iter().filter(|m| m.run.is_some()).count();
        if running > 0 {
            return Err(format!("{running} workers execute attempts of no job"));
        }
        let pool = self.scheduler.pool();
        if pool.busy > 0 {
            return Err(format!("{} workers are thought to be busy", pool.busy));
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
            return Err("nothing happens any more".to_owned());
        };
        self.now = at;
        let most = if self.terms.checked { CHECKED_EVENTS_MAX } else { EVENTS_MAX };
        if self.measures.events > most {
            return Err("no end is in sight".to_owned());
        }
        let is_next = self.heap.peek().is_some_and(|Reverse(next)| next.at <= at);
        match self.heap.pop() {
            Some(Reverse(next)) if is_next => self.happen(next.what),
            other => {
                self.heap.extend(other);
                self.hear(Event::TimePassed)
            }
        }
    }

    pub(super) fn schedule(&mut self, at: u64, what: Happening) {
        self.order += 1;
        self.heap.push(Reverse(Scheduled { at, order: self.order, what }));
    }

    /// How long a message takes this time.
    pub(super) fn message_us(&mut self) -> u64 {
        let jitter_us = self.terms.jitter_us;
        let more = if jitter_us > 0.0 { self.chance.exponential(jitter_us) } else { 0.0 };
        self.terms.message_us + crate::durations::whole(more)
    }

    /// Whether a fault that destroys work happens now.
    pub(super) fn strikes(&mut self, probability: f64) -> bool {
        let strikes = self.faults_left > 0 && self.chance.happens(probability);
        if strikes {
            self.faults_left -= 1;
        }
        strikes
    }

    pub(super) fn happen(&mut self, what: Happening) -> Result<(), String> {
        match what {
            Happening::Hear(event) => return self.hear(event),
            Happening::Deliver(message) => {
                self.queue.push_back(message);
                return self.hand_out();
            }
            Happening::Stop(attempt, reason) => self.stop_where(|id| id == attempt, reason),
            Happening::StopJob(job) => self.stop_where(|id| id.job == job, StopReason::JobOver),
            Happening::Drain(worker) => self.drain(&worker),
            Happening::SegmentEnds(worker, epoch) => return self.segment_ends(worker, epoch),
            Happening::Beat(worker, life) => self.beat(worker, life),
            Happening::Die(worker, epoch) => self.die(worker, epoch),
            Happening::Leave(worker, epoch) => self.leave(worker, epoch),
            Happening::Appear(worker) => return self.appear(worker),
            Happening::Submit(job) => {
                let terms = self.loads[&job].terms;
                return self.hear(Event::JobSubmitted { job, terms });
            }
            Happening::Cancel(job) => {
                self.fired.cancelled += 1;
                return self.hear(Event::CancelRequested { job });
            }
            Happening::Restart => return self.restart(),
            Happening::ByHand(by_hand) => {
                self.fired.by_hand += 1;
                return self.hear(Event::DesiredWorkersSet { by_hand });
            }
        }
        Ok(())
    }

    /// The scheduler handles an event; its commands are put on their way.
    pub(super) fn hear(&mut self, event: Event) -> Result<(), String> {
        self.measures.events += 1;
        self.remember(|| format!("{event:?}"));
        let now = Timestamp::from_millis(self.now / 1_000);
        let begun = std::time::Instant::now();
        let commands = self.scheduler.handle(now, event);
        self.handle_time += begun.elapsed();
        for command in &commands {
            self.remember(|| format!("    {command:?}"));
        }
        if self.terms.checked {
            self.scheduler.check()?;
        }
        for command in commands {
            self.perform(command)?;
        }
        Ok(())
    }

    fn remember(&mut self, what: impl FnOnce() -> String) {
        if self.terms.checked {
            if self.recent.len() >= RECENT {
                self.recent.pop_front();
            }
            self.recent.push_back(format!("{:>12} µs {}", self.now, what()));
        }
    }

    /// The last events and commands, one a line.
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
                self.schedule(at, Happening::Hear(Event::JobPlanned { job, plan }));
            }
            Command::PublishAttempt { attempt, direction, resume, not_on, not_on_node, .. } => {
                let message = Message { attempt, direction, resume, not_on, not_on_node };
                if self.chance.happens(self.terms.faults.duplicate_delivery) {
                    self.fired.duplicate_delivery += 1;
                    let again = at + self.message_us();
                    self.schedule(again, Happening::Deliver(message.clone()));
                }
                self.schedule(at, Happening::Deliver(message));
            }
            Command::StopAttempt { attempt, reason } => {
                if self.chance.happens(self.terms.faults.deaf_worker) {
                    self.fired.deaf_worker += 1;
                } else {
                    self.schedule(at, Happening::Stop(attempt, reason));
                }
            }
            Command::WriteResult { job, columns } => {
                let stored = self.jobs.get_mut(&job).ok_or("a result of no job")?;
                if columns != stored.columns {
                    return Err(format!("{columns} columns, not {}", stored.columns));
                }
                let complete = stored.complete_tasks().len() as u64;
                let empty = stored.plan.tasks() - complete;
                let beyond = stored.empty_tasks();
                if empty > beyond {
                    return Err(format!("{} tasks are lost", empty - beyond));
                }
                self.schedule(at, Happening::Hear(Event::ResultWritten { job }));
            }
            Command::EndJob { job, phase, .. } => {
                if self.ended.insert(job, phase).is_some() {
                    return Err(format!("job {job} ended twice"));
                }
                self.schedule(at, Happening::StopJob(job));
            }
            Command::ScaleWorkers { desired } => {
                self.desired = desired;
                self.tend();
            }
            Command::DrainWorker { worker } => self.schedule(at, Happening::Drain(worker)),
        }
        Ok(())
    }

    /// Adds a worker that has not appeared.
    pub(super) fn add_machine(&mut self, speed: Speed, node: &str) -> usize {
        let number = self.machines.len();
        let id = WorkerId::from(format!("worker-{number:05}"));
        self.by_id.insert(id.clone(), number);
        self.machines.push(Machine {
            id,
            node: node.to_owned(),
            process_id: 1,
            speed,
            alive: false,
            draining: false,
            black_hole: false,
            silent_until: 0,
            run: None,
            epoch: 0,
        });
        number
    }

    /// Starts workers until there are as many as asked for.
    pub(super) fn tend(&mut self) {
        if !self.terms.tended {
            return;
        }
        let there = self.machines.iter().filter(|m| m.alive && !m.draining);
        let there = u32::try_from(there.count()).unwrap_or(u32::MAX);
        for _ in there..self.desired {
            let speed = Speed::steady(0.5 + self.chance.part());
            let node = if self.chance.happens(0.5) { "a" } else { "b" };
            let worker = self.add_machine(speed, node);
            // It counts from now on, so that nobody starts another in its place.
            self.machines[worker].alive = true;
            let at = self.now + self.chance.between(1_000, 500_000);
            self.schedule(at, Happening::Appear(worker));
        }
    }

    pub(super) fn joined(machine: &Machine) -> Event {
        Event::WorkerJoined {
            worker: machine.id.clone(),
            joined: Joined {
                node: Some(machine.node.clone()),
                process_id: machine.process_id,
                ..Joined::default()
            },
        }
    }

    /// The server dies and starts anew from what the store holds.
    fn restart(&mut self) -> Result<(), String> {
        self.fired.restart += 1;
        self.scheduler = new_scheduler(&self.terms);
        let open: Vec<JobId> = self.planned.iter().copied().collect();
        for job in open {
            if self.ended.contains_key(&job) {
                continue;
            }
            let knows = self.chance.happens(0.5);
            let stored = self.jobs.get_mut(&job).ok_or("no such job")?;
            let event = Event::JobRestored {
                job,
                terms: self.loads[&job].terms,
                columns: knows.then_some(stored.columns),
                completed: stored.complete_tasks(),
                plan: stored.plan.clone(),
            };
            self.hear(event)?;
        }
        let roll: Vec<Event> = self
            .machines
            .iter()
            .filter(|machine| machine.alive && machine.epoch > 0)
            .map(World::joined)
            .collect();
        for event in roll {
            let at = self.now + self.message_us();
            self.schedule(at, Happening::Hear(event));
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
