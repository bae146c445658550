//! What is asked again, and for how long.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use backon::Retryable;
use tokio::time::Instant;

use super::{Failure, Shared};
use crate::{StoreError, retry};

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
        request
            .retry(retry::STORE)
            .when(Failure::is_transient)
            .adjust(retry::until(deadline))
            .notify(|failure, _| {
                self.retries.fetch_add(1, Ordering::Relaxed);
                let trouble = failure.to_string();
                tracing::debug!(key, trouble, "asking the store again");
                *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(trouble);
            })
            .await
    }
}
