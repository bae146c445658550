//! Memory that is read into and added up in, again and again.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use protocol::request::Statistic;
use summation::PartialSum;

/// Buffers that are not in use just now, and a sum: fresh memory costs more than
/// filling it.
#[derive(Debug)]
pub(crate) struct Buffers {
    spare: Mutex<Vec<Vec<u8>>>,
    /// How many are kept, at most.
    most: usize,
    sum: Mutex<Option<SpareSum>>,
    /// What partial sums were encoded into.
    encodings: Mutex<Vec<Vec<u8>>>,
}

/// One is filled while another is written.
const ENCODINGS_MAX: usize = 2;

#[derive(Debug)]
struct SpareSum {
    statistics: Vec<Statistic>,
    sum: PartialSum,
}

impl Buffers {
    pub(crate) fn new(most: usize) -> Buffers {
        Buffers {
            spare: Mutex::default(),
            most,
            sum: Mutex::default(),
            encodings: Mutex::default(),
        }
    }

    /// A buffer, of whatever length and content.
    pub(crate) fn take(&self) -> Vec<u8> {
        lock(&self.spare).pop().unwrap_or_default()
    }

    /// Takes a buffer back.
    pub(crate) fn give(&self, buffer: Vec<u8>) {
        let mut spare = lock(&self.spare);
        if spare.len() < self.most && buffer.capacity() > 0 {
            spare.push(buffer);
        }
    }

    /// A sum of nothing yet.
    pub(crate) fn take_sum(&self, columns: usize, statistics: &[Statistic]) -> PartialSum {
        let spare = lock(&self.sum).take().filter(|spare| spare.statistics == statistics);
        let mut sum = match spare {
            Some(spare) => spare.sum,
            None => PartialSum::new(0, statistics),
        };
        sum.reset(columns);
        sum
    }

    /// Takes a sum back.
    pub(crate) fn give_sum(&self, sum: PartialSum, statistics: &[Statistic]) {
        *lock(&self.sum) = Some(SpareSum { statistics: statistics.to_vec(), sum });
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

    /// Gives the memory back to the system, for a worker that has nothing to do.
    pub(crate) fn free(&self) {
        lock(&self.spare).clear();
        lock(&self.sum).take();
        lock(&self.encodings).clear();
    }
}

fn lock<T>(spare: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is spare is whole whatever happened.
    spare.lock().unwrap_or_else(PoisonError::into_inner)
}
