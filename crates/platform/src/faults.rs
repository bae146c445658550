//! Fault injection: decorators around a store and around the ends of a queue, with
//! calls that fail, calls that are slow, and messages that are duplicated. Each
//! fault is counted, so that a test can prove that the faults it survived happened.

mod queue;
mod store;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub use queue::{FaultyServerEnd, FaultyWorkerEnd};
pub use store::FaultyStore;

/// The rates of faults: each `*_every` field is n for a fault on every n-th call,
/// or 0 for none. With several, some calls meet more than one kind of fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultRates {
    /// Calls that have no effect and fail, as if the request had been lost.
    pub fail_every: u64,
    /// Calls that take effect and fail all the same, as if the answer had been
    /// lost.
    pub lose_answer_every: u64,
    /// Calls that are delayed.
    pub slow_every: u64,
    /// The delay of those calls.
    pub slow_by: Duration,
    /// Messages that are sent twice.
    pub duplicate_every: u64,
}

/// How many faults of each kind have happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts {
    /// Calls that had no effect and failed.
    pub failed: u64,
    /// Calls that took effect and failed all the same.
    pub answers_lost: u64,
    /// Calls that were delayed.
    pub slowed: u64,
    /// Messages that were sent twice.
    pub duplicated: u64,
}

/// The faults of one or several decorators. The same sequence of calls meets the
/// same faults.
#[derive(Debug, Default)]
pub struct Faults {
    rates: Mutex<FaultRates>,
    calls: AtomicU64,
    failed: AtomicU64,
    answers_lost: AtomicU64,
    slowed: AtomicU64,
    duplicated: AtomicU64,
}

/// The faults of one call.
#[derive(Clone, Copy, Debug, Default)]
struct Fault {
    fail: bool,
    lose_answer: bool,
    duplicate: bool,
}

/// The source of all injected errors.
#[derive(Debug, thiserror::Error)]
#[error("injected fault")]
pub struct InjectedFault;

impl Faults {
    /// Faults at these rates from the start.
    #[must_use]
    pub fn at(rates: FaultRates) -> Faults {
        let faults = Faults::default();
        faults.set(rates);
        faults
    }

    /// Changes the rates.
    pub fn set(&self, rates: FaultRates) {
        *self.rates.lock().unwrap_or_else(PoisonError::into_inner) = rates;
    }

    /// The faults that have happened so far.
    #[must_use]
    pub fn counts(&self) -> FaultCounts {
        FaultCounts {
            failed: self.failed.load(Ordering::SeqCst),
            answers_lost: self.answers_lost.load(Ordering::SeqCst),
            slowed: self.slowed.load(Ordering::SeqCst),
            duplicated: self.duplicated.load(Ordering::SeqCst),
        }
    }

    /// Begins a call: delays it if it is to be slow, and returns its other faults,
    /// which are counted as they happen.
    async fn next_fault(&self) -> Fault {
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

    /// Performs a call with its faults. `error` makes the error that the caller sees.
    async fn perform<T, E, F: Future<Output = Result<T, E>>>(
        &self,
        call: impl FnOnce() -> F,
        error: impl Fn() -> E,
    ) -> Result<T, E> {
        let fault = self.next_fault().await;
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

    /// Sends a message with its faults, twice if it is to be duplicated.
    async fn send<E, F: Future<Output = Result<(), E>>>(
        &self,
        send: impl Fn() -> F,
        error: impl Fn() -> E,
    ) -> Result<(), E> {
        let fault = self.next_fault().await;
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
