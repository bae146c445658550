//! The downloads of a result.

use leptos::prelude::*;
use protocol::JobId;
use protocol::request::{Choice, Statistic};
use protocol::result::StoredFile;

use crate::components::icon::{DOWNLOAD, Drawn};
use crate::format::bytes;

/// The downloads of the mean or of a statistic, and the size of the .npy file.
#[component]
pub fn Downloads(
    /// The id of the job.
    id: JobId,
    /// The statistic; `None` for the mean.
    statistic: Option<Statistic>,
    /// The stored file, if it is known.
    file: Option<StoredFile>,
) -> impl IntoView {
    let what = statistic.map_or("mean", Statistic::word);
    let query = statistic.map_or_else(String::new, |it| format!("&statistic={}", it.word()));
    let size = file.map(|file| view! { <span class="hint">{bytes(file.bytes)}</span> });
    let links = [("npy", ".npy"), ("csv", ".csv"), ("json", ".json")].map(|(format, label)| {
        view! {
            <a
                class="button"
                download=""
                href=format!("/api/jobs/{id}/result?format={format}{query}")
                aria-label=format!("Download the {what} as {label}")
            >
                <Drawn icon=DOWNLOAD />
                {label}
            </a>
        }
    });
    view! { <div class="downloads">{size} {links.collect_view()}</div> }
}
