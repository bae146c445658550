//! Icons in the colour of the text next to them.

use leptos::prelude::*;
use protocol::Phase;
use protocol::worker::WorkerState;

/// An icon: the path of a line drawing on a grid of 16 by 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icon(pub &'static str);

/// A circular arrow.
pub const AGAIN: Icon = Icon("M13 8a5 5 0 1 1-1.6-3.7M13 2v3h-3");
/// An arrow down to a line.
pub const DOWNLOAD: Icon = Icon("M8 2v8m-3-3 3 3 3-3M3 13.5h10");
/// Two links of a chain.
pub const LINK: Icon = Icon(
    "M6.5 9.5l3-3M7 4.5l1.2-1.2a3 3 0 0 1 4.3 4.3L11.3 8.8M9 11.5l-1.2 1.2a3 3 0 0 1-4.3-4.3L4.7 7.2",
);
/// A waste bin.
pub const TRASH: Icon = Icon("M3 4.5h10M6.5 4.5v-2h3v2M4.5 4.5l.6 9h5.8l.6-9M6.8 7v4M9.2 7v4");
/// An exclamation mark in a triangle.
pub const WARNING: Icon = Icon("M8 2.2 14.5 13.5h-13zM8 6.5v3.2M8 11.6v.1");
/// A tick.
pub const TICK: Icon = Icon("M3 8.5l3.2 3.2L13 4.8");
/// A half-filled disc.
pub const THEME: Icon = Icon("M8 2a6 6 0 1 0 0 12zM8 2a6 6 0 0 1 0 12");
const LIST: Icon = Icon("M5.5 4H14M5.5 8H14M5.5 12H14M2.2 4h.1M2.2 8h.1M2.2 12h.1");
const TREE: Icon = Icon("M2.5 2.5h4v3h-4zM9.5 2.5h4v3h-4zM6 10.5h4v3H6zM4.5 5.5V8h7V5.5M8 8v2.5");
const PLAY: Icon = Icon("M5 3l8 5-8 5z");
const DIVIDE: Icon = Icon("M3 8h10M8 4.2v.1M8 11.7v.1");
const CROSS: Icon = Icon("M4 4l8 8M12 4l-8 8");
const STOP: Icon = Icon("M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zM4 12l8-8");
const DOTS: Icon = Icon("M3.5 8h.1M8 8h.1M12.5 8h.1");
const PAUSE: Icon = Icon("M5.5 3.5v9M10.5 3.5v9");
const LEAVE: Icon = Icon("M9 3H3.5v10H9M7 8h7m-3-3 3 3-3 3");
const QUESTION: Icon = Icon("M5.5 6a2.5 2.5 0 1 1 3.6 2.2C8.3 8.6 8 9 8 9.8M8 12.4v.1");

impl Icon {
    /// The icon of a phase.
    #[must_use]
    pub const fn of_phase(phase: Phase) -> Icon {
        match phase {
            Phase::Listing => LIST,
            Phase::Planning => TREE,
            Phase::Running => PLAY,
            Phase::Finishing => DIVIDE,
            Phase::Done => TICK,
            Phase::Failed => CROSS,
            Phase::Cancelled => STOP,
        }
    }

    /// The icon of a worker's state.
    #[must_use]
    pub const fn of_worker(state: WorkerState) -> Icon {
        match state {
            WorkerState::Starting => DOTS,
            WorkerState::Idle => PAUSE,
            WorkerState::Busy => PLAY,
            WorkerState::Draining => LEAVE,
            WorkerState::Aside => WARNING,
            WorkerState::Lost => QUESTION,
        }
    }
}

/// Draws an icon. It is hidden from screen readers, because the text next to it
/// says the same.
#[component]
pub fn Drawn(
    /// The icon.
    icon: Icon,
) -> impl IntoView {
    view! { <DrawnLive path=Signal::stored(icon.0.to_owned()) /> }
}

/// Draws an icon that changes with the text next to it.
#[component]
pub fn DrawnLive(
    /// The path of the icon: [`Icon::0`].
    path: Signal<String>,
) -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
            <path d=path />
        </svg>
    }
}
