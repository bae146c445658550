//! Lets an attempt of a demonstration last for a while.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::meter::Meter;

/// The time from one report of progress to the next.
const STEP: Duration = Duration::from_millis(50);
/// The part of the task that is told as done when the time is over; the work itself, which
/// takes some milliseconds, is the rest.
const PAUSED: f64 = 0.95;

/// Waits for `pace`, and tells progress meanwhile. Ends early if the worker is leaving.
pub(crate) async fn wait(pace: Duration, meter: &Meter, leaving: &CancellationToken) {
    let began = Instant::now();
    while began.elapsed() < pace && !leaving.is_cancelled() {
        sleep(STEP.min(pace.saturating_sub(began.elapsed()))).await;
        let passed = began.elapsed().min(pace).as_secs_f64() / pace.as_secs_f64();
        meter.update(|progress| progress.fraction = PAUSED * passed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn progress_is_told_until_the_time_is_over() {
        let (meter, leaving) = (Meter::default(), CancellationToken::new());
        let began = Instant::now();
        wait(Duration::from_millis(120), &meter, &leaving).await;
        assert!(began.elapsed() >= Duration::from_millis(120));
        assert!((meter.progress().fraction - PAUSED).abs() < 1e-9);
    }

    #[tokio::test]
    async fn a_worker_that_leaves_does_not_wait() {
        let (meter, leaving) = (Meter::default(), CancellationToken::new());
        leaving.cancel();
        wait(Duration::from_secs(3_600), &meter, &leaving).await;
        assert_eq!(meter.progress().fraction, 0.0);
    }
}
