//! A button that copies a link.

use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen_futures::JsFuture;

use crate::components::icon::{DrawnLive, LINK, TICK};

/// The time for which the button confirms that the link was copied.
const CONFIRMATION: Duration = Duration::from_secs(2);

/// Copies a link. It is hidden without JavaScript; the address of the page is in the
/// address bar.
#[island]
pub fn CopyLink(
    /// The link; `None` for the address of the page.
    link: Option<String>,
) -> impl IntoView {
    let is_copied = RwSignal::new(false);
    let copy = move |_| {
        let Some(link) = link.clone().or_else(|| window().location().href().ok()) else {
            return;
        };
        // Browsers provide the clipboard only over HTTPS and on localhost.
        if !window().is_secure_context() {
            let _ = window().prompt_with_message_and_default("Link:", &link);
            return;
        }
        spawn_local(async move {
            let written = window().navigator().clipboard().write_text(&link);
            if JsFuture::from(written).await.is_ok() {
                is_copied.set(true);
                set_timeout(
                    move || {
                        // The page may have been left.
                        let _ = is_copied.try_set(false);
                    },
                    CONFIRMATION,
                );
            }
        });
    };
    let icon = move || if is_copied.get() { TICK } else { LINK };
    let words = move || if is_copied.get() { "Link copied" } else { "Copy link" };
    view! {
        <button type="button" class="button needs-script copy-link" on:click=copy>
            <DrawnLive path=Signal::derive(move || icon().0.to_owned()) />
            <span aria-live="polite">
                {Signal::derive(move || words().to_owned())}
            </span>
        </button>
    }
}
