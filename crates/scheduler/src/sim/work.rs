//! The behaviour of simulated workers: receive, compute, report, fail and crash.

use std::collections::VecDeque;

use protocol::problem::ProblemKind;
use protocol::task::{Direction, Failure, Fault, Outcome, Progress, StopReason};
use protocol::{AttemptId, Problem, WorkerId};

use super::sim_event::SimEvent;
use super::worker::{Message, Run};
use super::world::World;
use crate::Event;

impl World {
    /// Delivers queued attempts to waiting workers.
    pub(super) fn deliver_queued(&mut self) -> Result<(), String> {
        while !self.queue.is_empty() && self.now >= self.broker_until {
            let Some(worker) = self.waiting.pop_front() else {
                break;
            };
            let sim_worker = &self.workers[worker];
            // It may be lost, and not yet started again.
            let is_here = sim_worker.alive && sim_worker.present;
            if !is_here || sim_worker.draining || sim_worker.run.is_some() {
                continue;
            }
            if sim_worker.rests_until > self.now {
                let at = sim_worker.rests_until;
                self.schedule(at, SimEvent::RestEnded(worker));
                continue;
            }
            if let Some(message) = self.queue.pop_front() {
                self.accept_delivery(worker, message)?;
            }
        }
        Ok(())
    }

    fn accept_delivery(&mut self, worker: usize, message: Message) -> Result<(), String> {
        let sim_worker = &self.workers[worker];
        let is_allowed = message.not_on.as_ref() != Some(&sim_worker.id)
            && message.not_on_node.as_ref() != Some(&sim_worker.node);
        if !is_allowed {
            self.report(worker, |worker| Event::AttemptStopped {
                attempt: message.attempt,
                worker,
                reason: StopReason::NotHere,
                progress: Progress::default(),
            });
            return self.request_delivery(worker);
        }
        let attempt = message.attempt;
        self.report(worker, |worker| Event::AttemptStarted { attempt, worker });
        self.begin(worker, message)
    }

    /// Begins an attempt whose start is reported.
    fn begin(&mut self, worker: usize, message: Message) -> Result<(), String> {
        let attempt = message.attempt;
        let Some(job) = self.jobs.get_mut(&attempt.job) else {
            return Err(format!("attempt {attempt} of an unknown job"));
        };
        if let Some(input) = job.incomplete_input(attempt.task).filter(|_| job.checks) {
            return Err(format!("{attempt} was started, but its input {input} is not complete"));
        }
        let segments = job.segments(attempt.task);
        let segment_work = job.work(attempt.task) / f64::from(segments);
        let faults = self.terms.faults;
        let fails_after = if self.workers[worker].black_hole && self.draw_fault(1.0) {
            self.fired.black_hole += 1;
            Some((0, Fault::Worker))
        } else if self.may_fail(attempt) && self.draw_fault(faults.attempt_fails) {
            self.fired.attempt_fails += 1;
            self.injected.entry((attempt.job, attempt.task)).or_default().0 += 1;
            Some((self.random.between(0, u64::from(segments)), Fault::Program))
        } else if self.draw_fault(faults.fatal_failure) {
            self.fired.fatal_failure += 1;
            Some((0, Fault::Input))
        } else {
            None
        };
        let now = self.now;
        let heartbeat_at = now + message.heartbeat_us;
        let sim_worker = &mut self.workers[worker];
        sim_worker.epoch += 1;
        let is_due_earlier = heartbeat_at < sim_worker.heartbeat_at;
        if is_due_earlier {
            sim_worker.heartbeat_at = heartbeat_at;
        }
        sim_worker.run = Some(Run {
            message,
            begun_at: now,
            segments,
            segment_work,
            current_work: segment_work,
            is_reading: false,
            blocked_since: None,
            segment: 0,
            segment_since: self.now,
            work_done: 0.0,
            written: 0,
            reused: 0,
            fails_after,
        });
        if is_due_earlier {
            self.schedule(heartbeat_at, SimEvent::HeartbeatDue(worker));
        }
        self.count_executing(1);
        if self.is_first_start(attempt) {
            self.measures.busy_until_last_us = self.measures.busy_us;
            self.measures.last_start_us = self.now;
        }
        self.inject_worker_fault(worker, attempt, segment_work * f64::from(segments));
        self.compute_next_segment(worker)
    }

    fn is_first_start(&self, attempt: AttemptId) -> bool {
        attempt.number == 1
    }

