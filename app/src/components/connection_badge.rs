//! Whether a page hears of changes.

use leptos::prelude::*;

use crate::live::Connection;

/// Whether the page hears of changes, in a word. Nothing is shown before it
/// does, nor once there is nothing more to hear.
#[component]
pub fn ConnectionBadge(
    /// How it is.
    connection: RwSignal<Connection>,
) -> impl IntoView {
    let word = Signal::derive(move || connection.get().word().to_owned());
    view! {
        <span class="connection" data-state=word>
            <span class="dot" aria-hidden="true"></span>
            <span>{word}</span>
        </span>
    }
}
