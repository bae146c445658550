//! One request that sends a file, with its progress.

use std::time::Duration;

use leptos::prelude::set_timeout;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::js_sys::{Function, JSON, Promise, Reflect, encode_uri_component};

use super::LocalFile;

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
}

/// How a request that sent a file ended.
pub(super) enum Sent {
    /// The file is in the store.
    Stored,
    /// The server does not take the file, and why.
    Refused(String),
    /// It was cut off, or the server has no time now; it may be sent again.
    Cut(String),
}

/// Sends a file to a key of the store; `progress` is told how many bytes have been sent.
pub(super) async fn send(key: &str, file: &LocalFile, progress: impl Fn(u64) + 'static) -> Sent {
    let request = Request::new();
    let parts: Vec<String> =
        key.split('/').map(|part| String::from(encode_uri_component(part))).collect();
    request.open("PUT", &format!("/api/files/{}", parts.join("/")));
    request.set_header("Content-Type", "application/octet-stream");
    let told = Closure::<dyn Fn(JsValue)>::new(move |event: JsValue| {
        let loaded = Reflect::get(&event, &"loaded".into()).ok().and_then(|it| it.as_f64());
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the size of a file is a whole number below 2^53"
        )]
        progress(loaded.unwrap_or(0.0) as u64);
    });
    request.upload().set_onprogress(told.as_ref().unchecked_ref());
    let ended = Promise::new(&mut |resolve, _| request.set_onloadend(&resolve));
    request.send(&file.content);
    // The promise is never rejected.
    let _ = JsFuture::from(ended).await;
    match request.status() {
        200..=299 => Sent::Stored,
        0 => Sent::Cut("The connection was cut.".to_owned()),
        429 | 502..=504 => Sent::Cut(detail(&request.response_text())),
        _ => Sent::Refused(detail(&request.response_text())),
    }
}

/// What a problem of the server says.
fn detail(text: &str) -> String {
    let problem = JSON::parse(text).unwrap_or_default();
    let field = |name: &str| Reflect::get(&problem, &name.into()).ok()?.as_string();
    let words = [field("detail"), field("remedy")].into_iter().flatten().collect::<Vec<_>>();
    if words.is_empty() { "The server refused the file.".to_owned() } else { words.join(": ") }
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
