//! Shows whether the driver moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Shows whether the driver moves: it beats with every turn. Clones show the same.
#[derive(Clone, Debug)]
pub struct Pulse(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    began: Instant,
    /// When it last beat, in milliseconds since it began.
    last_ms: AtomicU64,
}

impl Pulse {
    /// A pulse that beats for the first time.
    pub(super) fn new() -> Pulse {
        Pulse(Arc::new(Inner { began: Instant::now(), last_ms: AtomicU64::new(0) }))
    }

    /// Beats.
    pub(super) fn beat(&self) {
        self.0.last_ms.store(self.passed_ms(), Ordering::Relaxed);
    }

    /// The time since the last beat.
    #[must_use]
    pub fn silent_for(&self) -> Duration {
        let last_ms = self.0.last_ms.load(Ordering::Relaxed);
        Duration::from_millis(self.passed_ms().saturating_sub(last_ms))
    }

    fn passed_ms(&self) -> u64 {
        u64::try_from(self.0.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
