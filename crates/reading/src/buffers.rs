//! Reused memory for ranges, and how many of them are read at the same time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Unused buffers. They are reused, because new memory costs more than filling it.
#[derive(Debug)]
pub struct Buffers {
    spare: Mutex<Vec<Vec<u8>>>,
    /// The maximum number of buffers that are kept.
    most: usize,
    /// One permit for each request that may be under way to a network store.
    requests: Arc<Semaphore>,
}

impl Buffers {
    /// For `objects` objects that are open at the same time: keeps two unused buffers for
    /// each, and lets one request for each be under way.
    #[must_use]
    pub fn new(objects: usize) -> Buffers {
        let requests = Arc::new(Semaphore::new(objects));
        Buffers { spare: Mutex::default(), most: 2 * objects, requests }
    }

    /// Waits until a request may start; it is under way as long as the permit is held.
    ///
    /// An open object has at most one request, so what is waited for is a request of an
    /// object that was closed, which ends a little later than the object.
    pub(crate) async fn request(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        self.requests.clone().acquire_owned().await.ok()
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
