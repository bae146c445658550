//! The files of the store: folders, sizes, uploads and deletion.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::A;
use leptos_router::hooks::use_query_map;
use leptos_router::params::ParamsMap;
use protocol::files::{Folder, FolderPage, ObjectContent, StoredObject};
use protocol::{Role, Timestamp};

use super::not_found::Missing;
use super::table::Table;
use crate::backend::caller_may;
use crate::calls::{self, DeleteFiles, FolderData};
use crate::clock::AsOf;
use crate::components::icon::{Drawn, TRASH};
use crate::components::problem_card::ProblemCard;
use crate::format::{bytes, count, new_folder, plural};
use crate::islands::uploads::UploadZone;
use crate::notices;
use crate::paths::{files_path, object_path, parent, search_path};

/// The files of a folder of the store.
#[component]
pub fn FilesPage() -> impl IntoView {
    let query = use_query_map();
    let prefix = move || query.with(|query| query.get("prefix").unwrap_or_default());
    let page = Resource::new(prefix, async |prefix| calls::browse(&prefix).await);
    view! {
        <Title text="Files" />
        <Suspense>
            {move || Suspend::new(async move {
                match page.await {
                    Ok(page) => view! { <Files page /> }.into_any(),
                    Err(error) => view! { <Missing problem=error.0 /> }.into_any(),
                }
            })}
        </Suspense>
    }
}

#[component]
fn Files(page: AsOf<FolderData>) -> impl IntoView {
    let AsOf { at, value: FolderData { page, contents } } = page;
    let uploads =
        caller_may(Role::Submit).then(|| view! { <UploadCard at prefix=page.prefix.clone() /> });
    view! {
        <div class="files-page">
            <FolderCard page contents />
            {uploads}
        </div>
    }
}

/// A folder: the way to it, the folders in it, and its files.
#[component]
fn FolderCard(page: FolderPage, contents: Vec<Option<ObjectContent>>) -> impl IntoView {
    let FolderPage { prefix, folders, files, is_whole } = page;
    let may_delete = caller_may(Role::Admin);
    let is_empty = folders.is_empty() && files.is_empty();
    let (all_files, all_bytes) = folders
        .iter()
        .map(|folder| (folder.files, folder.bytes))
        .chain(files.iter().map(|file| (1, file.bytes)))
        .fold((0, 0), |(files, sum), (more, bytes)| (files + more, sum + bytes));
    let least = if is_whole { "" } else { "more than " };
    let sums = format!("{least}{}, {}", plural(all_files, "file", "files"), bytes(all_bytes));
    let use_folder = (!is_empty && caller_may(Role::Submit)).then(|| {
        let words = if prefix.is_empty() { "Use the whole store" } else { "Use this folder" };
        let whole = if prefix.is_empty() { "/" } else { &prefix };
        view! {
            <a class="button primary small" href=job_of(whole)>
                {words}
            </a>
        }
    });
    let jobs = (!is_empty && !prefix.is_empty())
        .then(|| view! { <a href=search_path(&prefix)>"Jobs that read it"</a> });
    let problem = notices::shown().map(|problem| view! { <ProblemCard problem=Some(problem) /> });
    let folders =
        folders.into_iter().map(|folder| view! { <FolderRow folder may_delete /> }).collect_view();
    let files = files
        .into_iter()
        .zip(contents)
        .map(|(file, content)| view! { <FileRow file content may_delete /> })
        .collect_view();
    let table = (!is_empty).then(|| {
        view! {
            <Table label="Files" columns=vec!["Name", "Files", "Type", "Shape", "Size"] actions="Actions">
                {folders} {files}
            </Table>
        }
    });
    view! {
        <section class="card folder" aria-labelledby="folder-heading">
            <header class="card-header">
                <h1 id="folder-heading">"Files"</h1>
                <span class="hint">{sums}</span>
                {use_folder}
                {jobs}
                <a class="card-header-link" href="/#new-job">
                    "Back to the new job"
                </a>
            </header>
            {problem}
            <Way prefix />
            {table}
            <p class="empty" hidden=!is_empty>
                "No files here. Drop some, or a folder of them."
            </p>
        </section>
    }
}

