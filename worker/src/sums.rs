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
    terms: SumTerms,
    sum: PartialSum,
}

/// What a sum is made for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SumTerms {
    /// The statistics that are computed from it.
    pub(crate) statistics: Vec<Statistic>,
    /// What happens to missing values.
    pub(crate) missing: Missing,
    /// Whether the objects have weights.
    pub(crate) weighted: bool,
}

impl SpareSums {
    /// An empty sum.
    pub(crate) fn take_sum(&self, columns: usize, terms: &SumTerms) -> PartialSum {
        let spare = lock(&self.sum).take().filter(|spare| spare.terms == *terms);
        let SumTerms { statistics, missing, weighted } = terms;
        let mut sum = match spare {
            Some(spare) => spare.sum,
            None if *weighted => PartialSum::with_weights(0, statistics, *missing),
            None => PartialSum::with_missing(0, statistics, *missing),
        };
        sum.reset(columns);
        sum
    }

    /// Takes a sum back.
    pub(crate) fn give_sum(&self, sum: PartialSum, terms: SumTerms) {
        *lock(&self.sum) = Some(SpareSum { terms, sum });
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
