//! Input objects: upload, list, download, delete.

use axum::Json;
use axum::body::{Body, BodyDataStream};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use futures::{StreamExt, TryStreamExt};
use platform::StoreError;
use protocol::problem::{Problem, ProblemKind};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::body::{KeyInPath, Parameters, broken_off, discard};
use super::content_digest::ContentDigest;
use super::problem_response::{Failed, ProblemResponse};
use crate::engine::{check_readable, check_users};
use crate::keys::{check_prefix, is_own};

/// The path of their list, and of forms with many of them.
pub(super) const LIST_PATH: &str = "/api/files";
/// The path of the objects.
pub(super) const PATH: &str = "/api/files/";
/// The default and the largest page of objects.
const PAGE_FILES: usize = 1000;

/// The parameters of `GET /api/files`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParameters {
    /// The prefix of the keys to list.
    #[serde(default)]
    prefix: String,
    /// The `cursor` of the previous page: its last key.
    cursor: Option<String>,
    /// The largest number of objects to return, from 1 to 1,000; 1,000 by default.
    limit: Option<usize>,
}

/// A page of the list of objects.
#[derive(Serialize, ToSchema)]
pub(super) struct FilePage {
    /// The objects, in the order of their keys.
    files: Vec<File>,
    /// What to pass as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// An object of the store.
#[derive(Serialize, ToSchema)]
pub(super) struct File {
    /// Its key in the store.
    pub(super) key: String,
    /// Its size in bytes.
    pub(super) bytes: u64,
}

/// List objects of the store.
///
/// The program's own objects are listed only for a `prefix` that names them.
#[utoipa::path(
    get,
    path = "/api/files",
    operation_id = "list_files",
    tag = "files",
    params(ListParameters),
    responses(
        (status = 200, description = "A page of objects", body = FilePage),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn list(
    State(shared): State<Shared>,
    Parameters(ListParameters { prefix, cursor, limit }): Parameters<ListParameters>,
) -> Result<Json<FilePage>, ProblemResponse> {
    check_prefix(&prefix)?;
    let limit = limit.unwrap_or(PAGE_FILES).clamp(1, PAGE_FILES);
    let wants_own = is_own(&prefix);
    let listing = shared.engine.store().list(&prefix).try_filter(|object| {
        let is_shown = wants_own || !is_own(&object.key);
        let is_later = cursor.as_ref().is_none_or(|cursor| object.key > *cursor);
        futures::future::ready(is_shown && is_later)
    });
    let found: Vec<_> = listing
        .take(limit + 1)
        .map_ok(|object| File { key: object.key, bytes: object.bytes })
        .try_collect()
        .await
        .map_err(|error| error.own_problem("listing the objects").field("prefix"))?;
    let mut files: Vec<File> = found;
    let has_more = files.len() > limit;
    files.truncate(limit);
    let cursor = files.last().filter(|_| has_more).map(|file| file.key.clone());
    Ok(Json(FilePage { files, cursor }))
}

/// Upload an object of any size.
///
/// With `Content-Digest` (RFC 9530) it is stored only if it has that SHA-256.
#[utoipa::path(
    put,
    path = "/api/files/{*key}",
    operation_id = "upload_file",
    tag = "files",
    params(
        ("key" = String, Path, description = "The key of the object, including slashes",
         min_length = 1, pattern = "^(?!/)(?!.*//)(?!(.*/)?\\.{1,2}(/|$))[^\\x00-\\x1f\\x7f-\\x9f\\\\]+$"),
        ("Content-Digest" = Option<String>, Header,
         description = "`sha-256=:BASE64:`, with the SHA-256 of the whole content"),
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 201, description = "The object was stored", body = File),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn upload(
    State(shared): State<Shared>,
    KeyInPath(key): KeyInPath,
    digest: ContentDigest,
    request: Request,
) -> Result<impl IntoResponse, ProblemResponse> {
    let mut body = request.into_body().into_data_stream();
    let stored = store(&shared, key, digest, &mut body).await;
    if stored.is_err() {
        discard(&mut body).await;
    }
    Ok((StatusCode::CREATED, Json(stored?)))
}

async fn store(
    shared: &Shared,
    key: String,
    mut digest: ContentDigest,
    body: &mut BodyDataStream,
) -> Result<File, ProblemResponse> {
    check_users(&key)?;
    shared.engine.check_store()?;
    // The semaphore is never closed, so only the time can be over.
    let permit = timeout(shared.upload_wait_time, shared.uploads.acquire()).await;
    let _permit = permit.map_err(|_| too_many_uploads())?;
    let storing =
        |error: StoreError| ProblemResponse::from(error.own_problem("storing the object"));
    let mut object = shared.engine.store().upload(&key).await.map_err(storing)?;
    let mut bytes = 0_u64;
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| broken_off(&error, "the upload"))?;
        bytes += piece.len() as u64;
        digest.update(&piece);
        object.write(piece).await.map_err(storing)?;
    }
    digest.check()?;
    object.finish().await.map_err(storing)?;
    Ok(File { key, bytes })
}

/// Delete an object, or all objects below a key that ends in a slash.
///
/// A job that has planned to read one of them fails, and names it.
#[utoipa::path(
    delete,
    path = "/api/files/{*key}",
    operation_id = "delete_file",
    tag = "files",
    params(("key" = String, Path, description = "The key of the object, including slashes",
         min_length = 1, pattern = "^(?!/)(?!.*//)(?!(.*/)?\\.{1,2}(/|$))[^\\x00-\\x1f\\x7f-\\x9f\\\\]+$")),
    responses(
        (status = 204, description = "The object was deleted"),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn delete(
    State(shared): State<Shared>,
    KeyInPath(key): KeyInPath,
) -> Result<StatusCode, ProblemResponse> {
    shared.engine.delete_files(&key).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Refuses an upload that has waited for others in vain.
pub(super) fn too_many_uploads() -> ProblemResponse {
    Problem::new(ProblemKind::Unavailable, "too many uploads are under way")
        .remedy("send it again later; --max-uploads sets how many the server takes at once")
        .into()
}

/// Download an object.
///
/// The records of the program cannot be downloaded, the test data and results of jobs can.
#[utoipa::path(
    get,
    path = "/api/files/{*key}",
    operation_id = "download_file",
    tag = "files",
    params(("key" = String, Path, description = "The key of the object, including slashes",
         min_length = 1, pattern = "^(?!/)(?!.*//)(?!(.*/)?\\.{1,2}(/|$))[^\\x00-\\x1f\\x7f-\\x9f\\\\]+$")),
    responses(
        (status = 200, description = "The content of the object", body = Vec<u8>,
         content_type = "application/octet-stream"),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn read(
    State(shared): State<Shared>,
    KeyInPath(key): KeyInPath,
) -> Result<impl IntoResponse, ProblemResponse> {
    check_readable(&key)?;
    let reading =
        |error: StoreError| ProblemResponse::from(error.own_problem("reading the object"));
    let store = shared.engine.store().clone();
    let bytes = store.head(&key).await.map_err(reading)?.bytes;
    let pieces = reading::stream(store, key, 0..bytes);
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, bytes.to_string()),
    ];
    Ok((headers, Body::from_stream(pieces)))
}
