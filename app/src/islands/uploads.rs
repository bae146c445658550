//! A drop zone for files, with the progress of their uploads.

use leptos::ev;
use leptos::prelude::*;
use leptos::task::spawn_local;
use protocol::Phase;
use wasm_bindgen::JsCast;
use web_sys::{Element, Event, HtmlInputElement};

use crate::components::icon::{Drawn, Icon};
use crate::format::{bytes, count, plural};
use crate::picture::tree::thousandths;
use crate::uploads::{
    LocalFile, Totals, Upload, UploadState, Uploads, chosen_files, dropped_files,
};

/// The id of the field with the folder that files are put into.
pub const FOLDER: &str = "upload-folder";
/// The id of the field of the form of a new job with the folder of its files.
const PREFIX: &str = "prefix";

/// The choice of the form of a new job that its inputs are in the store.
const STORED: &str = "input[type=radio][value=prefix]";

/// Whether files are dragged, rather than a text or a link.
fn has_files(event: &web_sys::DragEvent) -> bool {
    let types = event.data_transfer().map(|transfer| transfer.types());
    types.is_some_and(|types| types.includes(&"Files".into(), 0))
}

/// Shows the part of the form of a new job that is about files, if the page has one.
fn choose_stored() {
    if let Ok(Some(choice)) = document().query_selector(STORED) {
        choice.unchecked_into::<HtmlInputElement>().click();
    }
}

/// Takes files and folders by drop or choice, and uploads them into a folder of the store.
/// Hidden without JavaScript. Once all are stored, the field of the form of a new job is
/// filled in, if the page has one.
#[island]
pub fn UploadZone(
    /// The folder that files are put into at first.
    folder: String,
) -> impl IntoView {
    let uploads = Uploads::new();
    let is_over = RwSignal::new(false);
    let folder = RwSignal::new(folder);
    let prefix = move || {
        let typed = folder.get_untracked();
        let typed = typed.trim().trim_matches('/');
        if typed.is_empty() { String::new() } else { format!("{typed}/") }
    };
    let add = move |files: Vec<LocalFile>| uploads.add(&prefix(), files);
    let chosen = move |event: Event| {
        if let Some(input) = event.target() {
            add(chosen_files(&input));
        }
    };
    let dropped = move |event: web_sys::DragEvent| {
        is_over.set(false);
        if has_files(&event) {
            event.prevent_default();
            spawn_local(async move { add(dropped_files(&event).await) });
        }
    };
    let dragged = move |event: web_sys::DragEvent| {
        if has_files(&event) {
            event.prevent_default();
            if !is_over.get_untracked() {
                // The zone may be on a part of the form that is not shown.
                choose_stored();
                is_over.set(true);
            }
        }
    };
    // The whole page takes files: a browser would leave it for one that is dropped beside
    // the zone. Effects run only in the browser.
    Effect::new(move || {
        let listeners = [
            window_event_listener(ev::drop, dropped),
            window_event_listener(ev::dragover, dragged),
            window_event_listener(ev::dragleave, move |_| is_over.set(false)),
        ];
        on_cleanup(move || listeners.into_iter().for_each(WindowListenerHandle::remove));
    });
    let totals = uploads.totals;
    let is_stored =
        Memo::new(move |_| totals.with(|totals| totals.is_over() && totals.failed_files == 0));
    Effect::new(move || {
        if is_stored.get() {
            fill_in(&prefix());
        }
    });
    let summary = Signal::derive(move || totals.with(in_words));
    view! {
        <div class="uploads needs-script">
            <div
                class="drop-zone"
                data-over=Signal::derive(move || is_over.get().to_string())
            >
                <p>"Drop files or a folder here"</p>
                <div class="drop-buttons">
                    <label class="button small">
                        "Choose files"
                        <input type="file" multiple class="visually-hidden" on:change=chosen />
                    </label>
                    <label class="button small">
                        "Choose a folder"
                        <input
                            type="file"
                            prop:webkitdirectory=true
                            multiple
                            class="visually-hidden"
                            on:change=chosen
                        />
                    </label>
                </div>
                <p class="field inline">
                    <label for=FOLDER>"Into folder"</label>
                    <input id=FOLDER bind:value=folder autocomplete="off" spellcheck="false" />
                </p>
            </div>
            <p class="upload-summary" role="status">{summary}</p>
            <progress
                class="whole"
                max="1000"
                value=Signal::derive(move || totals.with(|totals| {
                    thousandths(totals.stored_bytes as f64 / totals.bytes.max(1) as f64).to_string()
                }))
                aria-label="Upload of all files"
                hidden=Signal::derive(move || totals.with(|totals| totals.files == 0))
            ></progress>
            <ul class="upload-list">
                <For
                    each=move || uploads.shown.get()
                    key=|upload| upload.with_untracked(|upload| upload.path.clone())
                    children=|upload| view! { <UploadRow upload=RwSignal::from(upload) /> }
                />
            </ul>
        </div>
    }
}

