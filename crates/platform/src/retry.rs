//! When something that failed is tried again.
//!
//! Each policy is a constant with its reason, for [`backon`] to carry out. None
//! has a limit of trials: a restart of what is away would use it up in a moment
//! where many ask. Where there is a limit it is one of time, see [`until`].

use std::time::Duration;

use backon::ExponentialBuilder;
use tokio::time::Instant;

/// A request to the object store: 0.1 s after the first failure, twice as long
/// after each, up to 5 s, so that work goes on soon after the store is back. Each
/// pause is cut by up to a half at random, so that many who failed together do
/// not come back together.
pub const STORE: ExponentialBuilder = doubling(
    // The random part is added to these, and is as long as they are.
    Duration::from_millis(50),
    Duration::from_millis(2_500),
)
.with_jitter();

/// Opening a connection to the queue: 0.1 s at first, up to 3 s, so that work goes
/// on soon after the queue is back.
pub const CONNECTION: ExponentialBuilder =
    doubling(Duration::from_millis(100), Duration::from_secs(3));

/// A request to what runs the workers: 0.1 s at first, up to 5 s, not so long
/// that a cluster that is back would be left waiting.
pub const ORCHESTRATOR: ExponentialBuilder =
    doubling(Duration::from_millis(100), Duration::from_secs(5));

/// Starting a worker that has died: 0.2 s at first, up to 30 s, so that one that
/// dies at once each time costs little.
pub const WORKER_START: ExponentialBuilder =
    doubling(Duration::from_millis(200), Duration::from_secs(30));

/// Asking a queue again that did not answer. It has tried for as long as its
/// patience lasts by itself, so the pause need not grow.
pub const QUEUE_PAUSE: Duration = Duration::from_millis(500);

/// What must succeed in the end, as the report of a job must get into the store.
/// Queue and store have tried for long by themselves, so the pause need not grow.
pub const UNTIL_DONE_PAUSE: Duration = Duration::from_secs(1);

const fn doubling(first: Duration, longest: Duration) -> ExponentialBuilder {
    ExponentialBuilder::new()
        .with_factor(2.0)
        .with_min_delay(first)
        .with_max_delay(longest)
        .without_max_times()
}

/// Ends retries whose next trial would begin after `deadline`: what
/// [`backon::Retry::adjust`] takes.
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

        let mut trials = 0;
        let trial = || {
            trials += 1;
            async { Err::<(), _>("away") }
        };
        let outcome = trial.retry(CONNECTION).adjust(until(Instant::now())).await;
        assert_eq!((outcome, trials), (Err("away"), 1));
    }
}
