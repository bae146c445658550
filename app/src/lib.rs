//! The dashboard: rendered by the server, with islands that live in the browser.
//!
//! In reading order:
//!
//! - [`mount`]: the pages as routes of an axum server.
//! - [`document`]: the HTML document and the routes.
//! - [`pages`]: one for each route; pages own the resources.
//! - [`islands`]: the parts of pages that change once they are there.
//! - [`components`]: what islands are made of, one to a file.
//! - [`calls`]: all that a page asks the server, as server functions.
//! - [`backend`]: what the server has to offer for them.
//! - [`form`]: the form of a new job, from what was typed to a request.
//! - [`live`]: server-sent events, which change an island once it is there.
//! - [`keyed`]: lists whose rows change one by one.
//! - [`json`]: JSON, read by the browser's own parser.
//! - [`clock`]: what time it is, the same in the server and the browser.
//! - [`paths`]: where things are on the site.
//! - [`format`](mod@format): numbers, bytes, durations and dates as text.
//! - [`picture`]: the layout of plots, pictures and the sum tree.
//!
//! # Invariants
//!
//! - **A page is complete without JavaScript,** and live with it. Every form
//!   posts and every page shows its state before any script has run.
//! - **What the server renders, the browser renders again.** No time zone, no
//!   locale and no clock of the browser enters the first render.
//! - **The browser downloads the islands and nothing else.** Pages, forms and
//!   routes are the server's; a link or a form loads a page. In an island, what
//!   changes is a [`Signal`](leptos::prelude::Signal) rather than a closure: each
//!   closure in a view is code of its own, a signal of text is one for all.
//! - **The app never meets the scheduler,** only [`protocol`].

// A page is one type, nested as deeply as its elements.
#![recursion_limit = "256"]

pub mod clock;
pub mod components;
pub mod format;
pub mod islands;
pub mod json;
pub mod keyed;
pub mod live;
pub mod paths;
pub mod picture;

#[cfg(feature = "ssr")]
pub mod backend;
#[cfg(feature = "ssr")]
pub mod calls;
#[cfg(feature = "ssr")]
pub mod document;
#[cfg(feature = "ssr")]
pub mod form;
#[cfg(feature = "ssr")]
pub mod mount;
#[cfg(feature = "ssr")]
pub mod pages;

/// Makes the browser ready for the islands, which then come to life one by one.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    leptos::mount::hydrate_islands();
}
