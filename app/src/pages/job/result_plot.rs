//! The plot of a result.

use leptos::prelude::*;
use protocol::result::{Number, PlotPoint};

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
    what: &'static str,
    /// C, the number of indices.
    columns: u64,
    /// The points.
    plot: Vec<Option<PlotPoint>>,
    /// The minimum value.
    min: Option<Number>,
    /// The maximum value.
    max: Option<Number>,
) -> impl IntoView {
    let values = plot.iter().flatten().flat_map(|point| [point.min, point.max]);
    let span = Span::around(values)?;
    let Curve { envelope, line } = curve(&plot, span);
    let value_marks = value_marks(span, VALUE_MARKS);
    let index_marks = index_marks(columns, INDEX_MARKS);
    let is_envelope = columns > plot.len() as u64;
    let grid = grid(&value_marks);
    let label = format!(
        "Plot of the {what} at {}, from {} to {}",
        plural(columns, "index", "indices"),
        min.unwrap_or_default(),
        max.unwrap_or_default()
    );
    let side = SIDE.to_string();
    Some(view! {
        <figure class="plot">
            <div class="plot-values" aria-hidden="true">
                {value_marks.into_iter().map(|mark| view! {
                    <span style:bottom=percent(mark.position)>{mark.label}</span>
                }).collect_view()}
            </div>
            <svg
                class="plot-area"
                viewBox=format!("0 0 {side} {side}")
                preserveAspectRatio="none"
                role="img"
                aria-label=label
            >
                <path class="plot-grid" d=grid />
                {is_envelope.then(|| view! { <path class="plot-envelope" d=envelope /> })}
                <path class="plot-line" d=line data-envelope=is_envelope.to_string() />
            </svg>
            <div class="plot-indices" aria-hidden="true">
                {index_marks.into_iter().map(|mark| view! {
                    <span style:left=percent(mark.position)>{mark.label}</span>
                }).collect_view()}
            </div>
            <figcaption>
                <span>"index"</span>
                {is_envelope.then_some(
                    view! { <span class="hint">"band: range over neighbouring indices"</span> },
                )}
            </figcaption>
        </figure>
    })
}

/// The path of the horizontal grid lines, one per mark.
fn grid(marks: &[Mark]) -> String {
    marks.iter().map(|mark| format!("M0 {:.1}H{SIDE}", (1.0 - mark.position) * SIDE)).collect()
}

fn percent(position: f64) -> String {
    format!("{:.2}%", position * 100.0)
}