    /// Whether a failure of the program may be injected into the task of an attempt.
    fn may_fail(&self, attempt: AttemptId) -> bool {
        let injected = self.injected.get(&(attempt.job, attempt.task));
        injected.is_none_or(|(failures, _)| *failures < self.terms.failures_per_task_max)
    }

    /// Whether a worker may die during an attempt at a task.
    fn may_die(&self, attempt: AttemptId) -> bool {
        let injected = self.injected.get(&(attempt.job, attempt.task));
        injected.is_none_or(|(_, deaths)| *deaths < self.terms.deaths_per_task_max)
    }

    /// Schedules at most one fault of a worker during its run.
    fn inject_worker_fault(&mut self, worker: usize, attempt: AttemptId, work: f64) {
        let faults = self.terms.faults;
        let may_die = self.may_die(attempt);
        let epoch = self.workers[worker].epoch;
        let later = self.now + crate::durations::saturating_u64(work * self.random.fraction());
        if may_die && self.draw_fault(faults.worker_crashes) {
            self.injected.entry((attempt.job, attempt.task)).or_default().1 += 1;
            self.schedule(later, SimEvent::WorkerCrashed(worker, epoch));
        } else if self.draw_fault(faults.worker_evicted) {
            self.schedule(later, SimEvent::WorkerEvicted(worker, epoch));
        } else if may_die && self.draw_fault(faults.worker_stalls) {
            self.injected.entry((attempt.job, attempt.task)).or_default().1 += 1;
            self.fired.worker_stalls += 1;
            let stall_us = self.terms.settings.lease_ms * 1_500;
            self.workers[worker].silent_until = self.now + stall_us;
        }
    }

    /// Starts the next segment of a worker's run, or ends the run.
    fn compute_next_segment(&mut self, worker: usize) -> Result<(), String> {
        let sim_worker = &self.workers[worker];
        let Some(run) = &sim_worker.run else {
            return Ok(());
        };
        let task = run.message.attempt.task;
        let resumes = run.message.resume || (run.written > 0 && self.rule_resumes());
        let (segments, written) = (run.segments, run.written);
        let backward = run.message.direction == Direction::Backward;
        let job = self.jobs.get_mut(&run.message.attempt.job).ok_or("no such job")?;
        let backward = backward && (task.level > 0 || job.plan.columns.is_some());
        let variation = job.truth.variation;
        let next = if resumes {
            let mut missing = (0..segments).filter(|segment| !job.has(task, *segment));
            if backward { missing.next_back() } else { missing.next() }
        } else {
            let next = u32::try_from(written).unwrap_or(u32::MAX);
            let next = (next < segments).then_some(next);
            if backward { next.map(|next| segments - 1 - next) } else { next }
        };
        let now = self.now;
        let sim_worker = &mut self.workers[worker];
        let Some(run) = &mut sim_worker.run else {
            return Ok(());
        };
        let fails = run.fails_after.filter(|(after, _)| run.written >= *after);
        if let Some((_, fault)) = fails {
            return self.fail_run(worker, fault);
        }
        let Some(segment) = next else {
            run.reused = u64::from(run.segments) - run.written.min(u64::from(run.segments));
            return self.complete_run(worker);
        };
        let factor = self.random.varied(variation);
        (run.segment, run.segment_since) = (segment, now);
        run.current_work = run.segment_work * factor;
        run.is_reading = now >= self.store_until;
        if !run.is_reading {
            return self.wait_for_store(worker);
        }
        run.blocked_since = None;
        let ends_at = sim_worker.speed.done_at(now, run.current_work);
        let epoch = sim_worker.epoch;
        self.schedule(ends_at, SimEvent::SegmentCompleted(worker, epoch));
        Ok(())
    }

    fn rule_resumes(&self) -> bool {
        self.terms.rule.is_none_or(|rule| rule.resumes() || rule == crate::speculation::Rule::Never)
    }

    pub(super) fn complete_segment(&mut self, worker: usize, epoch: u32) -> Result<(), String> {
        let sim_worker = &mut self.workers[worker];
        if sim_worker.epoch != epoch || !sim_worker.alive {
            return Ok(());
        }
        let Some(run) = &mut sim_worker.run else {
            return Ok(());
        };
        if self.now < self.store_until {
            return self.wait_for_store(worker);
        }
        if !run.is_reading {
            return self.compute_next_segment(worker);
        }
        run.work_done += run.segment_work;
        run.written += 1;
        let (attempt, segment, work) = (run.message.attempt, run.segment, run.segment_work);
        let job = self.jobs.get_mut(&attempt.job).ok_or("no such job")?;
        if job.write(attempt.task, segment) {
            self.measures.useful_work += work;
        } else {
            self.measures.double_work += work;
        }
        self.compute_next_segment(worker)
    }

