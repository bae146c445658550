//! The folders of the store as JSON, and files that a form sends.

use axum::Json;
use axum::extract::{Multipart, State};
use axum::response::{IntoResponse, Redirect, Response};
use platform::StoreError;
use protocol::files::FolderPage;
use protocol::problem::{Problem, ProblemKind};
use serde::Deserialize;
use tokio::time::timeout;
use utoipa::IntoParams;

use super::Shared;
use super::body::Parameters;
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
    match store_files(&shared, form).await {
        Ok(folder) => {
            let query = form_urlencoded::Serializer::new(String::new())
                .append_pair("prefix", &folder)
                .finish();
            Redirect::to(&format!("/files?{query}")).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

/// Stores the files of a form; returns their folder.
async fn store_files(
    shared: &Shared,
    form: Result<Multipart, axum::extract::multipart::MultipartRejection>,
) -> Result<String, ProblemResponse> {
    let mut form = form.map_err(|rejection| not_a_form(&rejection.body_text()))?;
    let permit = timeout(shared.upload_wait_time, shared.uploads.acquire()).await;
    let _permit = permit.map_err(|_| too_many_uploads())?;
    let storing = |error: StoreError| ProblemResponse::from(error.problem("storing the object"));
    let broken = |error: axum::extract::multipart::MultipartError| not_a_form(&error.body_text());
    let mut folder = String::new();
    while let Some(mut field) = form.next_field().await.map_err(broken)? {
        if field.name() == Some("folder") {
            folder = folder_of(&field.text().await.map_err(broken)?);
            continue;
        }
        // A form without a chosen file sends one without a name.
        let Some(name) = field.file_name().filter(|name| !name.is_empty()) else {
            continue;
        };
        let key = format!("{folder}{}", relative(name));
        check_users(&key)?;
        let mut object = shared.engine.store().upload(&key).await.map_err(storing)?;
        while let Some(piece) = field.chunk().await.map_err(broken)? {
            object.write(piece).await.map_err(storing)?;
        }
        object.finish().await.map_err(storing)?;
    }
    Ok(folder)
}

fn not_a_form(detail: &str) -> ProblemResponse {
    Problem::new(ProblemKind::InvalidRequest, detail)
        .remedy("send the form of the page /files, or PUT each file to /api/files/KEY")
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
