//! What the picture of a result shows, by the attributes that the server has rendered.

use std::fmt::Write;

use leptos::prelude::document;
use protocol::view::Grid;
use web_sys::{Element, Event, MouseEvent};

use super::EXPLORER;
use crate::islands::job::gestures::{closest, measure, target};
use crate::picture::curve::SIDE;
use crate::picture::window::Window;

/// The element in it that is drawn on. Other plots of the page have no gestures.
const AREA: &str = "#explorer [data-area]";
/// How many steps of an arrow key lead from one side to the other, if there are so many
/// columns.
const STEPS: u64 = 256;

/// What the picture shows of one of its dimensions.
#[derive(Clone, Copy)]
pub(super) struct Axis {
    pub(super) window: Window,
    pub(super) total: u64,
}

/// A part of a result: across, and down if it has two dimensions.
pub(super) type Part = (Window, Option<Window>);

/// What the picture shows.
pub(super) struct Shown {
    element: Element,
    area: Element,
    pub(super) across: Axis,
    /// The rows of an image; a plot has none.
    pub(super) down: Option<Axis>,
}

impl Shown {
    pub(super) fn find() -> Option<Shown> {
        let element = document().get_element_by_id(EXPLORER)?;
        let area = element.query_selector(AREA).ok().flatten()?;
        let number = |name| element.get_attribute(name)?.parse().ok();
        let axis = |total, start, end| {
            let window = Window { start: number(start)?, end: number(end)? };
            Some(Axis { window, total: number(total)? })
        };
        let across = axis("data-columns", "data-from", "data-to")?;
        let down = axis("data-rows", "data-top", "data-bottom");
        Some(Shown { element, area, across, down })
    }

    /// The picture, if an event happened in it.
    pub(super) fn under(event: &Event) -> Option<Shown> {
        closest(&target(event)?, AREA).and_then(|_| Shown::find())
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.element.get_attribute(name).unwrap_or_default()
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.text(name).parse().ok()
    }

    pub(super) fn set(&self, name: &str, number: u64) {
        let _ = self.element.set_attribute(name, &number.to_string());
    }

    /// Moves or stretches the image.
    pub(super) fn set_style(&self, style: &str) {
        if let Ok(Some(image)) = self.area.query_selector("img") {
            let _ = image.set_attribute("style", style);
        }
    }

    pub(super) fn part(&self) -> Part {
        (self.across.window, self.down.map(|down| down.window))
    }

    /// The index under the pointer or the cursor, or the one that is marked.
    pub(super) fn index(&self) -> Option<u64> {
        self.number("data-at").or_else(|| self.number("data-index"))
    }

    pub(super) fn grid(&self) -> Option<Grid> {
        let rows = self.down?.total;
        let is_fortran = self.element.has_attribute("data-order");
        Some(Grid { rows, width: self.across.total, is_fortran })
    }

    /// The index at a position, from 0 at the left and the top to 1 at the right and the
    /// bottom.
    pub(super) fn index_at(&self, (x, y): (f64, f64)) -> u64 {
        match self.grid().zip(self.down) {
            Some((grid, down)) => grid.index(down.window.cell(y), self.across.window.cell(x)),
            None => self.across.window.at(x),
        }
    }

    /// The position of an index, if it is shown.
    pub(super) fn position_of(&self, index: u64) -> Option<(f64, f64)> {
        let Some((grid, down)) = self.grid().zip(self.down) else {
            return Some((self.across.window.position(index)?, 0.5));
        };
        let (row, place) = grid.place(index);
        self.across.window.cell_position(place).zip(down.window.cell_position(row))
    }

    /// The index beside one, to the right or down, or back.
    pub(super) fn beside(&self, index: u64, (right, down): (i32, i32)) -> u64 {
        let moved = |at: u64, by: i32, axis: Axis| {
            let step = (axis.window.width() / STEPS).max(1);
            let to = if by < 0 { at.saturating_sub(step) } else { at.saturating_add(step) };
            let to = if by == 0 { at } else { to };
            to.clamp(axis.window.start, axis.window.end.saturating_sub(1).max(axis.window.start))
        };
        match self.grid().zip(self.down) {
            Some((grid, rows)) => {
                let (row, place) = grid.place(index);
                grid.index(moved(row, down, rows), moved(place, right, self.across))
            }
            None => moved(index, right, self.across),
        }
    }

