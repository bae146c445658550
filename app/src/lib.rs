//! The dashboard: rendered by the server, then brought to life in the browser.
//!
//! In reading order:
//!
//! - [`document`]: the HTML document, the routes, and how a browser takes over.
//! - [`pages`]: one for each route; pages own the resources.
//! - [`components`]: functions of their props, one to a file.
//! - [`calls`]: all that a page asks the server, as server functions.
//! - [`backend`]: what the server has to offer for them (server only).
//! - [`live`]: server-sent events, which change a page once it is there.
//! - [`keyed`]: lists whose rows change one by one.
//! - [`form`]: the form of a new job, from what was typed to a request.
//! - [`clock`]: what time it is, the same in the server and the browser.
//! - [`format`](mod@format): numbers, bytes, durations and dates as text.
//! - [`picture`]: the layout of plots, pictures and the sum tree.
//!
//! # Invariants
//!
//! - **A page is complete without JavaScript,** and live with it. Every form
//!   posts and every page shows its state before any script has run.
//! - **What the server renders, the browser renders again.** No time zone, no
//!   locale and no clock of the browser enters the first render.
//! - **The app never meets the scheduler,** only [`protocol`].

pub mod calls;
pub mod clock;
pub mod components;
pub mod document;
pub mod form;
pub mod format;
pub mod keyed;
pub mod live;
pub mod pages;
pub mod picture;

#[cfg(feature = "ssr")]
pub mod backend;

pub use document::{App, shell};

/// Takes over the page that the server has rendered.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    leptos::mount::hydrate_body(App);
}
