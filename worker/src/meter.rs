//! Counts the progress of an attempt, for its heartbeats.

use std::sync::{Mutex, PoisonError};

use protocol::task::Progress;

/// The progress of one attempt, written by it and read by its heartbeats.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    progress: Mutex<Progress>,
}

impl Meter {
    /// Updates the counts.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Progress)) {
        // The counts stay whole even if somebody panicked while adding to one.
        change(&mut self.progress.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The progress of the attempt up to now.
    pub(crate) fn progress(&self) -> Progress {
        let mut progress = *self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.resident_bytes = resident_bytes();
        progress
    }
}

/// The resident memory of this process, in bytes; 0 if the system does not report it.
pub(crate) fn resident_bytes() -> u64 {
    std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| resident_pages(&text))
        .map_or(0, |pages| pages * rustix::param::page_size() as u64)
}

/// The number of resident pages: the second number of `/proc/PID/statm`.
fn resident_pages(statm: &str) -> Option<u64> {
    statm.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same by another file of the system, in bytes.
    fn resident_bytes_by_status() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kibibytes: u64 = line.trim().strip_suffix(" kB").unwrap().trim().parse().unwrap();
        kibibytes * 1024
    }

    #[test]
    fn resident_memory_is_what_the_system_says_whatever_the_size_of_its_pages() {
        // Much more than other tests take or give back meanwhile.
        let held = vec![1_u8; 128 << 20];
        let (counted, said) = (resident_bytes(), resident_bytes_by_status());
        drop(held);
        assert!(counted.abs_diff(said) < said / 4, "{counted} bytes, {said} by /proc/self/status");
    }
}
