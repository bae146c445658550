//! What the keyboard and the pointer do to the picture of a job's attempts.

use leptos::prelude::*;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::js_sys::Reflect;
use web_sys::{Element, Event, KeyboardEvent, MouseEvent, PointerEvent, WheelEvent};

use super::axis::draw_axis;
use crate::islands::parts::{Parts, RUN_SCROLL};

/// The id of the element with the figures of the attempt under the pointer or the focus.
const FIGURES: &str = "run-figures";
/// The id of the heading of an attempt's details.
const HEADING: &str = "attempt-heading";
/// How much one step zooms.
const STEP: f64 = 1.5;
/// The most that the picture is stretched.
const ZOOM_MAX: f64 = 200.0;
/// A pointer that has moved less still clicks, in pixels.
pub(super) const CLICK_PX: i32 = 4;

#[wasm_bindgen]
extern "C" {
    /// An element, with the one method that is needed here.
    #[wasm_bindgen(extends = Element)]
    type Placed;

    #[wasm_bindgen(method, js_name = getBoundingClientRect)]
    fn place(this: &Placed) -> JsValue;
}

/// The state of the gestures on a page.
#[derive(Clone, Copy)]
pub(super) struct Gestures {
    parts: Parts,
    /// Where a drag began, and how far the picture was scrolled then.
    drag: StoredValue<Option<(i32, i32)>>,
    /// Whether the pointer has moved since it went down.
    has_moved: StoredValue<bool>,
}

impl Gestures {
    pub(super) fn new(parts: Parts) -> Gestures {
        Gestures { parts, drag: StoredValue::new(None), has_moved: StoredValue::new(false) }
    }

    pub(super) fn wheel(self, event: &WheelEvent) {
        let Some(scroller) = scroller_of(event).filter(|_| event.ctrl_key() || event.meta_key())
        else {
            return;
        };
        event.prevent_default();
        let left = measure(&scroller, "left");
        let factor = if event.delta_y() < 0.0 { STEP } else { 1.0 / STEP };
        zoom(&scroller, factor, f64::from(event.client_x()) - left);
    }

    pub(super) fn key(self, event: &KeyboardEvent) {
        let has_modifier = event.ctrl_key() || event.meta_key() || event.alt_key();
        if event.key() == "Escape" && document().get_element_by_id(HEADING).is_some() {
            self.close();
            return;
        }
        let Some(scroller) = scroller_of(event).filter(|_| !has_modifier) else {
            return;
        };
        let width = f64::from(scroller.client_width());
        let step = scroller.client_width() / 8;
        match event.key().as_str() {
            "+" | "=" => zoom(&scroller, STEP, width / 2.0),
            "-" => zoom(&scroller, 1.0 / STEP, width / 2.0),
            "0" => zoom(&scroller, 0.0, 0.0),
            "ArrowLeft" => scroller.set_scroll_left(scroller.scroll_left() - step),
            "ArrowRight" => scroller.set_scroll_left(scroller.scroll_left() + step),
            "Home" => scroller.set_scroll_left(0),
            "End" => scroller.set_scroll_left(scroller.scroll_width()),
            _ => return,
        }
        event.prevent_default();
    }

    pub(super) fn pointer_down(self, event: &PointerEvent) {
        self.has_moved.set_value(false);
        // A finger scrolls by itself.
        let drags = event.button() == 0 && event.pointer_type() == "mouse";
        let scroller = scroller_of(event).filter(|_| drags);
        self.drag.set_value(scroller.map(|it| (event.client_x(), it.scroll_left())));
    }

    pub(super) fn pointer_move(self, event: &PointerEvent) {
        let Some((began, scrolled)) = self.drag.get_value() else {
            return;
        };
        if event.buttons() == 0 {
            self.drag.set_value(None);
            return;
        }
        let moved = event.client_x() - began;
        if moved.abs() >= CLICK_PX {
            self.has_moved.set_value(true);
        }
        if let Some(scroller) = document().get_element_by_id(RUN_SCROLL) {
            scroller.set_scroll_left(scrolled - moved);
        }
    }

