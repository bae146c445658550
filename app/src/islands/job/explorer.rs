//! What the keyboard and the pointer do to the picture of a result.

mod shown;

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsValue;
use web_sys::{KeyboardEvent, MouseEvent, PointerEvent, WheelEvent};

use self::shown::{Part, Shown, show_mark};
use super::gestures::{CLICK_PX, closest, target};
use crate::islands::parts::replace_parts;

/// The id of the picture.
const EXPLORER: &str = "explorer";
/// How much one step of the keyboard zooms, and one of the wheel.
const KEY_STEP: f64 = 2.0;
const WHEEL_STEP: f64 = 1.25;
/// How far one step moves, as a part of what is shown.
const MOVE: f64 = 0.25;

/// The state of the gestures.
#[derive(Clone, Copy)]
pub(super) struct Explorer {
    /// Whether the server is rendering.
    is_busy: StoredValue<bool>,
    /// The query of the page that is to be shown next, and its part if that is another.
    wanted: StoredValue<Option<(String, Option<Part>)>>,
    /// The index whose value is to be shown next.
    looked: StoredValue<Option<u64>>,
    /// Where a drag began.
    drag: StoredValue<Option<Drag>>,
    /// Whether the pointer has moved since it went down.
    has_moved: StoredValue<bool>,
}

/// Where a drag began: the position in the picture, and the pixel on the screen.
#[derive(Clone, Copy)]
struct Drag {
    at: (f64, f64),
    px: (i32, i32),
}

impl Explorer {
    pub(super) fn new() -> Explorer {
        Explorer {
            is_busy: StoredValue::new(false),
            wanted: StoredValue::new(None),
            looked: StoredValue::new(None),
            drag: StoredValue::new(None),
            has_moved: StoredValue::new(false),
        }
    }

    pub(super) fn wheel(self, event: &WheelEvent) {
        let Some(shown) = Shown::under(event).filter(|_| event.ctrl_key() || event.meta_key())
        else {
            return;
        };
        event.prevent_default();
        let factor = if event.delta_y() < 0.0 { 1.0 / WHEEL_STEP } else { WHEEL_STEP };
        self.show_part(&shown, shown.zoomed(factor, shown.position(event)));
    }

    pub(super) fn key(self, event: &KeyboardEvent) {
        let has_modifier = event.ctrl_key() || event.meta_key() || event.alt_key();
        let is_here = target(event).is_some_and(|it| it.id() == EXPLORER);
        let Some(shown) = Shown::find().filter(|_| is_here && !has_modifier) else {
            return;
        };
        let at = shown.index().unwrap_or_else(|| shown.index_at((0.5, 0.5)));
        let position = shown.position_of(at).unwrap_or((0.5, 0.5));
        // To the right and down.
        let towards = match event.key().as_str() {
            "ArrowLeft" => Some((-1, 0)),
            "ArrowRight" => Some((1, 0)),
            "ArrowUp" => Some((0, -1)),
            "ArrowDown" => Some((0, 1)),
            _ => None,
        };
        match (event.key().as_str(), towards) {
            (_, Some((_, down))) if down != 0 && shown.down.is_none() => return,
            (_, Some(towards)) if event.shift_key() => {
                let by = (f64::from(towards.0) * MOVE, f64::from(towards.1) * MOVE);
                self.show_part(&shown, shown.moved(by));
            }
            (_, Some(towards)) => self.look(&shown, shown.beside(at, towards)),
            ("+" | "=", _) => self.show_part(&shown, shown.zoomed(1.0 / KEY_STEP, position)),
            ("-", _) => self.show_part(&shown, shown.zoomed(KEY_STEP, position)),
            ("0", _) => self.show_part(&shown, shown.zoomed(f64::INFINITY, position)),
            ("Home", _) => self.look(&shown, shown.index_at((0.0, position.1))),
            ("End", _) => self.look(&shown, shown.index_at((1.0, position.1))),
            ("Enter", _) => self.show(shown.query(shown.part(), Some(at)), None),
            _ => return,
        }
        event.prevent_default();
    }

    pub(super) fn pointer_down(self, event: &PointerEvent) {
        self.has_moved.set_value(false);
        // A finger scrolls.
        let drags = event.button() == 0 && event.pointer_type() == "mouse";
        let shown = Shown::under(event).filter(|_| drags);
        let px = (event.client_x(), event.client_y());
        self.drag.set_value(shown.map(|shown| Drag { at: shown.position(event), px }));
    }

