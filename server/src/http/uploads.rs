//! Uploads that can be resumed.

use std::time::Duration;

use axum::Json;
use axum::body::BodyDataStream;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use platform::problems::internal;
use protocol::Timestamp;
use protocol::problem::{Problem, ProblemKind};
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::body::{JsonBody, Parameters, broken_off, discard};
use super::content_digest::ContentDigest;
use super::files::{File, too_many_uploads};
use super::problem_response::{Failed, ProblemResponse};
use super::unavailable::unless_store_is_missed;
use crate::engine::check_users;
use crate::uploads::{Appending, UploadId, UploadState};

/// The path of the uploads.
pub(super) const PATH: &str = "/api/uploads/";
/// How long a client may pause before what it has sent is kept: it may be gone.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// The header that tells how many bytes have arrived.
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");

/// The id of an upload in the path.
pub(super) struct UploadInPath(UploadId);

impl<S: Send + Sync> FromRequestParts<S> for UploadInPath {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        let id = text.map(|Path(text)| text).unwrap_or_default().parse();
        id.map(UploadInPath).map_err(ProblemResponse::from)
    }
}

/// The object that is uploaded.
#[derive(Deserialize, ToSchema)]
pub(super) struct NewUpload {
    /// The key of the object.
    #[schema(
        min_length = 1,
        pattern = "^(?!/)(?!.*//)(?!.*/$)(?!(.*/)?\\.{1,2}(/|$))[^\\x00-\\x1f\\x7f-\\x9f\\\\]+$"
    )]
    key: String,
    /// The size of the object in bytes, if it is known.
    #[serde(default)]
    bytes: Option<u64>,
}

/// An upload that is not finished, or was finished lately.
#[derive(Serialize, ToSchema)]
pub(super) struct UnfinishedUpload {
    /// Its id.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    id: String,
    /// The key of the object that it becomes.
    key: String,
    /// The size of the object in bytes, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// How many bytes have arrived: where it continues.
    offset: u64,
    /// Whether the object was written.
    finished: bool,
    /// When it is deleted unless it is continued before.
    expires_at: Timestamp,
}

impl From<UploadState> for UnfinishedUpload {
    fn from(state: UploadState) -> Self {
        UnfinishedUpload {
            id: state.id.to_string(),
            key: state.key,
            bytes: state.bytes,
            offset: state.offset,
            finished: state.is_finished,
            expires_at: state.expires_at,
        }
    }
}

/// Begin an upload that can be resumed.
///
/// Send the content to it by `PUT`, in as many requests as it takes, and then finish it.
/// What has arrived is kept across cuts and restarts of the server for a day after the last
/// request (`--keep-uploads`).
#[utoipa::path(
    post,
    path = "/api/uploads",
    operation_id = "begin_upload",
    tag = "files",
    request_body = NewUpload,
    responses(
        (status = 201, description = "The upload", body = UnfinishedUpload,
         headers(("Location" = String, description = "The path of the upload"))),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn begin(
    State(shared): State<Shared>,
    JsonBody(NewUpload { key, bytes }): JsonBody<NewUpload>,
) -> Result<Response, ProblemResponse> {
    check_users(&key)?;
    shared.engine.check_store()?;
    let state = shared.engine.uploads().begin(key, bytes).await?;
    let location = format!("{PATH}{}", state.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], shown(state)).into_response())
}

/// Get how much of an upload has arrived.
///
/// `HEAD` tells it too, in the header `Upload-Offset`.
#[utoipa::path(
    get,
    path = "/api/uploads/{id}",
    operation_id = "show_upload",
    tag = "files",
    params(("id" = String, Path, description = "The upload", pattern = "^[0-9a-f]{32}$")),
    responses(
        (status = 200, description = "The upload", body = UnfinishedUpload,
         headers(("Upload-Offset" = u64, description = "How many bytes have arrived"))),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn show(
    State(shared): State<Shared>,
    UploadInPath(id): UploadInPath,
) -> Result<Response, ProblemResponse> {
    let show = shared.engine.uploads().show(id);
    Ok(shown(unless_store_is_missed(&shared.engine, show).await??).into_response())
}

/// The parameters of `PUT /api/uploads/{id}`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AppendParameters {
    /// The byte at which the content begins: as many as have arrived.
    offset: u64,
}

/// Continue an upload.
///
/// The content may be the whole rest or any part of it. If the connection is cut, what has
/// arrived is kept: ask how much it is, and continue there. Whoever still sends to the same
/// upload is ended.
///
/// Content with a `Content-Digest` (RFC 9530), of at most 8 MiB, is kept as a whole, and only
/// if it has that SHA-256.
#[utoipa::path(
    put,
    path = "/api/uploads/{id}",
    operation_id = "continue_upload",
    tag = "files",
    params(("id" = String, Path, description = "The upload", pattern = "^[0-9a-f]{32}$"),
           AppendParameters,
           ("Content-Digest" = Option<String>, Header,
            description = "`sha-256=:BASE64:`, with the SHA-256 of the content of this request")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "The content was kept", body = UnfinishedUpload,
         headers(("Upload-Offset" = u64, description = "How many bytes have arrived"))),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn append(
    State(shared): State<Shared>,
    UploadInPath(id): UploadInPath,
    Parameters(AppendParameters { offset }): Parameters<AppendParameters>,
    digest: ContentDigest,
    request: Request,
) -> Result<Response, ProblemResponse> {
    let mut body = request.into_body().into_data_stream();
    let begun = async {
        shared.engine.check_store()?;
        // The semaphore is never closed, so only the time can be over.
        let permit = timeout(shared.upload_wait_time, shared.uploads.clone().acquire_owned()).await;
        let permit = permit.map_err(|_| too_many_uploads())?;
        let appending = shared.engine.uploads().append(id, offset).await?;
        Ok::<_, ProblemResponse>((permit, appending))
    };
    let (permit, appending) = match begun.await {
        Ok(begun) => begun,
        Err(problem) => {
            discard(&mut body).await;
            return Err(problem);
        }
    };
    // In a task of its own: it keeps what has arrived when the client is gone.
    let receiving = tokio::spawn(async move {
        let received = match digest.is_announced() {
            true => receive_whole(appending, digest, &mut body).await,
            false => receive(appending, &mut body).await,
        };
        drop(permit);
        if received.is_err() {
            discard(&mut body).await;
        }
        received
    });
    let received = receiving.await.map_err(|error| internal("receiving the upload", &error))?;
    Ok(shown(received?).into_response())
}