    /// The part with `factor` times as much; what is at a position stays there.
    pub(super) fn zoomed(&self, factor: f64, (x, y): (f64, f64)) -> Part {
        let zoomed = |axis: Axis, at: f64| axis.window.zoomed(factor, at, axis.total);
        (zoomed(self.across, x), self.down.map(|down| zoomed(down, y)))
    }

    /// The part that begins so many widths and heights later.
    pub(super) fn moved(&self, (right, down): (f64, f64)) -> Part {
        let moved = |axis: Axis, by: f64| match by == 0.0 {
            true => axis.window,
            false => axis.window.moved(by, axis.total),
        };
        (moved(self.across, right), self.down.map(|axis| moved(axis, down)))
    }

    /// Puts the cursor at an index, if it is shown.
    pub(super) fn point_at(&self, index: u64) {
        if let Some((x, y)) = self.position_of(index) {
            self.set("data-at", index);
            show_mark("plot-cursor", &format!("--at:{x};--down:{y}"));
        }
    }

    /// The position of the pointer, from 0 at the left and the top to 1 at the right and the
    /// bottom.
    pub(super) fn position(&self, event: &MouseEvent) -> (f64, f64) {
        let position = |px: i32, start: &str, length: &str| {
            let length = measure(&self.area, length).max(1.0);
            ((f64::from(px) - measure(&self.area, start)) / length).clamp(0.0, 1.0)
        };
        (position(event.client_x(), "left", "width"), position(event.client_y(), "top", "height"))
    }

    /// The query of the page with another part, and an index that is marked.
    pub(super) fn query(&self, (across, down): Part, index: Option<u64>) -> String {
        let mut query = self.text("data-query");
        let mut put = |name: &str, number: u64| {
            let mark = if query.is_empty() { "" } else { "&" };
            let _ = write!(query, "{mark}{name}={number}");
        };
        if across != Window::whole(self.across.total) {
            put("from", across.start);
            put("to", across.end);
        }
        if let Some((window, axis)) = down.zip(self.down)
            && window != Window::whole(axis.total)
        {
            put("top", window.start);
            put("bottom", window.end);
        }
        if let Some(index) = index {
            put("index", index);
        }
        query
    }

    /// Stretches what is drawn until the server has rendered another part.
    pub(super) fn stretch(&self, (across, down): Part) {
        self.set("data-from", across.start);
        self.set("data-to", across.end);
        let drawn = |start, end| self.number(start).zip(self.number(end));
        let Some(drawn_across) = drawn("data-start", "data-end") else {
            return;
        };
        let (left, width) = relative(across, drawn_across);
        let Some(down) = down else {
            let view = [left * SIDE, 0.0, width * SIDE, SIDE].map(|number| number.to_string());
            let _ = self.area.set_attribute("viewBox", &view.join(" "));
            return;
        };
        self.set("data-top", down.start);
        self.set("data-bottom", down.end);
        if let Some(drawn_down) = drawn("data-first", "data-last") {
            let (top, height) = relative(down, drawn_down);
            // Scaled first, then moved, in parts of its own size.
            let (x, y) = (-left / width * 100.0, -top / height * 100.0);
            let (across, down) = (1.0 / width, 1.0 / height);
            self.set_style(&format!("translate:{x}% {y}%;scale:{across} {down}"));
        }
    }
}

/// Where a window begins, and how wide it is, in widths of what is drawn.
fn relative(window: Window, (start, end): (u64, u64)) -> (f64, f64) {
    let drawn = end.saturating_sub(start).max(1) as f64;
    ((window.start as f64 - start as f64) / drawn, window.width().max(1) as f64 / drawn)
}

/// Shows a mark over the picture.
pub(super) fn show_mark(id: &str, style: &str) {
    if let Some(mark) = document().get_element_by_id(id) {
        let _ = mark.set_attribute("style", style);
        let _ = mark.remove_attribute("hidden");
    }
}
