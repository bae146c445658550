//! The current time, the same in the server and the browser.

use std::time::Duration;

use leptos::leptos_dom::helpers::{IntervalHandle, set_interval_with_handle};
use leptos::prelude::*;
use protocol::Timestamp;
use serde::{Deserialize, Serialize};

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
/// browser equals the server's. It runs once the browser has hydrated the page.
#[derive(Clone, Copy)]
pub struct Clock(RwSignal<Timestamp>);

/// The interval at which the shown times are updated.
const TICK: Duration = Duration::from_secs(1);

impl Clock {
    /// Provides the clock of a page that was rendered at `rendered_at`.
    pub fn provide(rendered_at: Timestamp) {
        let now = RwSignal::new(rendered_at);
        // Effects run only in the browser.
        Effect::new(move || {
            let started_ms = js_now_ms();
            let tick = move || {
                let passed_ms = js_now_ms().saturating_sub(started_ms);
                // The page may have been left between two ticks.
                let _ = now.try_set(rendered_at.plus_millis(passed_ms));
            };
            // Owned by this effect, and so dropped with the page.
            StoredValue::new_local(set_interval_with_handle(tick, TICK).ok().map(Ticking));
        });
        provide_context(Clock(now));
    }

    /// The clock of the page.
    #[must_use]
    pub fn of_page() -> Clock {
        expect_context()
    }

    /// The current time; it subscribes the caller to changes.
    #[must_use]
    pub fn now(self) -> Timestamp {
        self.0.get()
    }
}

/// An interval timer, cleared when dropped.
struct Ticking(IntervalHandle);

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.clear();
    }
}

fn js_now_ms() -> u64 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "milliseconds since 1970 are a whole number far below 2^53"
    )]
    let now_ms = web_sys::js_sys::Date::now() as u64;
    now_ms
}