/// Appends the body of a request. Whatever ends it, what has arrived is kept.
async fn receive(
    mut appending: Appending,
    body: &mut BodyDataStream,
) -> Result<UploadState, ProblemResponse> {
    let replaced = appending.replaced();
    tokio::pin!(replaced);
    loop {
        let piece = tokio::select! {
            piece = body.next() => piece,
            () = sleep(PAUSE_MAX), if appending.is_unflushed() => {
                appending.flush().await?;
                continue;
            }
            () = &mut replaced => {
                appending.flush().await?;
                let detail = "another request continues the upload";
                return Err(Problem::new(ProblemKind::Conflict, detail).into());
            }
        };
        match piece {
            None => return Ok(appending.flush().await?),
            Some(Ok(piece)) => appending.write(piece).await?,
            Some(Err(error)) => {
                let state = appending.flush().await?;
                let problem = broken_off(&error, "the upload");
                let remedy = format!("{} bytes have arrived: continue there", state.offset);
                return Err(problem.remedy(remedy).into());
            }
        }
    }
}

/// Appends the body of a request as a whole, if it has the digest that was announced, or
/// nothing of it.
async fn receive_whole(
    mut appending: Appending,
    mut digest: ContentDigest,
    body: &mut BodyDataStream,
) -> Result<UploadState, ProblemResponse> {
    let replaced = appending.replaced();
    let held = async {
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|error| broken_off(&error, "the upload"))?;
            digest.update(&piece);
            appending.hold(&piece)?;
        }
        digest.check()
    };
    tokio::select! {
        held = held => held?,
        () = replaced => {
            let detail = "another request continues the upload";
            return Err(Problem::new(ProblemKind::Conflict, detail).into());
        }
    }
    Ok(appending.flush().await?)
}

/// What finishes an upload.
#[derive(Deserialize, ToSchema)]
pub(super) struct FinishUpload {
    /// The SHA-256 of the whole content, in hexadecimal: the object is stored only if it has
    /// that.
    #[serde(default)]
    #[schema(pattern = "^[0-9a-f]{64}$")]
    sha256: Option<String>,
}

/// Finish an upload: the object appears.
#[utoipa::path(
    post,
    path = "/api/uploads/{id}/finish",
    operation_id = "finish_upload",
    tag = "files",
    params(("id" = String, Path, description = "The upload", pattern = "^[0-9a-f]{32}$")),
    request_body = FinishUpload,
    responses(
        (status = 201, description = "The object was stored", body = File),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn finish(
    State(shared): State<Shared>,
    UploadInPath(id): UploadInPath,
    JsonBody(FinishUpload { sha256 }): JsonBody<FinishUpload>,
) -> Result<(StatusCode, Json<File>), ProblemResponse> {
    let expected = sha256.as_deref().map(parse_digest).transpose()?;
    shared.engine.check_store()?;
    let uploads = shared.engine.uploads().clone();
    // In a task of its own: a client that leaves does not make it begin again.
    let finishing = tokio::spawn(async move { uploads.finish(id, expected).await });
    let finished = finishing.await.map_err(|error| internal("finishing the upload", &error))?;
    let (key, bytes) = finished?;
    Ok((StatusCode::CREATED, Json(File { key, bytes })))
}

/// Delete an upload with what has arrived of it.
///
/// The object of an upload that is finished stays.
#[utoipa::path(
    delete,
    path = "/api/uploads/{id}",
    operation_id = "delete_upload",
    tag = "files",
    params(("id" = String, Path, description = "The upload", pattern = "^[0-9a-f]{32}$")),
    responses(
        (status = 204, description = "The upload was deleted"),
        (status = "default", response = Failed),
    ),
)]
pub(super) async fn delete(
    State(shared): State<Shared>,
    UploadInPath(id): UploadInPath,
) -> Result<StatusCode, ProblemResponse> {
    shared.engine.check_store()?;
    shared.engine.uploads().delete(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn shown(state: UploadState) -> ([(HeaderName, HeaderValue); 2], Json<UnfinishedUpload>) {
    let offset = HeaderValue::from(state.offset);
    let no_store = HeaderValue::from_static("no-store");
    ([(UPLOAD_OFFSET, offset), (header::CACHE_CONTROL, no_store)], Json(state.into()))
}

fn parse_digest(text: &str) -> Result<[u8; 32], Problem> {
    let byte = |pair: &[u8]| {
        let digit = |byte: u8| char::from(byte).to_digit(16).filter(|_| !byte.is_ascii_uppercase());
        let (high, low) = (digit(*pair.first()?)?, digit(*pair.get(1)?)?);
        u8::try_from(high * 16 + low).ok()
    };
    let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| {
        Problem::new(ProblemKind::InvalidRequest, "sha256 is not 64 hexadecimal digits")
            .field("sha256")
            .remedy("send what sha256sum prints, or leave it out")
    })
}
