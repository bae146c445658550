//! The quota of generated test data: all jobs together may keep only so much of it in
//! the store.
//!
//! A mark in the index keeps the size of a job's test data until the job is deleted, so
//! that a server that starts knows the sum from a listing. Jobs that earlier versions
//! submitted have no mark and do not count.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use protocol::Problem;
use protocol::problem::ProblemKind;

/// The bytes of generated test data in the store, and how many there may be.
#[derive(Clone, Debug)]
pub struct GeneratedQuota {
    used: Arc<AtomicU64>,
    most: u64,
}

/// Bytes that count for a job that is being submitted. Dropped before
/// [`Reservation::keep`], it gives them back.
#[derive(Debug)]
pub struct Reservation {
    quota: GeneratedQuota,
    bytes: u64,
}

impl GeneratedQuota {
    /// A quota of `most` bytes, of which `used` are used.
    #[must_use]
    pub fn new(used: u64, most: u64) -> GeneratedQuota {
        GeneratedQuota { used: Arc::new(AtomicU64::new(used)), most }
    }

    /// Counts the test data of a job that is submitted.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::InsufficientStorage`] if the quota has not as many bytes left.
    pub fn reserve(&self, bytes: u64) -> Result<Reservation, Problem> {
        let add = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.most);
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add) {
            Ok(_) => Ok(Reservation { quota: self.clone(), bytes }),
            Err(used) => {
                let detail = format!(
                    "the test data would take about {bytes} bytes, and that of other jobs takes \
                     {used}; the limit of all is {} (--max-generated-bytes)",
                    self.most
                );
                Err(Problem::new(ProblemKind::InsufficientStorage, detail)
                    .field("inputs.generate")
                    .remedy(
                        "delete jobs with generated data that are over, or start the server with \
                         a larger --max-generated-bytes",
                    ))
            }
        }
    }

    /// Gives back the bytes of a job that was deleted.
    pub fn release(&self, bytes: u64) {
        let subtract = |used: u64| Some(used.saturating_sub(bytes));
        // The closure always returns a number, so this never fails.
        let _ = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, subtract);
    }
}

impl Reservation {
    /// The reserved bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Keeps the bytes counted: the job is in the store.
    pub fn keep(mut self) {
        self.bytes = 0;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.quota.release(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_from_the_reservation_until_they_are_released() {
        let quota = GeneratedQuota::new(10, 100);
        let kept = quota.reserve(60).unwrap();
        let problem = quota.reserve(31).unwrap_err();
        assert_eq!(problem.status, 507);
        assert!(problem.detail.contains("70") && problem.detail.contains("100"), "{problem}");
        drop(quota.reserve(30).unwrap());
        kept.keep();
        quota.reserve(30).unwrap().keep();
        assert!(quota.reserve(1).is_err());
        quota.release(60);
        assert!(quota.reserve(60).is_ok());
    }
}
