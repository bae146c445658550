//! What is tried again, and for how long.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Failure, Shared};
use crate::StoreError;

/// The wait after the first failure; doubled after each.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// The longest wait, so that work goes on soon after the store is back.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

impl Shared {
    /// Tries a request until it succeeds, fails for good, or the time for it
    /// is over. The SDK's own retries are off: they know nothing of answers that
    /// break off, and their budget is one of numbers, which a restart of the
    /// store uses up in a moment when many ask.
    pub(super) async fn retrying<T, F>(
        &self,
        key: &str,
        request: impl Fn() -> F + Send,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Failure>> + Send,
    {
        self.retry(key, request).await.map_err(|failure| failure.explain(key))
    }

    /// The same, for who wants to know what the store said.
    pub(super) async fn retry<T, F>(
        &self,
        key: &str,
        request: impl Fn() -> F + Send,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>> + Send,
    {
        let deadline = Instant::now() + self.tuning.retry_time_max;
        let mut backoff = BACKOFF_MIN;
        loop {
            let failure = match request().await {
                Ok(done) => return Ok(done),
                Err(failure) => failure,
            };
            // Jitter, so that many who failed together do not come back together.
            let pause = backoff.mul_f64(rand::random_range(0.5..1.0));
            if !failure.is_transient() || Instant::now() + pause > deadline {
                return Err(failure);
            }
            self.retries.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(key, %failure, "asking the store again");
            sleep(pause).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }
}