    fn complete_run(&mut self, worker: usize) -> Result<(), String> {
        let Some(run) = self.end_run(worker) else {
            return Ok(());
        };
        let attempt = run.message.attempt;
        let stored = run.segments;
        let sim_worker = &self.workers[worker];
        let mut progress = run.progress(&sim_worker.speed, run.segment_since, stored);
        progress.fraction = 1.0;
        let stored = &self.jobs[&attempt.job];
        let mut columns = stored.columns;
        // With a single leaf task there is no other object to differ from.
        let is_one_of_several =
            attempt.task.level == 0 && stored.plan.levels.first().is_some_and(|it| it.tasks() > 1);
        if is_one_of_several && self.draw_fault(self.terms.faults.lengths_differ) {
            self.fired.lengths_differ += 1;
            columns += 1;
        }
        let outcome = Outcome {
            columns,
            columns_of: Some(format!("object of {}", attempt.task)),
            progress,
            ..Outcome::default()
        };
        let id = self.workers[worker].id.clone();
        let completed = Event::AttemptCompleted { attempt, worker: id, outcome };
        self.go_on(worker, completed, run.message.then)
    }

    /// Reports how an attempt has ended, and begins the next one of its message, or hands
    /// the rest of it back if the worker leaves or rests.
    fn go_on(
        &mut self,
        worker: usize,
        ended: Event,
        mut rest: VecDeque<Message>,
    ) -> Result<(), String> {
        let mut events = vec![ended];
        let sim_worker = &self.workers[worker];
        let goes_on = !sim_worker.draining && sim_worker.rests_until <= self.now;
        let next = if goes_on { rest.pop_front() } else { None };
        let Some(mut next) = next else {
            events.extend(self.handed_back(worker, rest, StopReason::WorkerLeaves));
            self.report_all(worker, events);
            return self.request_delivery(worker);
        };
        let (attempt, id) = (next.attempt, self.workers[worker].id.clone());
        next.then = rest;
        events.push(Event::AttemptStarted { attempt, worker: id });
        self.report_all(worker, events);
        self.begin(worker, next)
    }

    /// The reports of attempts that a worker hands back without having begun them.
    fn handed_back(
        &self,
        worker: usize,
        rest: VecDeque<Message>,
        reason: StopReason,
    ) -> impl Iterator<Item = Event> + use<> {
        let worker = self.workers[worker].id.clone();
        rest.into_iter().map(move |message| Event::AttemptStopped {
            attempt: message.attempt,
            worker: worker.clone(),
            reason,
            progress: Progress::default(),
        })
    }

    pub(super) fn fail_run(&mut self, worker: usize, fault: Fault) -> Result<(), String> {
        let Some(run) = self.end_run(worker) else {
            return Ok(());
        };
        let progress = run.progress(&self.workers[worker].speed, run.segment_since, 0);
        let attempt = run.message.attempt;
        let failed = Event::AttemptFailed {
            attempt,
            worker: self.workers[worker].id.clone(),
            failure: Failure {
                problem: Problem::new(ProblemKind::Unavailable, "simulated"),
                fault,
            },
            progress,
        };
        self.go_on(worker, failed, run.message.then)
    }

    /// Stops the runs of all matching attempts.
    pub(super) fn stop_where(&mut self, matches: impl Fn(AttemptId) -> bool, reason: StopReason) {
        for worker in 0..self.workers.len() {
            if !self.workers[worker].alive {
                continue;
            }
            let Some(run) = &mut self.workers[worker].run else {
                continue;
            };
            let is_current = matches(run.message.attempt);
            let (stopped, rest): (VecDeque<Message>, VecDeque<Message>) =
                run.message.then.drain(..).partition(|message| matches(message.attempt));
            run.message.then = rest;
            if !stopped.is_empty() {
                let events = self.handed_back(worker, stopped, reason).collect();
                self.report_all(worker, events);
            }
            if is_current && let Some((stopped, rest)) = self.stop_run(worker, reason) {
                // An error would be reported again by the next delivery.
                self.go_on(worker, stopped, rest).ok();
            }
        }
    }