/// The way from the store to a folder, as links.
#[component]
fn Way(prefix: String) -> impl IntoView {
    let ends = prefix.match_indices('/').map(|(at, _)| at + 1);
    let steps = ends
        .map(|end| {
            let folder = &prefix[..end];
            let name = folder[parent(folder).len()..].to_owned();
            view! {
                <A href=files_path(folder)>
                    <code>{name}</code>
                </A>
            }
        })
        .collect_view();
    view! {
        <p class="breadcrumb">
            <A href="/files">"Store"</A>
            <span aria-hidden="true">"/"</span>
            {steps}
        </p>
    }
}

#[component]
fn FolderRow(folder: Folder, may_delete: bool) -> impl IntoView {
    let name = folder.prefix[parent(&folder.prefix).len()..].to_owned();
    let what =
        format!("the folder {} with {}", folder.prefix, plural(folder.files, "file", "files"));
    let delete = may_delete.then(|| view! { <DeleteForm key=folder.prefix.clone() what /> });
    view! {
        <tr>
            <td>
                <A href=files_path(&folder.prefix)>
                    <code>{name}</code>
                </A>
            </td>
            <td class="number">{count(folder.files)}</td>
            <td></td>
            <td></td>
            <td class="number">{bytes(folder.bytes)}</td>
            <td>{delete}</td>
        </tr>
    }
}

#[component]
fn FileRow(file: StoredObject, content: Option<ObjectContent>, may_delete: bool) -> impl IntoView {
    let ObjectContent { format, shape } = content.unwrap_or_default();
    let shape = shape.into_iter().map(count).collect::<Vec<_>>().join(" × ");
    let name = file.key[parent(&file.key).len()..].to_owned();
    let what = format!("the file {}", file.key);
    let delete = may_delete.then(|| view! { <DeleteForm key=file.key.clone() what /> });
    view! {
        <tr>
            <td>
                <a href=object_path(&file.key) download=name>
                    <code>{name.clone()}</code>
                </a>
            </td>
            <td></td>
            <td>{format}</td>
            <td class="number">{shape}</td>
            <td class="number">{bytes(file.bytes)}</td>
            <td>{delete}</td>
        </tr>
    }
}

/// A form that deletes an object or a folder, behind a confirmation that works without
/// JavaScript.
#[component]
fn DeleteForm(key: String, what: String) -> impl IntoView {
    let delete = ServerAction::<DeleteFiles>::new();
    view! {
        <details class="delete-file">
            <summary aria-label=format!("Delete {what}")>
                <Drawn icon=TRASH />
            </summary>
            <ActionForm action=delete>
                <input type="hidden" name="key" value=key />
                <button type="submit" class="button danger small">
                    "Delete permanently"
                </button>
            </ActionForm>
        </details>
    }
}

/// The uploads into a folder: a drop zone, and without JavaScript a form.
#[component]
fn UploadCard(at: Timestamp, prefix: String) -> impl IntoView {
    let folder = if prefix.is_empty() { new_folder(at) } else { prefix };
    view! {
        <section class="card upload-card" aria-labelledby="upload-heading">
            <header class="card-header">
                <h2 id="upload-heading">"Upload"</h2>
            </header>
            <UploadZone folder=folder.clone() />
            <form
                class="upload-form without-script"
                method="post"
                action="/files/upload"
                enctype="multipart/form-data"
            >
                // Before the files, whose keys it begins.
                <div class="field">
                    <label for="form-folder">"Into folder"</label>
                    <input id="form-folder" name="folder" value=folder autocomplete="off" />
                </div>
                <div class="field">
                    <label for="form-files">"Files"</label>
                    <input id="form-files" name="files" type="file" multiple required />
                </div>
                <button type="submit" class="button primary">
                    "Upload"
                </button>
            </form>
        </section>
    }
}

/// The address of the form of a new job with a folder filled in.
fn job_of(prefix: &str) -> String {
    let mut query = ParamsMap::new();
    query.insert("source", "prefix".to_owned());
    query.insert("prefix", prefix.to_owned());
    format!("/{}#new-job", query.to_query_string())
}
