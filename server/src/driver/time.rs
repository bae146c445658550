//! The time of the scheduler.
//!
//! It follows the monotonic clock, so that no change of the machine's clock expires a
//! lease or holds up a retry. What is shown is translated to the machine's clock as it is
//! now.

use std::time::{Duration, Instant};

use program::clock;
use protocol::Timestamp;
use protocol::detail::{AttemptSnapshot, TaskPage};
use protocol::job::Timings;
use protocol::worker::WorkerSnapshot;

/// The longest time from one turn of the driver to the next: it publishes far more often.
/// After a longer one the process stood still, and reports have been waiting.
const TURN_MAX: Duration = Duration::from_secs(2);
/// A difference of the clocks from which on the machine's clock has been changed.
const CHANGE_MS_MIN: u64 = 500;

/// The time of the scheduler.
pub(super) struct Time {
    began: Instant,
    /// The machine's time when this began.
    at_begin: Timestamp,
    /// How far the machine's clock has been put forward since, in milliseconds …
    forward_ms: u64,
    /// … or back.
    back_ms: u64,
    last_turn: Instant,
}

impl Time {
    pub(super) fn new() -> Time {
        let began = Instant::now();
        Time { began, at_begin: clock::now(), forward_ms: 0, back_ms: 0, last_turn: began }
    }

    /// The current time of the scheduler.
    pub(super) fn now(&self) -> Timestamp {
        let passed = self.began.elapsed().as_millis();
        self.at_begin.plus_millis(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    /// Begins a turn of the driver. Returns whether the process stood still before it.
    pub(super) fn turn(&mut self) -> bool {
        let now = Instant::now();
        let stood_still = now.duration_since(self.last_turn) > TURN_MAX;
        self.last_turn = now;
        self.follow(clock::now());
        stood_still
    }

    /// Follows a change of the machine's clock, which now says `machine`.
    fn follow(&mut self, machine: Timestamp) {
        let shown = self.shown(self.now());
        if machine.millis_since(shown).max(shown.millis_since(machine)) < CHANGE_MS_MIN {
            return;
        }
        let own = self.now();
        (self.forward_ms, self.back_ms) = (machine.millis_since(own), own.millis_since(machine));
    }

    /// A time of the scheduler by the machine's clock.
    pub(super) fn shown(&self, at: Timestamp) -> Timestamp {
        let forward = at.plus_millis(self.forward_ms);
        Timestamp::from_millis(forward.as_millis().saturating_sub(self.back_ms))
    }

    /// The times of a job by the machine's clock.
    pub(super) fn timings(&self, timings: Timings) -> Timings {
        let shown = |at: Option<Timestamp>| at.map(|at| self.shown(at));
        Timings {
            submitted_at: timings.submitted_at,
            planning_at: shown(timings.planning_at),
            running_at: shown(timings.running_at),
            finishing_at: shown(timings.finishing_at),
            ended_at: shown(timings.ended_at),
        }
    }

    /// The times of attempts by the machine's clock.
    pub(super) fn task_page(&self, mut page: TaskPage) -> TaskPage {
        for task in &mut page.tasks {
            self.attempts(&mut task.attempts);
        }
        page
    }

    /// The times of the attempts at a task by the machine's clock.
    pub(super) fn attempts(&self, attempts: &mut [AttemptSnapshot]) {
        for attempt in attempts {
            attempt.published_at = self.shown(attempt.published_at);
            attempt.started_at = attempt.started_at.map(|at| self.shown(at));
            attempt.ended_at = attempt.ended_at.map(|at| self.shown(at));
        }
    }

    /// The times of workers by the machine's clock.
    pub(super) fn workers(&self, mut workers: Vec<WorkerSnapshot>) -> Vec<WorkerSnapshot> {
        for attempt in workers.iter_mut().filter_map(|worker| worker.attempt.as_mut()) {
            attempt.started_at = self.shown(attempt.started_at);
        }
        workers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_the_machines_clock_is_shown_and_not_felt() {
        let mut time = Time::new();
        let hour_ms = 3_600_000;
        let begin = time.now();
        for (machine, shown) in [
            (begin.plus_millis(10), begin),
            (begin.plus_millis(hour_ms), begin.plus_millis(hour_ms)),
            (
                Timestamp::from_millis(begin.as_millis() - hour_ms),
                Timestamp::from_millis(begin.as_millis() - hour_ms),
            ),
            (begin, begin),
        ] {
            time.follow(machine);
            // The test itself takes some milliseconds.
            let difference = time.shown(begin).millis_since(shown);
            let difference = difference.max(shown.millis_since(time.shown(begin)));
            assert!(difference < 400, "{difference} ms");
            assert!(time.now().millis_since(begin) < hour_ms / 2, "the scheduler's own time");
        }
    }

    #[test]
    fn a_process_that_stood_still_notices_it() {
        let mut time = Time::new();
        assert!(!time.turn());
        time.last_turn = time.last_turn.checked_sub(TURN_MAX * 2).expect("a machine up so long");
        assert!(time.turn());
        assert!(!time.turn(), "once");
    }
}
