//! Things that go wrong on purpose: decorators around a store and around the
//! ends of a queue that fail, are slow and repeat themselves, and count how
//! often, so that a test can prove that what it survived has happened.

mod queue;
mod store;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub use queue::{FaultyServerEnd, FaultyWorkerEnd};
pub use store::FaultyStore;

/// What goes wrong, and how often: every so-many-th time, 0 for never. With
/// several, a fault of each kind falls on the same call now and then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultRates {
    /// Calls that do nothing and fail as if there were no answer.
    pub fail_every: u64,
    /// Calls that do what they should and fail all the same, as if the answer
    /// had been lost.
    pub lose_answer_every: u64,
    /// Calls that wait first.
    pub slow_every: u64,
    /// How long they wait.
    pub slow_by: Duration,
    /// Messages that are sent twice.
    pub duplicate_every: u64,
}

/// How often what went wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts {
    /// Calls that did nothing and failed.
    pub failed: u64,
    /// Calls that did what they should and failed all the same.
    pub answers_lost: u64,
    /// Calls that waited first.
    pub slowed: u64,
    /// Messages that were sent twice.
    pub duplicated: u64,
}

/// The faults of one or several decorators. The same calls in the same order
/// meet the same faults.
#[derive(Debug, Default)]
pub struct Faults {
    rates: Mutex<FaultRates>,
    calls: AtomicU64,
    failed: AtomicU64,
    answers_lost: AtomicU64,
    slowed: AtomicU64,
    duplicated: AtomicU64,
}

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug, Default)]
struct Fault {
    fail: bool,
    lose_answer: bool,
    duplicate: bool,
}

/// The source of the errors that are made here.
#[derive(Debug, thiserror::Error)]
#[error("a fault on purpose")]
pub struct OnPurpose;

impl Faults {
    /// Faults at these rates from the start.
    #[must_use]
    pub fn at(rates: FaultRates) -> Faults {
        let faults = Faults::default();
        faults.set(rates);
        faults
    }

    /// Other rates from now on.
    pub fn set(&self, rates: FaultRates) {
        *self.rates.lock().unwrap_or_else(PoisonError::into_inner) = rates;
    }

    /// How often what went wrong until now.
    #[must_use]
    pub fn counts(&self) -> FaultCounts {
        FaultCounts {
            failed: self.failed.load(Ordering::SeqCst),
            answers_lost: self.answers_lost.load(Ordering::SeqCst),
            slowed: self.slowed.load(Ordering::SeqCst),
            duplicated: self.duplicated.load(Ordering::SeqCst),
        }
    }

    /// Begins a call: waits if it is to be slow, and tells what else is to go
    /// wrong. What is told is counted as it happens.
    async fn strike(&self) -> Fault {
        let rates = *self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let falls = |every: u64| every != 0 && call.is_multiple_of(every);
        if falls(rates.slow_every) {
            self.slowed.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(rates.slow_by).await;
        }
        Fault {
            fail: falls(rates.fail_every),
            lose_answer: falls(rates.lose_answer_every),
            duplicate: falls(rates.duplicate_every),
        }
    }

    /// Performs a call with its faults; `error` makes the error that a caller sees.
    async fn perform<T, E, F: Future<Output = Result<T, E>>>(
        &self,
        call: impl FnOnce() -> F,
        error: impl Fn() -> E,
    ) -> Result<T, E> {
        let fault = self.strike().await;
        if fault.fail {
            self.failed.fetch_add(1, Ordering::SeqCst);
            return Err(error());
        }
        let answer = call().await?;
        if fault.lose_answer {
            self.answers_lost.fetch_add(1, Ordering::SeqCst);
            return Err(error());
        }
        Ok(answer)
    }

    /// Performs a sending with its faults, twice where it is to be repeated.
    async fn send<E, F: Future<Output = Result<(), E>>>(
        &self,
        send: impl Fn() -> F,
        error: impl Fn() -> E,
    ) -> Result<(), E> {
        let fault = self.strike().await;
        if fault.fail {
            self.failed.fetch_add(1, Ordering::SeqCst);
            return Err(error());
        }
        send().await?;
        if fault.duplicate {
            send().await?;
            self.duplicated.fetch_add(1, Ordering::SeqCst);
        }
        if fault.lose_answer {
            self.answers_lost.fetch_add(1, Ordering::SeqCst);
            return Err(error());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