    pub(super) fn pointer_move(self, event: &PointerEvent) {
        let Some(drag) = self.drag.get_value().filter(|_| event.buttons() != 0) else {
            self.drag.set_value(None);
            if let Some(shown) = Shown::under(event) {
                self.look(&shown, shown.index_at(shown.position(event)));
            }
            return;
        };
        let (right, down) = (event.client_x() - drag.px.0, event.client_y() - drag.px.1);
        if right.abs().max(down.abs()) >= CLICK_PX {
            self.has_moved.set_value(true);
        }
        let Some(shown) = Shown::find().filter(|_| self.has_moved.get_value()) else {
            return;
        };
        if shown.down.is_some() {
            shown.set_style(&format!("translate:{right}px {down}px"));
            return;
        }
        let (began, now) = (drag.at.0, shown.position(event).0);
        let (left, width) = (began.min(now), (began - now).abs());
        show_mark("plot-brush", &format!("--at:{left};--width:{width}"));
    }

    pub(super) fn pointer_up(self, event: &PointerEvent) {
        let drag = self.drag.get_value().filter(|_| self.has_moved.get_value());
        self.drag.set_value(None);
        let Some((drag, shown)) = drag.zip(Shown::find()) else {
            return;
        };
        let (x, y) = shown.position(event);
        if shown.down.is_some() {
            let part = shown.moved((drag.at.0 - x, drag.at.1 - y));
            self.show_part(&shown, part);
        } else {
            let across = shown.across.window.between(drag.at.0, x, shown.across.total);
            self.show_part(&shown, (across, None));
        }
    }

    pub(super) fn click(self, event: &MouseEvent) {
        let opens_elsewhere = event.ctrl_key() || event.meta_key() || event.shift_key();
        let link = target(event).and_then(|it| closest(&it, "a[data-view]"));
        if let Some(link) = link.filter(|_| !opens_elsewhere) {
            event.prevent_default();
            let href = link.get_attribute("href").unwrap_or_default();
            let (address, _) = href.split_once('#').unwrap_or((&href, ""));
            let (_, query) = address.split_once('?').unwrap_or((address, ""));
            self.show(query.to_owned(), None);
        } else if let Some(shown) = Shown::under(event).filter(|_| !self.has_moved.get_value()) {
            let index = shown.index_at(shown.position(event));
            self.show(shown.query(shown.part(), Some(index)), None);
        }
    }

    /// Shows another part, at first by stretching what is drawn.
    fn show_part(self, shown: &Shown, part: Part) {
        shown.stretch(part);
        self.show(shown.query(part, shown.number("data-index")), Some(part));
    }

    /// Shows the value at an index.
    fn look(self, shown: &Shown, index: u64) {
        if shown.index() == Some(index) {
            return;
        }
        shown.point_at(index);
        self.looked.set_value(Some(index));
        self.work();
    }

    /// Shows the page of a query.
    fn show(self, query: String, part: Option<Part>) {
        self.wanted.set_value(Some((query, part)));
        self.work();
    }

    /// Has the server render what is wanted, one after the other; what was wanted meanwhile
    /// and is not any more is left out.
    fn work(self) {
        let Some(shown) = Shown::find().filter(|_| !self.is_busy.get_value()) else {
            return;
        };
        let path = shown.text("data-path");
        let (address, page) = match (self.wanted.get_value(), self.looked.get_value()) {
            (Some((query, _)), _) => {
                (format!("{path}/view?{query}"), Some(format!("{path}?{query}")))
            }
            (None, Some(index)) => {
                let query = shown.query(shown.part(), None);
                let mark = if query.is_empty() { "" } else { "&" };
                (format!("{path}/view?{query}{mark}at={index}"), None)
            }
            (None, None) => return,
        };
        if page.is_some() {
            self.wanted.set_value(None);
        }
        self.looked.set_value(None);
        self.is_busy.set_value(true);
        let at = shown.number("data-at");
        spawn_local(async move {
            // Without an answer the picture stays as it is; the connection's badge tells.
            let answer = replace_parts(&address, || {}).await;
            if answer.is_ok() {
                let at = at.filter(|_| page.is_some());
                if let (Some(page), Ok(history)) = (page, window().history()) {
                    let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&page));
                }
                self.continue_gestures(at);
            }
            // The page may have been left.
            if self.is_busy.try_set_value(false).is_none() {
                self.work();
            }
        });
    }

    /// What was done while the server rendered holds for the new picture too: a cursor, which
    /// was at `at` before if it is to stay, and a part that is wanted next.
    fn continue_gestures(self, at: Option<u64>) {
        let Some(shown) = Shown::find() else {
            return;
        };
        if let Some((_, Some(part))) = self.wanted.get_value() {
            shown.stretch(part);
        }
        if let Some(index) = self.looked.get_value().or(at) {
            shown.point_at(index);
            self.looked.set_value(Some(index));
        }
    }
}
