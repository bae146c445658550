//! What time it is, the same in the server and the browser.

use std::time::Duration;

use leptos::leptos_dom::helpers::{IntervalHandle, set_interval_with_handle};
use leptos::prelude::*;
use protocol::Timestamp;
use serde::{Deserialize, Serialize};

/// Something, and when the server looked at it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AsOf<T> {
    /// By the server's clock.
    pub at: Timestamp,
    /// What it saw.
    pub value: T,
}

/// What time it is by the server's clock.
///
/// It stands at the moment the page was rendered, so that the browser's first
/// render is the server's, and goes on once the browser has taken over.
#[derive(Clone, Copy)]
pub struct Clock(RwSignal<Timestamp>);

/// How often the shown times change.
const TICK: Duration = Duration::from_secs(1);

impl Clock {
    /// Provides the clock of a page that was rendered at `rendered_at`.
    pub fn provide(rendered_at: Timestamp) {
        let now = RwSignal::new(rendered_at);
        // Effects run in the browser only.
        Effect::new(move || {
            let started_ms = js_now_ms();
            let tick = move || {
                let passed_ms = js_now_ms().saturating_sub(started_ms);
                // The page may be gone between two ticks.
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

    /// What time it is; a reader is told when it changes.
    #[must_use]
    pub fn now(self) -> Timestamp {
        self.0.get()
    }
}

/// Ticks until it is dropped.
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
