//! A button that switches between the light and the dark theme.

use leptos::prelude::*;

use crate::components::icon::{Drawn, THEME};

/// Switches between the light and the dark theme, and remembers the choice. Before it
/// is used, the theme of the system applies. It is hidden without JavaScript.
#[island]
pub fn ThemeToggle() -> impl IntoView {
    let toggle = move |_| {
        let theme = if is_dark() { "light" } else { "dark" };
        if let Some(root) = document().document_element() {
            let _ = root.set_attribute("data-theme", theme);
        }
        // A browser may deny storage; the theme then applies to this page only.
        if let Ok(Some(storage)) = window().local_storage() {
            let _ = storage.set_item("theme", theme);
        }
    };
    view! {
        <button
            type="button"
            class="theme-toggle needs-script"
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
