//! What a job does while a store that it uses does not answer or limits requests.
//!
//! After a failure the job starts one attempt, after a pause, to find out whether the
//! store is back. Each sign of success doubles the number of attempts, up to W, so that
//! a store that has just come back is not overrun. Nothing counts as a failure of a task.

use protocol::Timestamp;

/// The pause after the first failure, which doubles …
const PAUSE_MS: u64 = 500;
/// … up to this one, so that work continues soon after the store is back.
const PAUSE_MS_MAX: u64 = 4_000;

/// The wait of a job for a store. By default there is none.
#[derive(Debug, Default)]
pub(crate) struct StoreWait {
    /// Since when the store is missed, and its last error; `None` while it answers.
    away: Option<(Timestamp, String)>,
    /// The number of pauses so far.
    pauses: u32,
    /// The end of the pause; `None` if there was none.
    until: Option<Timestamp>,
    /// The most attempts in flight; `None` if W is the limit.
    window: Option<u32>,
}

impl StoreWait {
    /// Records that an attempt has failed because of the store. `seed` varies the pause,
    /// so that jobs that failed together do not retry together.
    pub(crate) fn failed(&mut self, now: Timestamp, reason: String, seed: u64) {
        let since = self.away.take().map_or(now, |(since, _)| since);
        self.away = Some((since, reason));
        self.window = Some(1);
        // Attempts that fail during a pause were started before it.
        if self.until.is_none_or(|until| until <= now) {
            let pause_ms = PAUSE_MS.saturating_mul(1 << self.pauses.min(16)).min(PAUSE_MS_MAX);
            self.pauses = self.pauses.saturating_add(1);
            self.until = Some(now.plus_millis(jittered(pause_ms, seed)));
        }
    }

    /// Records that the store has answered an attempt. Returns whether it was away.
    pub(crate) fn succeeded(&mut self, workers: u32) -> bool {
        let Some(window) = self.window else {
            return false;
        };
        let window = window.saturating_mul(2);
        self.window = (window < workers).then_some(window);
        self.pauses = 0;
        self.until = None;
        self.away.take().is_some()
    }

    /// Whether the job may start an attempt, with this many in flight.
    pub(crate) fn may_start(&self, now: Timestamp, in_flight: u32) -> bool {
        self.window.is_none_or(|window| in_flight < window)
            && self.until.is_none_or(|until| until <= now)
    }

    /// Whether the job is as if the store had never been away.
    pub(crate) fn is_over(&self) -> bool {
        self.window.is_none()
    }

    /// The end of the pause, if it is in the future.
    pub(crate) fn until(&self, now: Timestamp) -> Option<Timestamp> {
        self.until.filter(|until| *until > now)
    }

    /// Since when the store is missed, and its last error; `None` while it answers.
    pub(crate) fn away(&self) -> Option<(Timestamp, &str)> {
        self.away.as_ref().map(|(since, reason)| (*since, reason.as_str()))
    }
}

/// A pause shortened by up to a half.
fn jittered(pause_ms: u64, seed: u64) -> u64 {
    let half = pause_ms / 2;
    pause_ms - seed % (half + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_attempts_double_on_success() {
        let mut wait = StoreWait::default();
        let mut now = at(0);
        for pause_ms in [500, 1_000, 2_000, 4_000, 4_000] {
            wait.failed(now, "503".to_owned(), 0);
            // Another attempt that fails meanwhile changes nothing.
            wait.failed(now.plus_millis(1), "503".to_owned(), 0);
            assert_eq!(wait.until(now), Some(now.plus_millis(pause_ms)));
            assert!(!wait.may_start(now.plus_millis(pause_ms - 1), 0));
            now = now.plus_millis(pause_ms);
            assert!(wait.may_start(now, 0) && !wait.may_start(now, 1));
        }
        assert_eq!(wait.away(), Some((at(0), "503")));
        assert!(wait.succeeded(5), "it was away");
        assert!(!wait.succeeded(5) && !wait.is_over());
        assert!(wait.may_start(now, 3) && !wait.may_start(now, 4));
        assert!(!wait.succeeded(5) && wait.is_over());
        assert_eq!((wait.away(), wait.until(now)), (None, None));
    }

    #[test]
    fn a_pause_is_shortened_by_up_to_a_half() {
        let pauses = [0, 1, 499, 500, 501, u64::MAX].map(|seed| jittered(1_000, seed));
        assert_eq!(pauses[..5], [1_000, 999, 501, 500, 1_000]);
        assert!((500..=1_000).contains(&pauses[5]));
    }
}
