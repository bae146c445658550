//! Reused memory for ranges.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Unused buffers. They are reused, because new memory costs more than filling it.
#[derive(Debug)]
pub struct Buffers {
    spare: Mutex<Vec<Vec<u8>>>,
    /// The maximum number of buffers that are kept.
    most: usize,
}

impl Buffers {
    /// Keeps at most `most` unused buffers.
    #[must_use]
    pub fn new(most: usize) -> Buffers {
        Buffers { spare: Mutex::default(), most }
    }

    /// A buffer of any length and content.
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

    /// Returns the memory to the system.
    pub fn free(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        // The buffers are valid even if another thread has panicked.
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
