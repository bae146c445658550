//! The current time, the same in the server and the browser.

use std::time::Duration;

use leptos::leptos_dom::helpers::{IntervalHandle, set_interval_with_handle};
use leptos::prelude::*;
use protocol::Timestamp;
use serde::{Deserialize, Serialize};

use crate::away::is_away;
use crate::format::{date_time, utc};

/// A value, and the time at which the server read it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AsOf<T> {
    /// The time by the server's clock.
    pub at: Timestamp,
    /// The value at that time.
    pub value: T,
}

/// The current time by the server's clock.
///
/// It is stopped at the time the page was rendered, so that the first render in the
/// browser equals the server's. It runs once the browser has hydrated the page, but not
/// while the server is away.
#[derive(Clone, Copy)]
pub struct Clock {
    now: RwSignal<Timestamp>,
    /// What local time is ahead of UTC, once the browser has hydrated the page.
    ahead_ms: RwSignal<Option<i64>>,
}

/// The interval at which the shown times are updated.
const TICK: Duration = Duration::from_secs(1);

impl Clock {
    /// Provides the clock of a page that was rendered at `rendered_at`.
    pub fn provide(rendered_at: Timestamp) {
        let now = RwSignal::new(rendered_at);
        // Effects run only in the browser.
        Effect::new(move || {
            let started = browser_now();
            let tick = move || {
                // What is shown is as it was when the server was last heard of.
                if !is_away() {
                    let passed_ms = browser_now().millis_since(started);
                    // The page may have been left between two ticks.
                    let _ = now.try_set(rendered_at.plus_millis(passed_ms));
                }
            };
            // Owned by this effect, and so dropped with the page.
            StoredValue::new_local(set_interval_with_handle(tick, TICK).ok().map(Ticking));
        });
        let ahead_ms = RwSignal::new(None);
        Effect::new(move || ahead_ms.set(Some(browser_utc_offset_ms())));
        provide_context(Clock { now, ahead_ms });
    }

    /// The clock of the page.
    #[must_use]
    pub fn of_page() -> Clock {
        expect_context()
    }

    /// The current time; it subscribes the caller to changes.
    #[must_use]
    pub fn now(self) -> Timestamp {
        self.now.get()
    }

    /// A point in time: in UTC first, in the browser's time zone once it is known.
    #[must_use]
    pub fn date_time(self, at: Timestamp) -> String {
        self.ahead_ms.get().map_or_else(|| utc(at), |ahead_ms| date_time(at, ahead_ms))
    }
}

/// An interval timer, cleared when dropped.
struct Ticking(IntervalHandle);

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.clear();
    }
}

/// What the local time of the browser is ahead of UTC, in milliseconds.
#[must_use]
pub fn browser_utc_offset_ms() -> i64 {
    #[allow(clippy::cast_possible_truncation, reason = "at most a day")]
    let behind_minutes = web_sys::js_sys::Date::new_0().get_timezone_offset() as i64;
    -behind_minutes * 60_000
}

/// The current time by the browser's clock.
#[must_use]
pub fn browser_now() -> Timestamp {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "milliseconds since 1970 are a whole number far below 2^53"
    )]
    let now_ms = web_sys::js_sys::Date::now() as u64;
    Timestamp::from_millis(now_ms)
}
