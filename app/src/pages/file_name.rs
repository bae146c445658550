//! The location of an input file.

use leptos::prelude::*;
use protocol::Role;

use crate::backend::caller_may;
use crate::paths::{files_path, parent};

/// The location of an input, whose folder in the store is a link to its page. What lies
/// elsewhere, and generated files, are in no folder that is shown.
#[component]
pub fn FileName(
    /// The key in the store, or the location elsewhere.
    location: String,
) -> impl IntoView {
    let folder = parent(&location).to_owned();
    let is_elsewhere = location.contains("://");
    let is_generated = location.starts_with("jobs/");
    if is_elsewhere || is_generated || folder.is_empty() || !caller_may(Role::View) {
        return view! { <code>{location}</code> }.into_any();
    }
    view! {
        <a href=files_path(&folder)>
            <code>{location}</code>
        </a>
    }
    .into_any()
}
