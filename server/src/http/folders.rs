//! The folders of the store as JSON, and files that a form sends.

use axum::Json;
use axum::extract::{Multipart, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use platform::StoreError;
use protocol::files::FolderPage;
use protocol::problem::{Problem, ProblemKind};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::body::{DISCARDED_BYTES_MAX, DISCARDING_TIME_MAX, Parameters};
use super::files::too_many_uploads;
use super::problem_response::{Failed, ProblemResponse};
use crate::engine::check_users;

/// The path that the form with files is sent to.
pub(super) const FORM_PATH: &str = "/files/upload";

/// The parameters of `GET /api/folders`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FolderParameters {
    /// The folder: empty for the whole store, or ending in a slash.
    #[serde(default)]
    prefix: String,
}

/// List the folders and objects directly below a prefix.
///
/// The program's own objects are left out. At most 1,000 folders and objects are listed,
/// and at most 100,000 objects counted.
#[utoipa::path(
    get,
    path = "/api/folders",
    operation_id = "list_folders",
    tag = "files",
    params(FolderParameters),
    responses(
        (status = 200, description = "The folders and objects", body = FolderPage),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn list(
    State(shared): State<Shared>,
    Parameters(FolderParameters { prefix }): Parameters<FolderParameters>,
) -> Result<Json<FolderPage>, ProblemResponse> {
    Ok(Json(shared.engine.browse(&prefix).await?))
}

/// Stores the files of a form, and leads to the page of their folder. Browsers send it
/// without JavaScript.
pub(super) async fn upload_form(
    State(shared): State<Shared>,
    form: Result<Multipart, axum::extract::multipart::MultipartRejection>,
) -> Response {
    match store_files(&shared, String::new(), form).await {
        Ok(StoredFiles { prefix: folder, .. }) => {
            let query = form_urlencoded::Serializer::new(String::new())
                .append_pair("prefix", &folder)
                .finish();
            Redirect::to(&format!("/files?{query}")).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

/// The parameters of `POST /api/files`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct UploadParameters {
    /// The folder that the names of the files lie in: empty for the store itself.
    #[serde(default)]
    prefix: String,
}

/// The files of a form.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its type is of interest")]
pub(super) struct FileForm {
    /// The files, each with its name, which may have folders. Other fields are ignored, but
    /// for `folder`, which is another way to write `prefix` and comes first.
    #[schema(value_type = Vec<String>, format = Binary)]
    file: Vec<Vec<u8>>,
}

/// What a form has stored.
#[derive(Default, Serialize, ToSchema)]
pub(super) struct StoredFiles {
    /// The folder of the objects.
    prefix: String,
    /// The number of objects that were stored.
    count: u64,
    /// Their size in bytes.
    bytes: u64,
}

/// Upload many objects in one request.
///
/// Each file of the form becomes an object whose key is `prefix` and its name. They are
/// stored one after the other: if the request is cut off, those before are there.
#[utoipa::path(
    post,
    path = "/api/files",
    operation_id = "upload_files",
    tag = "files",
    params(UploadParameters),
    request_body(content = FileForm, content_type = "multipart/form-data"),
    responses(
        (status = 201, description = "The objects were stored", body = StoredFiles),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn upload(
    State(shared): State<Shared>,
    Parameters(UploadParameters { prefix }): Parameters<UploadParameters>,
    form: Result<Multipart, axum::extract::multipart::MultipartRejection>,
) -> Result<(StatusCode, Json<StoredFiles>), ProblemResponse> {
    let stored = store_files(&shared, folder_of(&prefix), form).await?;
    if stored.count == 0 {
        return Err(not_a_form("the form has no file with a name"));
    }
    Ok((StatusCode::CREATED, Json(stored)))
}

/// Stores the files of a form in a folder, or in the one that a field before them names.
async fn store_files(
    shared: &Shared,
    folder: String,
    form: Result<Multipart, axum::extract::multipart::MultipartRejection>,
) -> Result<StoredFiles, ProblemResponse> {
    let mut form = form.map_err(|rejection| not_a_form(&rejection.body_text()))?;
    let stored = store_fields(shared, folder, &mut form).await;
    if stored.is_err() {
        discard(&mut form).await;
    }
    stored
}

/// Reads and forgets the rest of a form that is refused, as [`super::body::discard`] does.
async fn discard(form: &mut Multipart) {
    let mut bytes = 0;
    let fields = async {
        while let Ok(Some(mut field)) = form.next_field().await {
            while let Ok(Some(piece)) = field.chunk().await {
                bytes += piece.len();
                if bytes > DISCARDED_BYTES_MAX {
                    return;
                }
            }
        }
    };
    let _ = timeout(DISCARDING_TIME_MAX, fields).await;
}

async fn store_fields(
    shared: &Shared,
    folder: String,
    form: &mut Multipart,
) -> Result<StoredFiles, ProblemResponse> {
    shared.engine.check_store()?;
    let permit = timeout(shared.upload_wait_time, shared.uploads.acquire()).await;
    let _permit = permit.map_err(|_| too_many_uploads())?;
    let storing =
        |error: StoreError| ProblemResponse::from(error.own_problem("storing the object"));
    let broken = |error: axum::extract::multipart::MultipartError| not_a_form(&error.body_text());
    let mut stored = StoredFiles { prefix: folder, ..StoredFiles::default() };
    while let Some(mut field) = form.next_field().await.map_err(broken)? {
        if field.name() == Some("folder") {
            stored.prefix = folder_of(&field.text().await.map_err(broken)?);
            continue;
        }
        // A form without a chosen file sends one without a name.
        let Some(name) = field.file_name().filter(|name| !name.is_empty()) else {
            continue;
        };
        let key = format!("{}{}", stored.prefix, relative(name));
        check_users(&key)?;
        let mut object = shared.engine.store().upload(&key).await.map_err(storing)?;
        while let Some(piece) = field.chunk().await.map_err(broken)? {
            stored.bytes += piece.len() as u64;
            object.write(piece).await.map_err(storing)?;
        }
        object.finish().await.map_err(storing)?;
        stored.count += 1;
    }
    Ok(stored)
}

fn not_a_form(detail: &str) -> ProblemResponse {
    Problem::new(ProblemKind::InvalidRequest, detail)
        .remedy("send files as multipart/form-data, or PUT each of them to /api/files/KEY")
        .into()
}

/// The folder that a user has typed, with a slash at its end; empty for the store itself.
fn folder_of(typed: &str) -> String {
    let folder = relative(typed.trim());
    if folder.is_empty() { folder } else { format!("{folder}/") }
}

/// A name as a part of a key: without empty parts and those that lead upwards. A browser
/// sends the files of a folder with their paths in it.
fn relative(name: &str) -> String {
    let parts = name.split(['/', '\\']).filter(|part| !matches!(*part, "" | "." | ".."));
    parts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_below_their_folder() {
        assert_eq!(relative("a/b.npy"), "a/b.npy");
        assert_eq!(relative("../../jobs/./x"), "jobs/x");
        assert_eq!(relative("C:\\data\\a.csv"), "C:/data/a.csv");
        assert_eq!(folder_of(" in "), "in/");
        assert_eq!(folder_of("/in//deep/"), "in/deep/");
        assert_eq!(folder_of("/"), "");
    }
}
