//! Counts the progress of an attempt, for its heartbeats.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use protocol::task::{PhaseTimes, Progress};

/// The progress of one attempt, written by it and read by its heartbeats.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    counts: Mutex<Counts>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    progress: Progress,
    spent: Spent,
}

/// What an attempt has spent its time on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spent {
    /// Opening inputs, and waiting for their bytes.
    pub(crate) reading: Duration,
    /// Decoding, adding and encoding numbers.
    pub(crate) computing: Duration,
    /// Waiting until segments were written.
    pub(crate) writing: Duration,
}

impl Meter {
    /// Updates the counts.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Progress)) {
        self.change(|counts| change(&mut counts.progress));
    }

    /// Adds time that the attempt has spent.
    pub(crate) fn spend(&self, spent: Spent) {
        self.change(|counts| {
            counts.spent.reading += spent.reading;
            counts.spent.computing += spent.computing;
            counts.spent.writing += spent.writing;
        });
    }

    /// Stretches the times to those of an attempt that has taken `whole`: it was paced, and
    /// its work took less.
    pub(crate) fn stretch(&self, whole: Duration) {
        self.change(|counts| {
            let spent = counts.spent.reading + counts.spent.computing + counts.spent.writing;
            if !spent.is_zero() {
                counts.spent = counts.spent.times(whole.as_secs_f64() / spent.as_secs_f64());
            }
        });
    }

    /// The progress of the attempt up to now.
    pub(crate) fn progress(&self) -> Progress {
        let Counts { mut progress, spent } = self.change(|counts| *counts);
        progress.phases = spent.phases();
        progress.resident_bytes = resident_bytes();
        progress
    }

    fn change<T>(&self, change: impl FnOnce(&mut Counts) -> T) -> T {
        // The counts stay whole even if somebody panicked while adding to one.
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Spent {
    /// The times in milliseconds; `None` before any was spent.
    fn phases(&self) -> Option<PhaseTimes> {
        if (self.reading + self.computing + self.writing).is_zero() {
            return None;
        }
        let ms = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        Some(PhaseTimes {
            reading_ms: ms(self.reading),
            computing_ms: ms(self.computing),
            writing_ms: ms(self.writing),
        })
    }

    /// The times of an attempt that is `factor` times slower.
    pub(crate) fn times(self, factor: f64) -> Spent {
        Spent {
            reading: self.reading.mul_f64(factor),
            computing: self.computing.mul_f64(factor),
            writing: self.writing.mul_f64(factor),
        }
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
