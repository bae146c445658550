//! What all jobs have read in the last ten minutes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::metrics::JobMetrics;

/// The length of a part of the time …
const PART: Duration = Duration::from_secs(10);
/// … and how many parts are kept.
const PARTS: usize = 60;

/// The bytes read by all jobs, in equal parts of the last ten minutes.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace(Arc<Mutex<Parts>>);

#[derive(Debug, Default)]
struct Parts {
    /// All bytes that had been read at the end of the last part.
    seen: u64,
    /// The bytes of each part, oldest first.
    read: VecDeque<u64>,
}

impl Pace {
    /// Looks at the counts at the end of every part.
    pub(super) async fn run(self, metrics: JobMetrics) {
        let mut parts = tokio::time::interval(PART);
        loop {
            parts.tick().await;
            self.note(metrics.read_bytes());
        }
    }

    /// Ends a part, at whose end so many bytes have been read since the server began.
    fn note(&self, read: u64) {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let more = read.saturating_sub(parts.seen);
        parts.seen = read;
        parts.read.push_back(more);
        if parts.read.len() > PARTS {
            parts.read.pop_front();
        }
    }

    /// The mean rates of the parts in bytes per second, oldest first.
    pub(super) fn bytes_per_sec(&self) -> Vec<f64> {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts.read.iter().map(|bytes| *bytes as f64 / PART.as_secs_f64()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_has_what_was_read_since_the_one_before() {
        let pace = Pace::default();
        [0, 100, 100, 250].into_iter().for_each(|read| pace.note(read));
        assert_eq!(pace.bytes_per_sec(), [0.0, 10.0, 0.0, 15.0]);
        (0..100).for_each(|more| pace.note(250 + 10 * more));
        assert_eq!(pace.bytes_per_sec(), [1.0; PARTS]);
    }
}