/// A file that is being uploaded, or whose upload has failed.
#[component]
fn UploadRow(upload: RwSignal<Upload>) -> impl IntoView {
    let text = move |text: fn(&Upload) -> String| Signal::derive(move || upload.with(text));
    let path = upload.with_untracked(|upload| upload.path.clone());
    let state = text(|upload| {
        match upload.state {
            UploadState::Sending => "running",
            UploadState::Waiting => "waiting",
            UploadState::Failed(_) => "failed",
        }
        .to_owned()
    });
    let words = text(|upload| match &upload.state {
        UploadState::Sending => bytes(upload.bytes),
        UploadState::Waiting => "cut off; again in a moment".to_owned(),
        UploadState::Failed(why) => why.clone(),
    });
    let is_failed =
        Signal::derive(move || upload.with(|it| matches!(it.state, UploadState::Failed(_))));
    let is_well = Signal::derive(move || !is_failed.get());
    view! {
        <li class="upload" data-state=state>
            <span class="upload-name">{path}</span>
            <span class="hint">
                <span hidden=is_well>
                    <Drawn icon=Icon::of_phase(Phase::Failed) />
                </span>
                {words}
            </span>
            <progress
                max="1000"
                value=text(|upload| {
                    thousandths(upload.sent_bytes as f64 / upload.bytes.max(1) as f64).to_string()
                })
                aria-label="Upload of the file"
                hidden=is_failed
            ></progress>
        </li>
    }
}

/// How far the uploads are.
fn in_words(totals: &Totals) -> String {
    let files = plural(totals.files, "file", "files");
    if totals.files == 0 {
        return String::new();
    }
    if totals.is_over() && totals.failed_files == 0 {
        return format!("{files} stored, {}.", bytes(totals.bytes));
    }
    let failed = match totals.failed_files {
        0 => String::new(),
        failed => format!("; {} failed", count(failed)),
    };
    format!(
        "{} of {files} stored, {} of {}{failed}.",
        count(totals.stored_files),
        bytes(totals.stored_bytes),
        bytes(totals.bytes)
    )
}

/// Fills the folder into the form of a new job; a page without one is shown anew, with the
/// files.
fn fill_in(prefix: &str) {
    let field = document().get_element_by_id(PREFIX);
    match field.and_then(|field: Element| field.dyn_into::<HtmlInputElement>().ok()) {
        Some(field) => {
            field.set_value(prefix);
            // As if it was typed: the plan follows.
            if let Ok(typed) = Event::new("input") {
                let _ = window().dispatch_event(&typed);
            }
        }
        None => {
            let prefix = web_sys::js_sys::encode_uri_component(prefix);
            let _ = window().location().set_href(&format!("/files?prefix={prefix}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uploads_are_told_in_words() {
        let totals = Totals { files: 2, bytes: 3000, ..Totals::default() };
        assert_eq!(in_words(&Totals::default()), "");
        let words = |totals: &Totals| in_words(totals).replace('\u{a0}', " ");
        assert_eq!(words(&totals), "0 of 2 files stored, 0 B of 3.00 kB.");
        let stored = Totals { stored_files: 2, stored_bytes: 3000, ..totals };
        assert_eq!(words(&stored), "2 files stored, 3.00 kB.");
        let failed = Totals { stored_files: 1, stored_bytes: 1000, failed_files: 1, ..totals };
        assert_eq!(words(&failed), "1 of 2 files stored, 1.00 kB of 3.00 kB; 1 failed.");
        assert!(failed.is_over() && !totals.is_over() && !Totals::default().is_over());
    }
}
