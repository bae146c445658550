//! Memory that ranges are read into, again and again.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Buffers that are not in use just now: fresh memory costs more than filling it.
#[derive(Debug)]
pub struct Buffers {
    spare: Mutex<Vec<Vec<u8>>>,
    /// How many are kept, at most.
    most: usize,
}

impl Buffers {
    /// Keeps at most `most` buffers that are not in use.
    #[must_use]
    pub fn new(most: usize) -> Buffers {
        Buffers { spare: Mutex::default(), most }
    }

    /// A buffer, of whatever length and content.
    #[must_use]
    pub fn take(&self) -> Vec<u8> {
        self.lock().pop().unwrap_or_default()
    }

    /// Takes a buffer back.
    pub fn give(&self, buffer: Vec<u8>) {
        let mut spare = self.lock();
        if spare.len() < self.most && buffer.capacity() > 0 {
            spare.push(buffer);
        }
    }

    /// Gives the memory back to the system.
    pub fn free(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        // What is spare is whole whatever happened.
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
