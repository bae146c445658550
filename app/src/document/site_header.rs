//! The header of every page.

use leptos::prelude::*;
use leptos_router::components::A;

use super::session::Session;
use crate::islands::theme_toggle::ThemeToggle;

/// The header of every page: the logo, the navigation and the theme toggle.
#[component]
pub fn SiteHeader() -> impl IntoView {
    view! {
        <header class="site-header">
            <A href="/" attr:class="brand">
                <svg class="brand-logo" viewBox="0 0 20 20" aria-hidden="true">
                    <rect x="0" y="0" width="5" height="5" rx="1" />
                    <rect x="7.5" y="0" width="5" height="5" rx="1" />
                    <rect x="15" y="0" width="5" height="5" rx="1" />
                    <rect x="0" y="7.5" width="12.5" height="5" rx="1" />
                    <rect x="15" y="7.5" width="5" height="5" rx="1" />
                    <rect x="0" y="15" width="20" height="5" rx="1" />
                </svg>
                <span>"distributed" <wbr /> "-average"</span>
            </A>
            <nav aria-label="Main">
                <A href="/" exact=true>
                    "Overview"
                </A>
                <A href="/jobs" exact=true>
                    "History"
                </A>
                <A href="/files" exact=true>
                    "Files"
                </A>
                <a href="/api/openapi.json">
                    "API"
                </a>
            </nav>
            <Session />
            <ThemeToggle />
        </header>
    }
}
