//! Whether a page hears of changes.

use leptos::prelude::*;

use crate::live::Connection;

/// Whether the page hears of changes, in a word. Nothing is shown before it
/// does, nor once there is nothing more to hear.
#[component]
pub fn ConnectionBadge(
    /// How it is.
    connection: Signal<Connection>,
) -> impl IntoView {
    view! {
        <span class="connection" data-state=move || connection.get().word()>
            <span class="dot" aria-hidden="true"></span>
            <span>{move || connection.get().word()}</span>
        </span>
    }
}
