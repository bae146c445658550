//! Reused memory for sums and their encodings.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use protocol::request::{Missing, Statistic};
use summation::PartialSum;

/// An unused sum, and buffers for encodings. They are reused, because new memory
/// costs more than filling it.
#[derive(Debug, Default)]
pub(crate) struct SpareSums {
    sum: Mutex<Option<SpareSum>>,
    /// Unused buffers for encodings.
    encodings: Mutex<Vec<Vec<u8>>>,
}

/// Two, because one is filled while the other is written.
const ENCODINGS_MAX: usize = 2;

#[derive(Debug)]
struct SpareSum {
    statistics: Vec<Statistic>,
    missing: Missing,
    sum: PartialSum,
}

impl SpareSums {
    /// An empty sum.
    pub(crate) fn take_sum(
        &self,
        columns: usize,
        statistics: &[Statistic],
        missing: Missing,
    ) -> PartialSum {
        let is_such = |spare: &SpareSum| spare.statistics == statistics && spare.missing == missing;
        let spare = lock(&self.sum).take().filter(is_such);
        let mut sum = match spare {
            Some(spare) => spare.sum,
            None => PartialSum::with_missing(0, statistics, missing),
        };
        sum.reset(columns);
        sum
    }

    /// Takes a sum back.
    pub(crate) fn give_sum(&self, sum: PartialSum, statistics: &[Statistic], missing: Missing) {
        *lock(&self.sum) = Some(SpareSum { statistics: statistics.to_vec(), missing, sum });
    }

    /// Memory to encode a partial sum into.
    pub(crate) fn take_encoding(&self) -> Vec<u8> {
        lock(&self.encodings).pop().unwrap_or_default()
    }

    /// Takes an encoding back once it is written, if nobody else holds it.
    pub(crate) fn give_encoding(&self, bytes: Bytes) {
        let mut encodings = lock(&self.encodings);
        if bytes.is_unique() && encodings.len() < ENCODINGS_MAX {
            encodings.push(bytes.into());
        }
    }

    /// Gives the memory for encodings back to the system, for whoever needs as
    /// much before the next one.
    pub(crate) fn free_encodings(&self) {
        lock(&self.encodings).clear();
    }

    /// Gives all memory back to the system, for a worker that has nothing to do.
    pub(crate) fn free(&self) {
        lock(&self.sum).take();
        self.free_encodings();
    }
}

fn lock<T>(spare: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is spare is whole whatever happened.
    spare.lock().unwrap_or_else(PoisonError::into_inner)
}
