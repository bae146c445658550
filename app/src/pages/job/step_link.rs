//! A link to another part of a result.

use leptos::prelude::*;

/// A link that zooms, moves or turns a page. One that leads nowhere stays in its place, so
/// that its neighbours do not move.
#[component]
pub fn StepLink(
    /// The id of the link.
    name: &'static str,
    /// Its text.
    label: &'static str,
    /// Where it leads to.
    href: Option<String>,
) -> impl IntoView {
    let is_off = href.is_none().then_some("true");
    view! {
        <a
            class="button small"
            role="link"
            id=name
            data-view="true"
            href=href
            aria-disabled=is_off
        >
            {label}
        </a>
    }
}
