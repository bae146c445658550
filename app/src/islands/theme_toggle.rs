//! Light or dark.

use leptos::prelude::*;

use crate::components::icon::{Drawn, THEME};

/// Turns to the colours that are not shown now, and remembers them. Until it is
/// used the system's choice holds; without JavaScript it is not there.
#[island]
pub fn ThemeToggle() -> impl IntoView {
    let toggle = move |_| {
        let theme = if is_dark() { "light" } else { "dark" };
        if let Some(root) = document().document_element() {
            let _ = root.set_attribute("data-theme", theme);
        }
        // A browser may refuse storage; the theme then holds for this page.
        if let Ok(Some(storage)) = window().local_storage() {
            let _ = storage.set_item("theme", theme);
        }
    };
    view! {
        <button
            type="button"
            class="theme-toggle needs-script"
            title="Light or dark"
            aria-label="Switch between light and dark"
            on:click=toggle
        >
            <Drawn icon=THEME />
        </button>
    }
}

fn is_dark() -> bool {
    let chosen = document().document_element().and_then(|root| root.get_attribute("data-theme"));
    match chosen.as_deref() {
        Some("dark") => true,
        Some("light") => false,
        _ => window()
            .match_media("(prefers-color-scheme: dark)")
            .ok()
            .flatten()
            .is_some_and(|query| query.matches()),
    }
}
