//! The phase of a job, as an icon and a word.

use leptos::prelude::*;
use protocol::Phase;

use super::icon::{Drawn, Icon};

/// The phase of a job, as an icon and a word in its colour.
#[component]
pub fn PhaseBadge(
    /// Which.
    phase: Memo<Phase>,
) -> impl IntoView {
    view! {
        <span class="badge phase" data-state=move || phase.get().word()>
            <Drawn icon=Signal::derive(move || Icon::of_phase(phase.get())) />
            <span>{move || phase.get().word()}</span>
        </span>
    }
}
