//! The downloads of a result.

use leptos::prelude::*;
use protocol::JobId;
use protocol::request::{Choice, Statistic};
use protocol::result::StoredFile;

use crate::components::icon::{DOWNLOAD, Drawn};
use crate::format::bytes;

/// The downloads of the mean or of a statistic, and the sizes of the stored files.
#[component]
pub fn Downloads(
    /// The id of the job.
    id: JobId,
    /// The statistic; `None` for the mean.
    statistic: Option<Statistic>,
    /// The stored .npy file, if it is known.
    file: Option<StoredFile>,
    /// The stored safetensors file, if the inputs are such files.
    safetensors: Option<StoredFile>,
    /// The stored NetCDF file, if the inputs are such files.
    netcdf: Option<StoredFile>,
) -> impl IntoView {
    let what = statistic.map_or("mean", Statistic::word);
    let query = statistic.map_or_else(String::new, |it| format!("&statistic={}", it.word()));
    // What the inputs are comes first.
    let size =
        safetensors.as_ref().or(netcdf.as_ref()).or(file.as_ref()).map(|file| bytes(file.bytes));
    let size = size.map(|size| view! { <span class="hint">{size}</span> });
    let model = safetensors.map(|_| ("safetensors", ".safetensors"));
    let model = model.or(netcdf.map(|_| ("netcdf", ".nc")));
    let formats = [("npy", ".npy"), ("csv", ".csv"), ("json", ".json")];
    let links = model.into_iter().chain(formats).map(|(format, label)| {
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
