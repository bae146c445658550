//! The state of a page's event stream.

use leptos::prelude::*;

use crate::clock::browser_utc_offset_ms;
use crate::format::time_of_day;
use crate::live::Contact;

/// The state of the page's event stream. Hidden before the stream is open, and
/// after it has ended. While the server is away, a notice says since when.
#[component]
pub fn ConnectionBadge(
    /// The event stream.
    contact: Contact,
) -> impl IntoView {
    let word = Signal::derive(move || contact.connection.get().word().to_owned());
    // Only ever in the browser, so that its time zone may be used.
    let away = Signal::derive(move || {
        contact.away_since.get().map_or_else(String::new, |since| {
            let since = time_of_day(since, browser_utc_offset_ms());
            format!("Server away since {since}. Figures are from then.")
        })
    });
    let is_away = Signal::derive(move || contact.away_since.get().is_some().to_string());
    view! {
        <span class="connection" data-state=word>
            <span class="dot" aria-hidden="true"></span>
            <span>{word}</span>
        </span>
        <p class="away" role="status" data-shown=is_away>
            {away}
        </p>
    }
}
