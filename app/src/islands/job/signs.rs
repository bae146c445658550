//! What tells in another tab how a job is: the icon of the page, and a notification.

use leptos::prelude::document;
use protocol::{JobSnapshot, Phase};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::VisibilityState;

use super::title;

/// The colour of the page's icon, as its address writes it.
const ICON_COLOUR: &str = "%230b6e75";
/// What browsers say if the user has allowed notifications.
const GRANTED: &str = "granted";

#[wasm_bindgen]
extern "C" {
    /// A notification of the browser.
    type Notification;

    #[wasm_bindgen(constructor, catch)]
    fn new(title: &str) -> Result<Notification, JsValue>;

    #[wasm_bindgen(static_method_of = Notification, getter, catch)]
    fn permission() -> Result<String, JsValue>;

    #[wasm_bindgen(static_method_of = Notification, js_name = requestPermission, catch)]
    fn request_permission() -> Result<JsValue, JsValue>;
}

/// Asks the user to allow notifications. Browsers ask only in answer to a click.
pub(super) fn ask() {
    // A browser without notifications has none to allow.
    let _ = Notification::request_permission();
}

/// Tells that a job has ended, if its page is in a hidden tab and the user has allowed it.
pub(super) fn announce_end(job: &JobSnapshot) {
    let is_hidden = document().visibility_state() == VisibilityState::Hidden;
    if is_hidden && Notification::permission().is_ok_and(|it| it == GRANTED) {
        // Some browsers allow them only elsewhere; the title tells in any case.
        let _ = Notification::new(&title(job));
    }
}

/// Gives the icon of the page the colour of a phase in which a job is over.
pub(super) fn show_icon(phase: Phase) {
    let colour = match phase {
        Phase::Done => "%232a7130",
        Phase::Failed => "%23b3261e",
        Phase::Cancelled => "%23626970",
        Phase::Listing | Phase::Planning | Phase::Running | Phase::Finishing => return,
    };
    let icon = document().query_selector("link[rel=icon]").ok().flatten();
    if let Some(icon) = icon
        && let Some(address) = icon.get_attribute("href")
    {
        let _ = icon.set_attribute("href", &address.replace(ICON_COLOUR, colour));
    }
}