    /// Stops what a worker runs; returns the report of it, and the rest of its message.
    fn stop_run(
        &mut self,
        worker: usize,
        reason: StopReason,
    ) -> Option<(Event, VecDeque<Message>)> {
        let now = self.now;
        let run = self.end_run(worker)?;
        let speed = self.workers[worker].speed;
        let attempt = run.message.attempt;
        self.measures.double_work += run.unfinished(&speed, now);
        let stored =
            self.jobs.get_mut(&attempt.job).map_or(0, |job| job.segments_stored(attempt.task));
        let progress = run.progress(&speed, now, stored);
        let worker = self.workers[worker].id.clone();
        let stopped = Event::AttemptStopped { attempt, worker, reason, progress };
        Some((stopped, run.message.then))
    }

    pub(super) fn drain_worker(&mut self, worker: &WorkerId) {
        let Some(&worker) = self.by_id.get(worker) else {
            return;
        };
        let sim_worker = &mut self.workers[worker];
        if !sim_worker.alive {
            return;
        }
        sim_worker.draining = true;
        if sim_worker.run.is_none() {
            self.leave_pool(worker, "it was drained");
        }
    }

    /// Makes a worker accept no attempts for a time.
    pub(super) fn rest_worker(&mut self, worker: &WorkerId, rest_ms: u64) {
        if let Some(&worker) = self.by_id.get(worker) {
            self.workers[worker].rests_until = self.now + rest_ms * 1_000;
        }
    }

    /// Removes a worker that executes nothing from the pool.
    fn leave_pool(&mut self, worker: usize, why: &str) {
        self.workers[worker].alive = false;
        self.set_present(worker, false);
        let reason = why.to_owned();
        self.report(worker, |worker| Event::WorkerLeft { worker, reason });
        if !self.terms.managed_pool {
            let sim_worker = &self.workers[worker];
            let (speed, node) = (sim_worker.speed, sim_worker.node.clone());
            let next = self.add_worker(speed, &node);
            let at = self.now + self.random.between(10_000, 1_000_000);
            self.schedule(at, SimEvent::WorkerStarted(next));
        }
        self.start_missing_workers();
    }

    pub(super) fn evict_worker(&mut self, worker: usize, epoch: u32) {
        let sim_worker = &self.workers[worker];
        if sim_worker.epoch != epoch || !sim_worker.alive || sim_worker.run.is_none() {
            return;
        }
        self.fired.worker_evicted += 1;
        if let Some((stopped, rest)) = self.stop_run(worker, StopReason::WorkerLeaves) {
            let mut events = vec![stopped];
            events.extend(self.handed_back(worker, rest, StopReason::WorkerLeaves));
            self.report_all(worker, events);
        }
        self.leave_pool(worker, "its machine was drained");
    }

    pub(super) fn crash_worker(&mut self, worker: usize, epoch: u32) {
        let sim_worker = &self.workers[worker];
        if sim_worker.epoch != epoch || !sim_worker.alive || sim_worker.run.is_none() {
            return;
        }
        self.fired.worker_crashes += 1;
        self.lose_worker(worker, (10_000, 1_000_000));
    }

    /// Ends a worker without a report. If it is started again, that is after a time between
    /// two bounds in microseconds.
    pub(super) fn lose_worker(&mut self, worker: usize, (soonest, latest): (u64, u64)) {
        let now = self.now;
        self.workers[worker].alive = false;
        self.set_present(worker, false);
        if let Some(run) = self.end_run(worker) {
            let speed = self.workers[worker].speed;
            self.measures.double_work += run.unfinished(&speed, now);
            if self.random.bernoulli(self.terms.faults.redelivery) {
                self.fired.redelivery += 1;
                let at = now.max(self.broker_until) + self.random.between(1_000, 2_000_000);
                self.schedule(at, SimEvent::AttemptDelivered(run.message));
            }
        }
        if self.random.bernoulli(0.5) {
            // The pool manager reports that the process ended.
            let worker = self.workers[worker].id.clone();
            let reason = "killed".to_owned();
            let at = now + self.latency_us();
            self.schedule(at, SimEvent::EventsReceived(vec![Event::WorkerLeft { worker, reason }]));
        }
        if self.random.bernoulli(self.terms.faults.worker_restarts) || !self.terms.managed_pool {
            self.fired.worker_restarts += 1;
            self.workers[worker].alive = true;
            let at = now + self.random.between(soonest, latest);
            self.schedule(at, SimEvent::WorkerStarted(worker));
        }
        self.start_missing_workers();
    }

