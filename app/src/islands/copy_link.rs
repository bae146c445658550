//! The link to share.

use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen_futures::JsFuture;

use crate::components::icon::{DrawnLive, LINK, TICK};

/// How long it says that the link was copied.
const SAY_COPIED: Duration = Duration::from_secs(2);

/// Copies the address of the page, which is the link to share. Without
/// JavaScript it is not there; the address is in the browser's own bar.
#[island]
pub fn CopyLink() -> impl IntoView {
    let is_copied = RwSignal::new(false);
    let copy = move |_| {
        let Ok(link) = window().location().href() else {
            return;
        };
        // Browsers hand out the clipboard over HTTPS and on this machine only.
        if !window().is_secure_context() {
            let _ = window().prompt_with_message_and_default("The link to this page:", &link);
            return;
        }
        spawn_local(async move {
            let written = window().navigator().clipboard().write_text(&link);
            if JsFuture::from(written).await.is_ok() {
                is_copied.set(true);
                set_timeout(
                    move || {
                        // The page may be gone.
                        let _ = is_copied.try_set(false);
                    },
                    SAY_COPIED,
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
