//! What simulated workers do: take, compute, report, fail and die.

use protocol::problem::ProblemKind;
use protocol::task::{Direction, Failure, Outcome, Progress, StopReason};
use protocol::{AttemptId, Problem, WorkerId};

use super::happening::Happening;
use super::machine::{Message, Run};
use super::world::World;
use crate::Event;

impl World {
    /// Hands what lies in the queue to workers that wait.
    pub(super) fn hand_out(&mut self) -> Result<(), String> {
        while !self.queue.is_empty() {
            let Some(worker) = self.waiting.pop_front() else {
                break;
            };
            let machine = &self.machines[worker];
            if !machine.alive || machine.draining || machine.run.is_some() {
                continue;
            }
            if let Some(message) = self.queue.pop_front() {
                self.take(worker, message)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, worker: usize, message: Message) -> Result<(), String> {
        let machine = &self.machines[worker];
        let is_elsewhere = message.not_on.as_ref() != Some(&machine.id)
            && message.not_on_node.as_ref() != Some(&machine.node);
        if !is_elsewhere {
            self.report(worker, |worker| Event::AttemptStopped {
                attempt: message.attempt,
                worker,
                reason: StopReason::NotHere,
                progress: Progress::default(),
            });
            return self.wait_again(worker);
        }
        let attempt = message.attempt;
        self.report(worker, |worker| Event::AttemptStarted { attempt, worker });
        let Some(job) = self.jobs.get_mut(&attempt.job) else {
            return Err(format!("attempt {attempt} of no job"));
        };
        if let Some(input) = job.missing_input(attempt.task).filter(|_| job.checks) {
            return Err(format!("{attempt} is to add {input}, which is not complete"));
        }
        let segments = job.segments(attempt.task);
        let segment_work = job.work(attempt.task) / f64::from(segments);
        let faults = self.terms.faults;
        let fails_after = if self.machines[worker].black_hole && self.strikes(1.0) {
            self.fired.black_hole += 1;
            Some((0, true))
        } else if self.strikes(faults.attempt_fails) {
            self.fired.attempt_fails += 1;
            Some((self.chance.between(0, u64::from(segments)), true))
        } else if self.strikes(faults.fatal_failure) {
            self.fired.fatal_failure += 1;
            Some((0, false))
        } else {
            None
        };
        let machine = &mut self.machines[worker];
        machine.epoch += 1;
        machine.run = Some(Run {
            message,
            segments,
            segment_work,
            segment: 0,
            segment_since: self.now,
            work_done: 0.0,
            written: 0,
            reused: 0,
            fails_after,
        });
        self.count_executing(1);
        if self.is_first_start(attempt) {
            self.measures.busy_until_last_us = self.measures.busy_us;
            self.measures.last_start_us = self.now;
        }
        self.tempt_fate(worker, segment_work * f64::from(segments));
        self.go_on(worker)
    }

    fn is_first_start(&self, attempt: AttemptId) -> bool {
        attempt.number == 1
    }

    /// Lets something happen to a worker during its run.
    fn tempt_fate(&mut self, worker: usize, work: f64) {
        let faults = self.terms.faults;
        let epoch = self.machines[worker].epoch;
        let later = self.now + crate::durations::whole(work * self.chance.part());
        if self.strikes(faults.worker_dies) {
            self.schedule(later, Happening::Die(worker, epoch));
        } else if self.strikes(faults.worker_leaves) {
            self.schedule(later, Happening::Leave(worker, epoch));
        } else if self.strikes(faults.worker_stalls) {
            self.fired.worker_stalls += 1;
            let stall_us = self.terms.settings.lease_ms * 1_500;
            self.machines[worker].silent_until = self.now + stall_us;
        }
    }

    /// Begins the next segment of a worker's run, or ends the run.
    fn go_on(&mut self, worker: usize) -> Result<(), String> {
        let machine = &self.machines[worker];
        let Some(run) = &machine.run else {
            return Ok(());
        };
        let task = run.message.attempt.task;
        let looks = run.message.resume || (run.written > 0 && self.rule_resumes());
        let (segments, written) = (run.segments, run.written);
        let backward = run.message.direction == Direction::Backward;
        let job = self.jobs.get_mut(&run.message.attempt.job).ok_or("no such job")?;
        let backward = backward && (task.level > 0 || job.plan.columns.is_some());
        let next = if looks {
            let mut missing = (0..segments).filter(|segment| !job.has(task, *segment));
            if backward { missing.next_back() } else { missing.next() }
        } else {
            let next = u32::try_from(written).unwrap_or(u32::MAX);
            let next = (next < segments).then_some(next);
            if backward { next.map(|next| segments - 1 - next) } else { next }
        };
        let now = self.now;
        let machine = &mut self.machines[worker];
        let Some(run) = &mut machine.run else {
            return Ok(());
        };
        let fails = run.fails_after.filter(|(after, _)| run.written >= *after);
        if let Some((_, retryable)) = fails {
            return self.fail(worker, retryable);
        }
        let Some(segment) = next else {
            run.reused = u64::from(run.segments) - run.written.min(u64::from(run.segments));
            return self.finish(worker);
        };
        (run.segment, run.segment_since) = (segment, now);
        let ends = machine.speed.done_at(now, run.segment_work);
        let epoch = machine.epoch;
        self.schedule(ends, Happening::SegmentEnds(worker, epoch));
        Ok(())
    }

    fn rule_resumes(&self) -> bool {
        self.terms.rule.is_none_or(|rule| rule.resumes() || rule == crate::speculation::Rule::Never)
    }

    pub(super) fn segment_ends(&mut self, worker: usize, epoch: u32) -> Result<(), String> {
        let machine = &mut self.machines[worker];
        if machine.epoch != epoch || !machine.alive {
            return Ok(());
        }
        let Some(run) = &mut machine.run else {
            return Ok(());
        };
        run.work_done += run.segment_work;
        run.written += 1;
        let (attempt, segment, work) = (run.message.attempt, run.segment, run.segment_work);
        let job = self.jobs.get_mut(&attempt.job).ok_or("no such job")?;
        if job.write(attempt.task, segment) {
            self.measures.useful_work += work;
        } else {
            self.measures.double_work += work;
        }
        self.go_on(worker)
    }

    fn finish(&mut self, worker: usize) -> Result<(), String> {
        let Some(run) = self.end_run(worker) else {
            return Ok(());
        };
        let attempt = run.message.attempt;
        let there = run.segments;
        let machine = &self.machines[worker];
        let mut progress = run.progress(&machine.speed, run.segment_since, there);
        progress.fraction = 1.0;
        let stored = &self.jobs[&attempt.job];
        let mut columns = stored.columns;
        // What a lone leaf task says there is nothing to hold against.
        let is_one_of_several =
            attempt.task.level == 0 && stored.plan.levels.first().is_some_and(|it| it.tasks() > 1);
        if is_one_of_several && self.strikes(self.terms.faults.lengths_differ) {
            self.fired.lengths_differ += 1;
            columns += 1;
        }
        let outcome = Outcome {
            columns,
            columns_of: Some(format!("object of {}", attempt.task)),
            progress,
            ..Outcome::default()
        };
        self.report(worker, |worker| Event::AttemptCompleted {
            attempt,
            worker,
            outcome: outcome.clone(),
        });
        self.wait_again(worker)
    }

    fn fail(&mut self, worker: usize, retryable: bool) -> Result<(), String> {
        let Some(run) = self.end_run(worker) else {
            return Ok(());
        };
        let progress = run.progress(&self.machines[worker].speed, run.segment_since, 0);
        let attempt = run.message.attempt;
        self.report(worker, |worker| Event::AttemptFailed {
            attempt,
            worker,
            failure: Failure {
                problem: Problem::new(ProblemKind::Unavailable, "simulated"),
                retryable,
            },
            progress,
        });
        self.wait_again(worker)
    }

    /// Stops the runs of the attempts that this is about.
    pub(super) fn stop_where(&mut self, is_meant: impl Fn(AttemptId) -> bool, reason: StopReason) {
        for worker in 0..self.machines.len() {
            let run = self.machines[worker].run.as_ref();
            if self.machines[worker].alive && run.is_some_and(|run| is_meant(run.message.attempt)) {
                self.stop(worker, reason);
                // Nothing can go wrong in taking the next: errors come again.
                self.wait_again(worker).ok();
            }
        }
    }

    fn stop(&mut self, worker: usize, reason: StopReason) {
        let now = self.now;
        let Some(run) = self.end_run(worker) else {
            return;
        };
        let speed = self.machines[worker].speed;
        let attempt = run.message.attempt;
        self.measures.double_work += speed.work_between(run.segment_since, now);
        let there = self.jobs.get_mut(&attempt.job).map_or(0, |job| job.there(attempt.task));
        let progress = run.progress(&speed, now, there);
        self.report(worker, |worker| Event::AttemptStopped { attempt, worker, reason, progress });
    }

    pub(super) fn drain(&mut self, worker: &WorkerId) {
        let Some(&worker) = self.by_id.get(worker) else {
            return;
        };
        let machine = &mut self.machines[worker];
        if !machine.alive {
            return;
        }
        machine.draining = true;
        if machine.run.is_none() {
            self.go(worker, "it was told to");
        }
    }

    /// A worker without a run goes.
    fn go(&mut self, worker: usize, why: &str) {
        self.machines[worker].alive = false;
        let reason = why.to_owned();
        self.report(worker, |worker| Event::WorkerLeft { worker, reason });
        if !self.terms.tended {
            let machine = &self.machines[worker];
            let (speed, node) = (machine.speed, machine.node.clone());
            let next = self.add_machine(speed, &node);
            let at = self.now + self.chance.between(10_000, 1_000_000);
            self.schedule(at, Happening::Appear(next));
        }
        self.tend();
    }

    pub(super) fn leave(&mut self, worker: usize, epoch: u32) {
        let machine = &self.machines[worker];
        if machine.epoch != epoch || !machine.alive || machine.run.is_none() {
            return;
        }
        self.fired.worker_leaves += 1;
        self.stop(worker, StopReason::WorkerLeaves);
        self.go(worker, "its machine was needed");
    }

    pub(super) fn die(&mut self, worker: usize, epoch: u32) {
        let machine = &self.machines[worker];
        if machine.epoch != epoch || !machine.alive || machine.run.is_none() {
            return;
        }
        self.fired.worker_dies += 1;
        let now = self.now;
        let Some(run) = self.end_run(worker) else {
            return;
        };
        let speed = self.machines[worker].speed;
        self.measures.double_work += speed.work_between(run.segment_since, now);
        self.machines[worker].alive = false;
        if self.chance.happens(self.terms.faults.redelivery) {
            self.fired.redelivery += 1;
            let at = now + self.chance.between(1_000, 2_000_000);
            self.schedule(at, Happening::Deliver(run.message));
        }
        if self.chance.happens(0.5) {
            // Whoever keeps the workers saw its process end.
            let worker = self.machines[worker].id.clone();
            let reason = "killed".to_owned();
            let at = now + self.message_us();
            self.schedule(at, Happening::Hear(Event::WorkerLeft { worker, reason }));
        }
        if self.chance.happens(self.terms.faults.worker_reborn) || !self.terms.tended {
            self.fired.worker_reborn += 1;
            self.machines[worker].alive = true;
            let at = now + self.chance.between(10_000, 1_000_000);
            self.schedule(at, Happening::Appear(worker));
        }
        self.tend();
    }

    pub(super) fn appear(&mut self, worker: usize) -> Result<(), String> {
        let machine = &mut self.machines[worker];
        machine.alive = true;
        machine.draining = false;
        machine.epoch += 1;
        machine.process_id += 1;
        let life = machine.process_id;
        let event = World::joined(machine);
        self.report(worker, |_| event);
        let first = self.chance.between(1, self.terms.heartbeat_us);
        self.schedule(self.now + first, Happening::Beat(worker, life));
        self.wait_again(worker)
    }

    pub(super) fn beat(&mut self, worker: usize, life: u32) {
        let machine = &self.machines[worker];
        if !machine.alive || machine.process_id != life {
            return;
        }
        if self.now >= machine.silent_until {
            match &machine.run {
                Some(run) => {
                    let attempt = run.message.attempt;
                    let (run, speed) = (run.clone(), machine.speed);
                    let there =
                        self.jobs.get_mut(&attempt.job).map_or(0, |job| job.there(attempt.task));
                    let mine = u32::try_from(run.written).unwrap_or(u32::MAX);
                    let there = if run.message.resume || run.written > 0 { there } else { mine };
                    let progress = run.progress(&speed, self.now, there);
                    self.report(worker, |worker| Event::AttemptProgressed {
                        attempt,
                        worker,
                        progress,
                    });
                }
                None => {
                    self.report(worker, |worker| Event::WorkerSeen { worker, resident_bytes: 0 });
                }
            }
        }
        let at = self.now + self.terms.heartbeat_us;
        self.schedule(at, Happening::Beat(worker, life));
    }

    /// Puts a report on its way to the scheduler.
    fn report(&mut self, worker: usize, event: impl FnOnce(WorkerId) -> Event) {
        let event = event(self.machines[worker].id.clone());
        let silent_until = self.machines[worker].silent_until;
        let mut at = self.now.max(silent_until) + self.message_us();
        if self.chance.happens(self.terms.faults.late_report) {
            self.fired.late_report += 1;
            at += self.chance.between(1_000, 3_000_000);
        }
        if self.chance.happens(self.terms.faults.duplicate_report) {
            self.fired.duplicate_report += 1;
            let again = at + self.chance.between(1, 5_000_000);
            self.schedule(again, Happening::Hear(event.clone()));
        }
        self.schedule(at, Happening::Hear(event));
    }

    /// A worker takes the next delivery, or waits for one.
    fn wait_again(&mut self, worker: usize) -> Result<(), String> {
        if self.machines[worker].draining {
            self.go(worker, "it was told to");
            return Ok(());
        }
        self.waiting.push_back(worker);
        self.hand_out()
    }

    /// Ends a worker's run.
    fn end_run(&mut self, worker: usize) -> Option<Run> {
        let machine = &mut self.machines[worker];
        machine.epoch += 1;
        let run = machine.run.take()?;
        self.count_executing(-1);
        Some(run)
    }

    fn count_executing(&mut self, change: i32) {
        let since = self.now - self.executing_since;
        self.measures.busy_us += f64::from(self.executing) * since as f64;
        self.executing_since = self.now;
        self.executing = self.executing.saturating_add_signed(change);
    }
}
