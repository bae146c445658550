//! The plan of the job in the form, which follows what is typed.

use leptos::ev;
use leptos::prelude::*;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::Element;

use super::parts::Parts;

#[wasm_bindgen]
extern "C" {
    type FormData;
    #[wasm_bindgen(constructor)]
    fn of(form: &Element) -> FormData;

    type URLSearchParams;
    #[wasm_bindgen(constructor)]
    fn new(data: &FormData) -> URLSearchParams;
    #[wasm_bindgen(method, js_name = toString)]
    fn text(this: &URLSearchParams) -> String;
}

/// The form of a new job.
const FORM: &str = "#new-job form";
/// The line with its plan before it is known, unless it is the demonstration.
const UNKNOWN: &str = "#new-job:has([value=demo]:not(:checked)) .plan-line:empty";

/// Has the server render the plan again whenever something is typed into the form of a new
/// job, at most once a second.
#[island]
pub fn FollowedPlan(
    /// The plan when the page was rendered.
    children: Children,
) -> impl IntoView {
    let parts = Parts::new(None, || {});
    let follow = move || {
        if let Ok(Some(form)) = document().query_selector(FORM) {
            let query = URLSearchParams::new(&FormData::of(&form)).text();
            parts.follow(format!("/plan?{query}"));
        }
    };
    // Effects run only in the browser.
    Effect::new(move || {
        if document().query_selector(UNKNOWN).is_ok_and(|it| it.is_some()) {
            follow();
        }
        let typing = window_event_listener(ev::input, move |_| follow());
        on_cleanup(move || typing.remove());
    });
    children()
}
