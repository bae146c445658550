//! Parts of a page that the server renders again while things change.

use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use protocol::Timestamp;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::js_sys::Array;
use web_sys::{Document, DomParser, Element, HtmlElement, SupportedType};

use crate::away::elements;
use crate::clock::browser_utc_offset_ms;
use crate::fetch;
use crate::format::date_time_exactly;

#[wasm_bindgen]
extern "C" {
    /// An element, with the one property that is needed here.
    #[wasm_bindgen(extends = Element)]
    type Filled;

    #[wasm_bindgen(method, getter, js_name = childNodes)]
    fn nodes(this: &Filled) -> JsValue;

    /// The function of the script in `document/numbers.js`.
    #[wasm_bindgen(catch, js_name = localNumbers)]
    fn write_local_numbers(root: &Element) -> Result<(), JsValue>;
}

/// The names of the parts, in `data-part`.
const PARTS: [&str; 16] = [
    "plan", "now", "result", "story", "summary", "picture", "notes", "drawer", "times", "tasks",
    "log", "view", "at", "profiles", "values", "files",
];
/// The id of the element that scrolls the picture of a job's attempts.
pub const RUN_SCROLL: &str = "run-scroll";
/// The time from one rendering to the next.
const INTERVAL: Duration = Duration::from_secs(1);

/// The parts of the page.
#[derive(Clone, Copy)]
pub(super) struct Parts {
    state: StoredValue<State>,
    /// The address at which they are rendered; that of the page if `None`.
    address: StoredValue<Option<String>>,
    /// Whether nothing changes any more.
    is_last: StoredValue<bool>,
    /// What is done once they are replaced.
    afterwards: fn(),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    /// They are being rendered, or were within the last second.
    Busy,
    /// The same, and something has changed since.
    Due,
}

impl Parts {
    /// The parts of a page; they are rendered at `address`, or at that of the page.
    pub(super) fn new(address: Option<String>, afterwards: fn()) -> Parts {
        Parts {
            state: StoredValue::new(State::Idle),
            address: StoredValue::new(address),
            is_last: StoredValue::new(false),
            afterwards,
        }
    }

    /// Has the parts rendered again soon; `is_last` says that nothing changes afterwards.
    pub(super) fn refresh(self, is_last: bool) {
        self.is_last.set_value(is_last);
        if self.state.get_value() == State::Idle {
            self.render();
        } else {
            self.state.set_value(State::Due);
        }
    }

    /// Has the parts rendered soon as they are at another address.
    pub(super) fn follow(self, address: String) {
        self.address.set_value(Some(address));
        self.refresh(false);
    }

    /// Shows the parts as they are at another address, and then moves the focus to an
    /// element, if it is there.
    pub(super) fn show(self, address: Option<String>, focus: &'static str) {
        self.address.set_value(address);
        spawn_local(async move {
            if self.replace().await.is_ok() {
                let element = document().get_element_by_id(focus);
                if let Some(element) = element.and_then(|it| it.dyn_into::<HtmlElement>().ok()) {
                    let _ = element.focus();
                }
            }
        });
    }

    fn render(self) {
        self.state.set_value(State::Busy);
        spawn_local(async move {
            // The next change tries again.
            if self.replace().await.is_err() && self.is_last.try_get_value() == Some(true) {
                let _ = window().location().reload();
            }
            set_timeout(
                move || match self.state.try_get_value() {
                    Some(State::Due) => self.render(),
                    Some(State::Idle | State::Busy) => self.state.set_value(State::Idle),
                    // The page has been left.
                    None => {}
                },
                INTERVAL,
            );
        });
    }

    /// Replaces the parts by those of the page as the server renders it now.
    async fn replace(self) -> Result<(), JsValue> {
        let address = match self.address.try_get_value().flatten() {
            Some(address) => address,
            None => window().location().href()?,
        };
        replace_parts(&address, self.afterwards).await
    }
}

/// Replaces the parts of the page by those of the page at an address.
pub(super) async fn replace_parts(address: &str, afterwards: fn()) -> Result<(), JsValue> {
    let text = fetch::text(address).await?;
    let page = DomParser::new()?.parse_from_string(&text, SupportedType::TextHtml)?;
    let focused = document().active_element().map(|element| element.id());
    let scrolled = scroller().map_or(0, |it| it.scroll_left());
    for part in PARTS {
        let ours = found(&document(), part);
        let theirs = found(&page, part);
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            local_numbers(&theirs);
            // The nodes themselves: writing them as text and reading them again would take
            // longer than all else.
            if !ours.is_equal_node(Some(&theirs)) {
                ours.replace_children_with_node(&Array::from(
                    &theirs.unchecked_into::<Filled>().nodes(),
                ));
            }
        }
    }
    if let Some(scroller) = scroller() {
        scroller.set_scroll_left(scrolled);
    }
    afterwards();
    // An element that was replaced has lost the focus.
    if let Some(id) = focused.filter(|id| !id.is_empty())
        && let Some(element) = document().get_element_by_id(&id)
        && document().active_element().map(|it| it.id()) != Some(id)
        && let Ok(focus) = js_focus(&element)
    {
        let _ = focus.call0(&element);
    }
    local_times();
    Ok(())
}

/// The focus function of an element, which may be one of SVG.
fn js_focus(element: &Element) -> Result<web_sys::js_sys::Function, JsValue> {
    web_sys::js_sys::Reflect::get(element, &JsValue::from_str("focus"))?.dyn_into()
}

fn found(document: &Document, part: &str) -> Option<Element> {
    document.query_selector(&format!("[data-part={part}]")).ok().flatten()
}

fn scroller() -> Option<Element> {
    document().get_element_by_id(RUN_SCROLL)
}

/// Writes the numbers below an element as the reader's locale does, and from then on all that
/// the page shows.
pub(crate) fn local_numbers(root: &Element) {
    // A page of an earlier version, which the browser has kept, has no such script.
    let _ = write_local_numbers(root);
}

/// Writes the times of the parts in the browser's time zone.
pub(super) fn local_times() {
    for time in elements("time.local-time") {
        let ms = time.get_attribute("data-ms").and_then(|ms| ms.parse().ok());
        if let Some(ms) = ms {
            let local = date_time_exactly(Timestamp::from_millis(ms), browser_utc_offset_ms());
            time.set_text_content(Some(&local));
        }
    }
}
