//! Memory that is read into, again and again.

use std::sync::{Mutex, PoisonError};

/// Buffers that are not in use just now: fresh memory costs more than filling it.
#[derive(Debug)]
pub(crate) struct Buffers {
    spare: Mutex<Vec<Vec<u8>>>,
    /// How many are kept, at most.
    most: usize,
}

impl Buffers {
    pub(crate) fn new(most: usize) -> Buffers {
        Buffers { spare: Mutex::default(), most }
    }

    /// A buffer, of whatever length and content.
    pub(crate) fn take(&self) -> Vec<u8> {
        self.lock().pop().unwrap_or_default()
    }

    /// Takes a buffer back.
    pub(crate) fn give(&self, buffer: Vec<u8>) {
        let mut spare = self.lock();
        if spare.len() < self.most && buffer.capacity() > 0 {
            spare.push(buffer);
        }
    }

    /// Gives the memory back to the system, for a worker that has nothing to do.
    pub(crate) fn free(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        // A list of buffers is whole whatever happened.
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
