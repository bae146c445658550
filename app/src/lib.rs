//! The dashboard: pages rendered by the server, with islands that run in the browser.
//!
//! In reading order:
//!
//! - [`mount`]: the pages as routes of an axum server.
//! - [`document`]: the HTML document and the routes.
//! - [`pages`]: one per route; pages own the resources.
//! - [`islands`]: the parts of pages that the browser updates.
//! - [`components`]: the components of islands, one per file.
//! - [`calls`]: the server functions.
//! - [`backend`]: the interface of the server that they use.
//! - [`form`]: the form of a new job, from typed texts to a request.
//! - [`filter`]: the filter of the list of jobs.
//! - [`selection`]: the jobs that are ticked in it.
//! - `notices`: messages about forms that were refused.
//! - `content_policy`: what a page may load and run.
//! - [`live`]: server-sent events, which update the islands.
//! - [`keyed`]: lists whose rows are updated separately.
//! - [`json`]: JSON, parsed by the browser.
//! - [`clock`]: the current time, the same in the server and the browser.
//! - [`away`]: what a page does while the server is away.
//! - [`fetch`]: other requests of the browser.
//! - [`paths`]: the paths of pages and event streams.
//! - [`format`](mod@format): numbers, bytes, durations and dates as text.
//! - `inspection`: what is known of one worker, and of one task.
//! - [`lately`]: what the workers have done lately, for all jobs.
//! - `result_query`: what a page of a result was asked to show.
//! - `report`: the report of a job, as one file.
//! - [`run_log`]: what happened to a job, in words.
//! - `snippets`: a request with curl, in Python and by the command line.
//! - [`uploads`]: uploads of a user's files.
//! - [`picture`]: the layout of plots, images and the sum tree.
//!
//! # Invariants
//!
//! - **A page is complete without JavaScript,** and live with it. Every form
//!   posts, and every page shows its state before any script has run.
//! - **The first render in the browser equals the server's.** It depends on no time
//!   zone, locale or clock of the browser.
//! - **The browser downloads only the islands.** The server renders pages, forms and
//!   routes; a link or a form loads a page. Values that change in an island are
//!   [`Signal`](leptos::prelude::Signal)s rather than closures: each closure in a
//!   view compiles to code of its own, while signals of text share theirs.
//! - **The app does not depend on the scheduler,** only on [`protocol`].

// A page is one type, nested as deep as its elements.
#![recursion_limit = "256"]

pub mod away;
pub mod clock;
pub mod components;
pub mod fetch;
pub mod format;
pub mod islands;
pub mod json;
pub mod keyed;
pub mod live;
pub mod paths;
pub mod picture;
pub mod run_log;
pub mod uploads;

#[cfg(feature = "ssr")]
pub mod backend;
#[cfg(feature = "ssr")]
pub mod calls;
#[cfg(feature = "ssr")]
mod content_policy;
#[cfg(feature = "ssr")]
pub mod document;
#[cfg(feature = "ssr")]
pub mod filter;
#[cfg(feature = "ssr")]
pub mod form;
#[cfg(feature = "ssr")]
pub mod inspection;
#[cfg(feature = "ssr")]
pub mod lately;
#[cfg(feature = "ssr")]
pub mod mount;
#[cfg(feature = "ssr")]
mod notices;
#[cfg(feature = "ssr")]
pub mod pages;
#[cfg(feature = "ssr")]
pub mod report;
#[cfg(feature = "ssr")]
pub mod result_query;
#[cfg(feature = "ssr")]
pub mod selection;
#[cfg(feature = "ssr")]
pub mod snippets;

/// Starts the islands. The browser calls it once the page is loaded.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    leptos::mount::hydrate_islands();
    if let Some(body) = leptos::prelude::document().body() {
        islands::parts::local_numbers(&body);
    }
}
