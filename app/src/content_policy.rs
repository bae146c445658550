//! What a page may load and run, which the browser enforces.

use axum::http::HeaderValue;
use axum::http::header::CONTENT_SECURITY_POLICY;
use leptos::nonce::use_nonce;
use leptos::prelude::use_context;
use leptos_axum::ResponseOptions;

/// Sends the policy of the page that is being rendered.
///
/// Scripts are the files of the bundle, and those in the page that carry the nonce of
/// this very response; WebAssembly needs a permission of its own. Styles come from the
/// bundle; only the `style` attributes of bars are in the page. Nothing is loaded from,
/// sent to, or shown inside another site.
pub(crate) fn send() {
    let (Some(nonce), Some(response)) = (use_nonce(), use_context::<ResponseOptions>()) else {
        return;
    };
    // What reloads the page when it is rebuilt, for developers only.
    let reload = if std::env::var_os("LEPTOS_WATCH").is_some() { " ws:" } else { "" };
    let policy = format!(
        "default-src 'none'; \
         script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; \
         style-src 'self'; style-src-attr 'unsafe-inline'; \
         img-src 'self' data:; \
         connect-src 'self'{reload}; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.insert_header(CONTENT_SECURITY_POLICY, policy);
    }
}