    /// Shows the figures of the attempt under the pointer or the focus.
    pub(super) fn point(self, event: &Event) {
        let attempt = target(event).and_then(|it| closest(&it, "svg a[data-attempt]"));
        let title = attempt.and_then(|it| it.query_selector("title").ok().flatten());
        if let (Some(title), Some(figures)) = (title, document().get_element_by_id(FIGURES)) {
            figures.set_text_content(title.text_content().as_deref());
        }
    }

    pub(super) fn click(self, event: &MouseEvent) {
        let Some(target) = target(event) else {
            return;
        };
        if let Some(button) = closest(&target, "button[data-zoom]") {
            if let Some(scroller) = document().get_element_by_id(RUN_SCROLL) {
                let middle = f64::from(scroller.client_width()) / 2.0;
                match button.get_attribute("data-zoom").as_deref() {
                    Some("in") => zoom(&scroller, STEP, middle),
                    Some("out") => zoom(&scroller, 1.0 / STEP, middle),
                    _ => zoom(&scroller, 0.0, 0.0),
                }
            }
        } else if closest(&target, "a[data-close]").is_some() {
            event.prevent_default();
            self.close();
        } else if let Some(link) = closest(&target, "a[data-attempt]") {
            let opens_elsewhere = event.ctrl_key() || event.meta_key() || event.shift_key();
            // A key clicks too, and does not move.
            if self.has_moved.get_value() && event.detail() != 0 {
                event.prevent_default();
            } else if !opens_elsewhere {
                event.prevent_default();
                self.parts.show(link.get_attribute("href"), HEADING);
            }
        }
    }

    /// Closes the details of an attempt.
    fn close(self) {
        let address = document().query_selector("a[data-close]").ok().flatten();
        self.parts.show(address.and_then(|it| it.get_attribute("href")), RUN_SCROLL);
    }
}

/// Stretches the picture by a factor, of which 0 shows all. What is at `anchor`, in pixels
/// from the left of what is visible, stays there.
fn zoom(scroller: &Element, factor: f64, anchor: f64) {
    let Some(parent) = closest(scroller, "[data-zoomed]") else {
        return;
    };
    let zoomed: f64 =
        parent.get_attribute("data-zoomed").and_then(|it| it.parse().ok()).unwrap_or(1.0);
    let wanted = (zoomed * factor).clamp(1.0, ZOOM_MAX);
    let before = f64::from(scroller.scroll_width().max(1));
    let share = (f64::from(scroller.scroll_left()) + anchor) / before;
    let _ = parent.set_attribute("data-zoomed", &wanted.to_string());
    let _ = parent.set_attribute("style", &format!("--zoom:{wanted}"));
    let after = f64::from(scroller.scroll_width());
    #[allow(clippy::cast_possible_truncation, reason = "a number of pixels")]
    scroller.set_scroll_left((share * after - anchor).round() as i32);
    draw_axis();
}

/// Where an element lies in the window, in pixels: its `left`, `top`, `width` or `height`.
pub(super) fn measure(element: &Element, name: &str) -> f64 {
    let place = element.unchecked_ref::<Placed>().place();
    Reflect::get(&place, &JsValue::from_str(name)).ok().and_then(|it| it.as_f64()).unwrap_or(0.0)
}

pub(super) fn target(event: &Event) -> Option<Element> {
    event.target()?.dyn_into().ok()
}

pub(super) fn closest(element: &Element, selector: &str) -> Option<Element> {
    element.closest(selector).ok().flatten()
}

/// The element that scrolls the picture, if the event happened in it.
fn scroller_of(event: &Event) -> Option<Element> {
    closest(&target(event)?, &format!("#{RUN_SCROLL}"))
}
