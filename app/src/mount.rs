//! The pages as routes of an axum server.
//!
//! They are in this crate so that the views, which are large types, are not compiled
//! again with every change of the server.

use std::sync::{Arc, LazyLock};

use axum::Router;
use leptos::config::LeptosOptions;
use leptos::prelude::{AnyView, IntoAny, provide_context};
use leptos_axum::{AxumRouteListing, ErrorHandler, LeptosRoutes, generate_route_list};

use crate::backend::Backend;
use crate::document::{App, shell};
use crate::notices::Notices;

/// The routes of the pages, generated once in a process. While Leptos generates them, no
/// resource of the whole process loads: a page that another server of the process renders
/// at that time would never be complete (leptos issue 4773).
static PAGES: LazyLock<Vec<AxumRouteListing>> =
    LazyLock::new(|| generate_route_list(|| App().into_any()));

/// The routes of all pages and server functions, with a fallback page for unknown
/// addresses.
///
/// No path leads to a file. What browsers download is served by the server, from the
/// folder of the bundle and nowhere else.
pub fn routes(options: LeptosOptions, backend: Arc<dyn Backend>) -> Router {
    let notices = Notices::default();
    let context = move || {
        provide_context(backend.clone());
        provide_context(notices.clone());
    };
    let page = {
        let options = options.clone();
        move || whole_page(options.clone())
    };
    let not_found = ErrorHandler::new_with_context(context.clone(), whole_page, options.clone());
    Router::new()
        .leptos_routes_with_context(&options, PAGES.clone(), context, page)
        .fallback_service(not_found)
        .with_state(options)
}

/// Erases the type of the page, so that the rendering of responses is compiled once.
fn whole_page(options: LeptosOptions) -> AnyView {
    shell(options).into_any()
}
