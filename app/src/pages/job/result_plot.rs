//! The plot of a result.

use leptos::prelude::*;
use protocol::result::PlotPoint;
use protocol::view::Envelope;

use crate::format::plural;
use crate::picture::axis::{Mark, Span, index_marks, value_marks};
use crate::picture::curve::{Curve, SIDE, curve};

/// The approximate numbers of marks on the axes.
const VALUE_MARKS: u32 = 7;
const INDEX_MARKS: u64 = 6;

/// The plot of an array of a result over its indices: a line, or the range of the values if
/// several indices share a pixel. The labels of the axes are HTML, so that they keep
/// their size when the plot is stretched.
#[component]
pub fn ResultPlot(
    /// What is plotted, such as `mean`.
    #[prop(into)]
    what: String,
    /// The points, and the indices that they cover.
    envelope: Envelope,
    /// The points of another array over the same indices.
    #[prop(optional)]
    other: Option<Vec<Option<PlotPoint>>>,
    /// What the indices are.
    #[prop(default = "index")]
    axis: &'static str,
    /// What lies over the plot.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    let is_envelope = !envelope.is_exact();
    let Envelope { start, end, points, .. } = envelope;
    let columns = end.saturating_sub(start);
    let others = other.iter().flatten().flatten();
    let finite = || points.iter().flatten().chain(others.clone());
    let label = plot_label(&what, columns, finite());
    // Without a finite value there is nothing to draw, but the axis of the indices.
    let span = Span::around(finite().flat_map(|point| [point.min, point.max]));
    let span = span.unwrap_or(Span { low: 0.0, high: 1.0 });
    let is_empty = finite().next().is_none();
    let Curve { envelope, line } = curve(&points, span);
    let other = other.map(|points| {
        let Curve { envelope, line } = curve(&points, span);
        view! {
            <path class="plot-envelope" data-other="true" d=envelope />
            <path class="plot-line" data-other="true" data-envelope="true" d=line />
        }
    });
    let value_marks = if is_empty { Vec::new() } else { value_marks(span, VALUE_MARKS) };
    let index_marks = index_marks(start, end.saturating_sub(1), INDEX_MARKS);
    let grid = grid(&value_marks);
    let overlay = children.map(|children| view! { <div class="plot-overlay">{children()}</div> });
    let side = SIDE.to_string();
    view! {
        <figure class="plot">
            <div class="plot-values" aria-hidden="true">
                {value_marks.into_iter().map(|mark| view! {
                    <span style:bottom=percent(mark.position)>{mark.label}</span>
                }).collect_view()}
            </div>
            <svg
                class="plot-area"
                data-area="true"
                viewBox=format!("0 0 {side} {side}")
                preserveAspectRatio="none"
                role="img"
                aria-label=label
            >
                <path class="plot-grid" d=grid />
                {is_envelope.then(|| view! { <path class="plot-envelope" d=envelope /> })}
                <path class="plot-line" d=line data-envelope=is_envelope.to_string() />
                {other}
            </svg>
            {overlay}
            <div class="plot-indices" aria-hidden="true">
                {index_marks.into_iter().map(|mark| view! {
                    <span style:left=percent(mark.position)>{mark.label}</span>
                }).collect_view()}
            </div>
            <figcaption>
                <span>{axis}</span>
                {is_empty.then_some(view! { <span class="hint">"no finite value"</span> })}
                {is_envelope.then_some(
                    view! { <span class="hint">"band: range over neighbouring indices"</span> },
                )}
            </figcaption>
        </figure>
    }
}

/// What a plot shows, in words.
fn plot_label<'a>(
    what: &str,
    columns: u64,
    points: impl Iterator<Item = &'a PlotPoint> + Clone,
) -> String {
    let indices = plural(columns, "index", "indices");
    let least = points.clone().map(|point| point.min).reduce(f64::min);
    match least.zip(points.map(|point| point.max).reduce(f64::max)) {
        Some((least, greatest)) => {
            format!("Plot of the {what} at {indices}, from {least:?} to {greatest:?}")
        }
        None => format!("Plot of the {what} at {indices}, none of which is finite"),
    }
}

/// The path of the horizontal grid lines, one per mark.
fn grid(marks: &[Mark]) -> String {
    marks.iter().map(|mark| format!("M0 {:.1}H{SIDE}", (1.0 - mark.position) * SIDE)).collect()
}

fn percent(position: f64) -> String {
    format!("{:.2}%", position * 100.0)
}
