//! Attempts in words.

use protocol::Timestamp;
use protocol::WorkerId;
use protocol::detail::{AttemptSnapshot, AttemptState};
use protocol::timeline::{Rescue, TimedAttempt};

use super::{bytes, duration, percent};

/// From this many times the median on a straggler is called slower, not just slow.
const CLEARLY_SLOWER: f64 = 1.5;

/// What is known of an attempt, in a line: `Task 0.2.0, attempt 1 on worker-3: completed
/// after 700 ms`.
#[must_use]
pub fn attempt_words(it: &TimedAttempt, now: Timestamp) -> String {
    let attempt = &it.attempt;
    let worker = attempt.worker.as_ref().map_or_else(String::new, |worker| format!(" on {worker}"));
    let mut words =
        format!("Task {}, attempt {}{worker}: {}", it.task, attempt.number, outcome(attempt, now));
    if attempt.speculative {
        words += ", speculative";
    }
    if let Some(number) = it.beside {
        words += &format!(" beside attempt {number}");
    }
    if let Some(phases) = attempt.phases {
        words += &format!(
            "; {} reading, {} computing, {} writing",
            duration(phases.reading_ms.into()),
            duration(phases.computing_ms.into()),
            duration(phases.writing_ms.into()),
        );
    }
    if attempt.read_bytes > 0 {
        words += &format!("; {} read", bytes(attempt.read_bytes));
    }
    words
}

/// How an attempt ended and after which time, or how far it is.
fn outcome(attempt: &AttemptSnapshot, now: Timestamp) -> String {
    let end = attempt.ended_at.unwrap_or(now);
    match (attempt.state, attempt.started_at) {
        (AttemptState::Published, _) => {
            format!("in the queue for {}", duration(end.millis_since(attempt.published_at)))
        }
        (AttemptState::Running, Some(started)) => format!(
            "running for {}, {}",
            duration(end.millis_since(started)),
            percent(attempt.fraction)
        ),
        (state, Some(started)) => {
            format!("{} after {}", state.word(), duration(end.millis_since(started)))
        }
        (state, None) => format!("{}, never started", state.word()),
    }
}

/// What was done about a straggler: `worker-3 was 8 times slower; its task 0.2.0 was
/// finished by worker-2, which saved about 46 s`.
#[must_use]
pub fn rescue_words(rescue: &Rescue) -> String {
    let Rescue { task, straggler, rescuer, times_slower, saved_ms } = rescue;
    let slow = match times_slower.filter(|times| *times >= CLEARLY_SLOWER) {
        Some(times) if times < 10.0 => {
            format!("{times:.1}").replace(".0", "") + "\u{a0}times slower"
        }
        Some(times) => format!("{times:.0}\u{a0}times slower"),
        None => "slow".to_owned(),
    };
    let saved =
        saved_ms.map_or_else(String::new, |ms| format!(", which saved about {}", duration(ms)));
    format!(
        "{} was {slow}; its task {task} was finished by {}{saved}.",
        name(straggler),
        name(rescuer)
    )
}

fn name(worker: &WorkerId) -> &str {
    worker.as_str()
}

#[cfg(test)]
mod tests {
    use protocol::TaskId;

    use super::*;

    #[test]
    fn a_rescue_is_one_sentence() {
        let rescue = Rescue {
            task: TaskId { level: 0, node: 2, range: 0 },
            straggler: WorkerId::from("worker-3"),
            rescuer: WorkerId::from("worker-2"),
            times_slower: Some(7.98),
            saved_ms: Some(46_900),
        };
        let words = |rescue: &Rescue| rescue_words(rescue).replace('\u{a0}', " ");
        assert_eq!(
            words(&rescue),
            "worker-3 was 8 times slower; its task 0.2.0 was finished by worker-2, which saved \
             about 46 s."
        );
        let unknown = Rescue { times_slower: None, saved_ms: None, ..rescue.clone() };
        assert_eq!(words(&unknown), "worker-3 was slow; its task 0.2.0 was finished by worker-2.");
        let much = Rescue { times_slower: Some(12.6), ..rescue };
        assert!(words(&much).starts_with("worker-3 was 13 times slower; "));
    }
}
