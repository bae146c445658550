//! What a page does while the server is away: it blanks what holds at this moment only,
//! stops its clock, and disables what needs the server.

use leptos::prelude::*;
use protocol::Timestamp;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::js_sys::Array;
use web_sys::{Document, Element};

/// The attribute of the document while the server is away. Styles hide by it what holds at
/// this moment only, such as rates, and [`Clock`](crate::clock::Clock) stops.
pub const AWAY: &str = "data-away";
/// The attribute of a button that is disabled because the server is away.
const HELD: &str = "data-held";

#[wasm_bindgen]
extern "C" {
    /// A document, with the one method that is needed here.
    #[wasm_bindgen(extends = Document)]
    type Searched;

    #[wasm_bindgen(method, js_name = querySelectorAll)]
    fn all(this: &Searched, selector: &str) -> JsValue;
}

/// Whether the server is away.
#[must_use]
pub fn is_away() -> bool {
    document().document_element().is_some_and(|root| root.has_attribute(AWAY))
}

/// Follows whether the server is away. It does nothing in the server.
pub(crate) fn follow(away_since: RwSignal<Option<Timestamp>>) {
    // Effects run only in the browser.
    Effect::new(move || {
        let Some(root) = document().document_element() else {
            return;
        };
        if away_since.get().is_some() {
            let _ = root.set_attribute(AWAY, "");
            for button in elements("main form button:not([disabled])") {
                let _ = button.set_attribute("disabled", "");
                let _ = button.set_attribute(HELD, "");
            }
        } else {
            let _ = root.remove_attribute(AWAY);
            for button in elements("main form button[data-held]") {
                let _ = button.remove_attribute("disabled");
                let _ = button.remove_attribute(HELD);
            }
        }
    });
}

/// The elements of the document that a selector selects.
pub(crate) fn elements(selector: &str) -> impl Iterator<Item = Element> {
    let found = document().unchecked_into::<Searched>().all(selector);
    Array::from(&found).into_iter().filter_map(|element| element.dyn_into().ok())
}
