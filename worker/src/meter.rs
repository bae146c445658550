//! Counts what an attempt does, for its heartbeats.

use std::sync::{Mutex, PoisonError};

use protocol::task::Progress;

/// The progress of one attempt, written by it and read by its heartbeats.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    progress: Mutex<Progress>,
}

impl Meter {
    /// Changes the counts.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Progress)) {
        // The counts stay whole even if somebody panicked while adding to one.
        change(&mut self.progress.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// How far the attempt is now.
    pub(crate) fn progress(&self) -> Progress {
        let mut progress = *self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.resident_bytes = resident_bytes();
        progress
    }
}

/// Memory that this process holds, in bytes; 0 where the system does not tell.
pub(crate) fn resident_bytes() -> u64 {
    const PAGE_BYTES: u64 = 4096;
    std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok())
        .map_or(0, |pages| pages * PAGE_BYTES)
}
