//! The policies by which failed operations are retried.
//!
//! Each policy is a constant with its reason, performed by [`backon`]. None limits
//! the number of tries, because many callers would use it up within one restart of
//! a broker or a store. Where there is a limit, it is a deadline; see [`until`].

use std::time::Duration;

use backon::ExponentialBuilder;
use tokio::time::Instant;

/// A request to the object store: the pause is 0.1 s after the first failure and
/// doubles up to 5 s, so that work continues soon after the store is back. Each pause
/// is shortened by up to a half at random, so that clients that failed together do
/// not retry together.
pub const STORE: ExponentialBuilder = doubling(
    // Jitter adds up to as much again to each of these.
    Duration::from_millis(50),
    Duration::from_millis(2_500),
)
.with_jitter();

/// A connection to the queue: the pause is 0.1 s at first and up to 3 s, so that work
/// continues soon after the queue is back.
pub const CONNECTION: ExponentialBuilder =
    doubling(Duration::from_millis(100), Duration::from_secs(3));

/// A request to the orchestrator of the workers: the pause is 0.1 s at first and up to
/// 5 s, so that work continues soon after the cluster is back.
pub const ORCHESTRATOR: ExponentialBuilder =
    doubling(Duration::from_millis(100), Duration::from_secs(5));

/// The restart of a worker that has died: the pause is 0.2 s at first and up to 30 s,
/// so that a worker that dies at once each time costs little.
pub const WORKER_START: ExponentialBuilder =
    doubling(Duration::from_millis(200), Duration::from_secs(30));

/// The message of a webhook: the pause is 2 s after the first failure and doubles up to
/// 10 minutes, so that a receiver that restarts is told soon, and one that is gone costs
/// little. Each pause is shortened by up to a half at random, as for the store.
pub const WEBHOOK: ExponentialBuilder =
    doubling(Duration::from_secs(1), Duration::from_mins(5)).with_jitter();

/// The pause before the next try when the queue does not answer. The queue itself has
/// retried for as long as its patience lasts, so the pause need not grow.
pub const QUEUE_PAUSE: Duration = Duration::from_millis(500);

/// The pause before the next try of an effect that must succeed in the end, such as
/// storing the report of a job. Queue and store themselves have retried for long, so
/// the pause need not grow.
pub const UNTIL_DONE_PAUSE: Duration = Duration::from_secs(1);

/// The time after which an input that was not found is looked for again, before its absence
/// counts: a store may fail to find what is there, while a gateway starts, a folder is
/// mounted again, or a replica is behind.
pub const SECOND_LOOK_AFTER: Duration = Duration::from_secs(3);

const fn doubling(first: Duration, longest: Duration) -> ExponentialBuilder {
    ExponentialBuilder::new()
        .with_factor(2.0)
        .with_min_delay(first)
        .with_max_delay(longest)
        .without_max_times()
}

/// Ends retries whose next try would begin after `deadline`; for
/// [`backon::Retry::adjust`].
pub fn until<E>(deadline: Instant) -> impl FnMut(&E, Option<Duration>) -> Option<Duration> {
    move |_, pause| pause.filter(|pause| Instant::now() + *pause <= deadline)
}

#[cfg(test)]
mod tests {
    use backon::{BackoffBuilder, Retryable};

    use super::*;

    fn first(policy: impl BackoffBuilder, count: usize) -> Vec<Duration> {
        // Doubling is done in floating point, which is off by some nanoseconds.
        let rounded =
            |pause: Duration| Duration::from_secs_f64((pause.as_secs_f64() * 1e6).round() / 1e6);
        policy.build().take(count).map(rounded).collect()
    }

    fn millis(pauses: &[u64]) -> Vec<Duration> {
        pauses.iter().copied().map(Duration::from_millis).collect()
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_go_on() {
        let pauses = millis(&[100, 200, 400, 800, 1_600, 3_000, 3_000, 3_000]);
        assert_eq!(first(CONNECTION, 8), pauses);
        let pauses = millis(&[100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        assert_eq!(first(ORCHESTRATOR, 8), pauses);
        let pauses = millis(&[200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
        assert_eq!(first(WORKER_START, 10), pauses);
    }

    #[test]
    fn a_pause_for_the_store_is_cut_by_up_to_a_half_at_random() {
        let longest = millis(&[100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
        let runs: Vec<_> = (0..50).map(|_| first(STORE, longest.len())).collect();
        for (pause, longest) in runs.iter().flat_map(|run| run.iter().zip(&longest)) {
            assert!((*longest / 2..=*longest).contains(pause), "{pause:?} of {longest:?}");
        }
        assert!(runs.iter().any(|run| run[0] != runs[0][0]), "all begin with {:?}", runs[0][0]);
    }

    #[tokio::test]
    async fn nothing_is_tried_after_the_deadline() {
        let hour = Duration::from_secs(3_600);
        let mut until_then = until::<()>(Instant::now() + hour);
        assert_eq!(until_then(&(), Some(hour / 2)), Some(hour / 2));
        assert_eq!(until_then(&(), Some(hour * 2)), None);
        assert_eq!(until_then(&(), None), None);

        let mut tries = 0;
        let attempt = || {
            tries += 1;
            async { Err::<(), _>("away") }
        };
        let outcome = attempt.retry(CONNECTION).adjust(until(Instant::now())).await;
        assert_eq!((outcome, tries), (Err("away"), 1));
    }
}