    pub(super) fn start_worker(&mut self, worker: usize) -> Result<(), String> {
        let sim_worker = &mut self.workers[worker];
        sim_worker.alive = true;
        sim_worker.draining = false;
        sim_worker.epoch += 1;
        sim_worker.incarnation += 1;
        let event = World::joined(sim_worker);
        self.set_present(worker, true);
        // The queue does not let a report overtake those of the worker's earlier processes.
        let at = self.report_arrives_at();
        self.schedule(at, SimEvent::EventsReceived(vec![event]));
        let first = self.random.between(1, self.terms.idle_heartbeat_us);
        self.schedule_heartbeat(worker, self.now + first);
        self.request_delivery(worker)
    }

    fn schedule_heartbeat(&mut self, worker: usize, at: u64) {
        self.workers[worker].heartbeat_at = at;
        self.schedule(at, SimEvent::HeartbeatDue(worker));
    }

    pub(super) fn send_heartbeat(&mut self, worker: usize) {
        let now = self.now;
        let sim_worker = &self.workers[worker];
        if !sim_worker.alive || sim_worker.heartbeat_at != now {
            return;
        }
        let interval_us = match &sim_worker.run {
            Some(run) => {
                // Attempts send their first heartbeat some time after their start.
                let first_at = run.begun_at + run.message.heartbeat_us;
                if first_at > now {
                    self.schedule_heartbeat(worker, first_at);
                    return;
                }
                run.message.heartbeat_us
            }
            None => self.terms.idle_heartbeat_us,
        };
        self.schedule_heartbeat(worker, now + interval_us);
        let sim_worker = &self.workers[worker];
        // While the broker is away, newer heartbeats replace those that wait.
        if now < sim_worker.silent_until || now < self.broker_until {
            return;
        }
        let Some(run) = sim_worker.run.clone() else {
            self.report(worker, |worker| Event::WorkerSeen { worker, resident_bytes: 0 });
            return;
        };
        let (attempt, speed) = (run.message.attempt, sim_worker.speed);
        let job = self.jobs.get_mut(&attempt.job);
        let stored = job.map_or(0, |job| job.segments_stored(attempt.task));
        let mine = u32::try_from(run.written).unwrap_or(u32::MAX);
        let stored = if run.message.resume || run.written > 0 { stored } else { mine };
        let progress = run.progress(&speed, now, stored);
        self.report(worker, |worker| Event::AttemptProgressed { attempt, worker, progress });
    }

    /// Sends a report to the scheduler.
    fn report(&mut self, worker: usize, event: impl FnOnce(WorkerId) -> Event) {
        let event = event(self.workers[worker].id.clone());
        self.report_all(worker, vec![event]);
    }

    /// Sends reports to the scheduler, in one message.
    fn report_all(&mut self, worker: usize, events: Vec<Event>) {
        let silent_until = self.workers[worker].silent_until;
        let mut at = if silent_until > self.now {
            silent_until.max(self.broker_until) + self.latency_us()
        } else {
            self.report_arrives_at()
        };
        if self.random.bernoulli(self.terms.faults.late_report) {
            self.fired.late_report += 1;
            at += self.random.between(1_000, 3_000_000);
        }
        if self.random.bernoulli(self.terms.faults.duplicate_report) {
            self.fired.duplicate_report += 1;
            let second_at = at + self.random.between(1, 5_000_000);
            self.schedule(second_at, SimEvent::EventsReceived(events.clone()));
        }
        self.schedule(at, SimEvent::EventsReceived(events));
    }

    /// Makes a worker wait for a delivery, or leave if it is draining.
    fn request_delivery(&mut self, worker: usize) -> Result<(), String> {
        if self.workers[worker].draining {
            self.leave_pool(worker, "it was drained");
            return Ok(());
        }
        self.waiting.push_back(worker);
        self.deliver_queued()
    }

    /// Ends a worker's run and returns it; `None` if it executes nothing.
    fn end_run(&mut self, worker: usize) -> Option<Run> {
        let sim_worker = &mut self.workers[worker];
        sim_worker.epoch += 1;
        let run = sim_worker.run.take()?;
        self.count_executing(-1);
        Some(run)
    }

    fn count_executing(&mut self, change: i32) {
        let since = self.now - self.executing_since;
        self.measures.busy_us += f64::from(self.executing) * since as f64;
        self.executing_since = self.now;
        self.executing = self.executing.saturating_add_signed(change);
    }

    pub(super) fn count_present(&mut self, change: i32) {
        let since = self.now - self.present_since;
        self.measures.present_us += f64::from(self.present) * since as f64;
        self.present_since = self.now;
        self.present = self.present.saturating_add_signed(change);
    }

    fn set_present(&mut self, worker: usize, present: bool) {
        let was = std::mem::replace(&mut self.workers[worker].present, present);
        self.count_present(i32::from(present) - i32::from(was));
    }
}
