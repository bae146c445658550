//! The state of a page's event stream.

use leptos::prelude::*;

use crate::live::Connection;

/// The state of the page's event stream. Hidden before the stream is open, and
/// after it has ended.
#[component]
pub fn ConnectionBadge(
    /// The state of the stream.
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
