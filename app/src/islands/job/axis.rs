//! The time axis of the picture of a job's attempts.

use leptos::prelude::document;

use super::RUN_AXIS;
use crate::islands::parts::RUN_SCROLL;
use crate::picture::run::axis::{axis_svg, time_marks};

/// The number of marks of the axis in the visible part.
const MARKS: f64 = 8.0;
/// The room that a mark needs for its label, in pixels.
const MARK_PX: f64 = 90.0;

/// Draws the marks of the axis as dense as the picture is stretched.
pub(super) fn draw_axis() {
    let axis = document().get_element_by_id(RUN_AXIS);
    let scroller = document().get_element_by_id(RUN_SCROLL);
    let (Some(axis), Some(scroller)) = (axis, scroller) else {
        return;
    };
    let ms = |name| scroller.get_attribute(name).and_then(|ms| ms.parse::<u64>().ok());
    let (Some(start), Some(end)) = (ms("data-start"), ms("data-end")) else {
        return;
    };
    let stretched = f64::from(scroller.scroll_width()) / f64::from(scroller.client_width().max(1));
    // A narrow screen has room for less.
    let room = (f64::from(scroller.client_width()) / MARK_PX).clamp(2.0, MARKS);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most some thousand"
    )]
    let wanted = (room * stretched) as u64;
    axis.set_inner_html(&axis_svg(&time_marks(start, end, wanted), (start, end)));
}
