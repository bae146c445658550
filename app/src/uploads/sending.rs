//! The requests that send a file, with their progress: one, or those of an upload that goes
//! on after a cut.

use std::rc::Rc;
use std::time::Duration;

use leptos::prelude::set_timeout;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::js_sys::{Function, JSON, Promise, Reflect, Uint8Array};

use super::LocalFile;
use super::dropped::Blob;
use crate::paths::object_path;

/// The path of the uploads that can be continued.
const UPLOADS: &str = "/api/uploads";

#[wasm_bindgen]
extern "C" {
    /// The request of the browser that tells how much it has sent, which `fetch` does not.
    #[wasm_bindgen(js_name = XMLHttpRequest)]
    type Request;

    #[wasm_bindgen(constructor, js_class = "XMLHttpRequest")]
    fn new() -> Request;

    #[wasm_bindgen(method)]
    fn open(this: &Request, method: &str, path: &str);

    #[wasm_bindgen(method, js_name = setRequestHeader)]
    fn set_header(this: &Request, name: &str, value: &str);

    #[wasm_bindgen(method)]
    fn send(this: &Request, body: &JsValue);

    #[wasm_bindgen(method, getter)]
    fn status(this: &Request) -> u16;

    #[wasm_bindgen(method, getter, js_name = responseText)]
    fn response_text(this: &Request) -> String;

    #[wasm_bindgen(method, getter)]
    fn upload(this: &Request) -> Target;

    #[wasm_bindgen(method, setter)]
    fn set_onloadend(this: &Request, ended: &Function);

    type Target;

    #[wasm_bindgen(method, setter)]
    fn set_onprogress(this: &Target, progress: &Function);

    /// Computes a digest, on pages from the same machine or over TLS.
    #[wasm_bindgen(catch, js_namespace = ["crypto", "subtle"], js_name = digest)]
    fn begin_digest(name: &str, bytes: &JsValue) -> Result<Promise, JsValue>;

    fn btoa(bytes: &str) -> String;
}

/// What is told how many bytes of a file have been sent.
pub(super) type Progress = Rc<dyn Fn(u64)>;

/// Why a file is not in the store.
pub(super) enum Unsent {
    /// The server does not take the file, and why.
    Refused(String),
    /// It was cut off, or the server has no time now; it may be continued.
    Cut(String),
}

/// The size of a part in bytes, which the server keeps as a whole. A smaller file is sent
/// in one request.
const PART_BYTES: u64 = 8 << 20;

/// What the server has of a file in parts; nothing at first.
#[derive(Default)]
pub(super) struct Unfinished {
    path: String,
    /// How many bytes have arrived, as far as is known.
    pub(super) arrived_bytes: u64,
}

/// Sends a file to a key of the store, or continues with what is unfinished of it. `progress`
/// is told how many bytes have been sent.
pub(super) async fn send(
    key: &str,
    file: &LocalFile,
    Unfinished { path: upload, arrived_bytes }: &mut Unfinished,
    progress: &Progress,
) -> Result<(), Unsent> {
    // After a cut only the server knows how much has arrived.
    let mut asks = !upload.is_empty();
    loop {
        let offset = *arrived_bytes;
        let (method, path, body, sends) = if file.bytes <= PART_BYTES {
            ("PUT", object_path(key), file.content.clone(), true)
        } else if upload.is_empty() {
            let key = JSON::stringify(&key.into()).map(String::from).unwrap_or_default();
            let what = format!("{{\"key\":{key},\"bytes\":{}}}", file.bytes);
            ("POST", UPLOADS.to_owned(), what.into(), false)
        } else if asks {
            ("GET", upload.clone(), JsValue::NULL, false)
        } else if offset < file.bytes {
            let part = file.part(offset, file.bytes.min(offset + PART_BYTES));
            ("PUT", format!("{upload}?offset={offset}"), part.into(), true)
        } else {
            ("POST", format!("{upload}/finish"), "{}".into(), false)
        };
        asks = false;
        let progress = sends.then(|| (offset, progress.clone()));
        let answer = ask(method, &path, &body, progress).await?;
        // What is there is a file, which has no id.
        let Some(id) = text(&answer, "id") else { return Ok(()) };
        *upload = format!("{UPLOADS}/{id}");
        *arrived_bytes = number(&answer, "offset");
    }
}

/// Makes a request; returns the JSON of the response. Of bytes that are sent, `progress` is
/// told how many, after the number of those that were sent before.
async fn ask(
    method: &str,
    path: &str,
    body: &JsValue,
    progress: Option<(u64, Progress)>,
) -> Result<JsValue, Unsent> {
    let request = Request::new();
    request.open(method, path);
    if progress.is_none() {
        request.set_header("Content-Type", "application/json");
    }
    let is_part = path.contains('?');
    if is_part && let Some(digest) = digest(body.unchecked_ref()).await {
        request.set_header("Content-Digest", &digest);
    }
    let told = Closure::<dyn Fn(JsValue)>::new(move |event: JsValue| {
        if let Some((before, progress)) = &progress {
            progress(before + number(&event, "loaded"));
        }
    });
    request.upload().set_onprogress(told.as_ref().unchecked_ref());
    let ended = Promise::new(&mut |resolve, _| request.set_onloadend(&resolve));
    request.send(body);
    // The promise is never rejected.
    let _ = JsFuture::from(ended).await;
    let answer = JSON::parse(&request.response_text()).unwrap_or_default();
    match request.status() {
        200..=299 => Ok(answer),
        0 => Err(Unsent::Cut("The connection was cut.".to_owned())),
        429 | 502..=504 => Err(Unsent::Cut(detail(&answer))),
        // It was damaged on its way, or something else has arrived: the server is asked.
        400 | 404 | 409 if is_part => Err(Unsent::Cut(detail(&answer))),
        _ => Err(Unsent::Refused(detail(&answer))),
    }
}

/// The header with the digest of some bytes; `None` where the browser computes none.
async fn digest(bytes: &Blob) -> Option<String> {
    let bytes = JsFuture::from(bytes.array_buffer()).await.ok()?;
    let digest = JsFuture::from(begin_digest("SHA-256", &bytes).ok()?).await.ok()?;
    let digest: String = Uint8Array::new(&digest).to_vec().into_iter().map(char::from).collect();
    Some(format!("sha-256=:{}:", btoa(&digest)))
}

/// What a problem of the server says.
fn detail(problem: &JsValue) -> String {
    let what = text(problem, "detail");
    let mut words = what.unwrap_or_else(|| "The server refused the file.".to_owned());
    if let Some(remedy) = text(problem, "remedy") {
        words.push_str(": ");
        words.push_str(&remedy);
    }
    words
}

fn text(object: &JsValue, field: &str) -> Option<String> {
    Reflect::get(object, &field.into()).ok()?.as_string()
}

fn number(object: &JsValue, field: &str) -> u64 {
    let number = Reflect::get(object, &field.into()).ok().and_then(|it| it.as_f64());
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the size of a file is a whole number below 2^53"
    )]
    {
        number.unwrap_or(0.0) as u64
    }
}

/// Waits for a while.
pub(super) async fn pause(time: Duration) {
    let waited = Promise::new(&mut |resolve, _| {
        set_timeout(
            move || {
                let _ = resolve.call0(&JsValue::NULL);
            },
            time,
        );
    });
    // The promise is never rejected.
    let _ = JsFuture::from(waited).await;
}
