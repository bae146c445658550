//! The result of a job that still runs, as far as it is known.

use leptos::prelude::*;
use protocol::result::Image;
use protocol::view::Grid;

use super::png::partial_data_url;
use super::result_plot::ResultPlot;
use crate::format::{count, plural, short};
use crate::inspection::PartialResult;
use crate::picture::colour_map::gradient;
use crate::picture::sides::Sides;

/// The mean of the columns whose final segments are stored: a plot, or a picture if it has
/// two dimensions. Its place and height do not depend on how many these are, so that nothing
/// moves.
#[component]
pub fn PartialCard(
    /// What is known.
    partial: PartialResult,
    /// The rows and columns of the result, if it has two dimensions.
    grid: Option<Grid>,
) -> impl IntoView {
    let PartialResult { envelope, image, stored, segments } = partial;
    let words = format!(
        "{} of {}",
        count(stored.min(segments)),
        plural(segments, "final segment", "final segments")
    );
    let shown = match image.zip(grid) {
        Some(((image, range), grid)) => view! { <PartialImage image range grid /> }.into_any(),
        None => view! { <ResultPlot what="partial mean" envelope /> }.into_any(),
    };
    view! {
        <section class="card partial" aria-labelledby="partial-heading">
            <header class="card-header">
                <h2 id="partial-heading">"Result so far"</h2>
                <span class="tag">"partial"</span>
                <span class="hint">{words}</span>
            </header>
            <p class="hint">
                "The mean of the columns that are complete; the others follow. The values that \
                are drawn do not change any more."
            </p>
            {shown}
        </section>
    }
}

/// The rows and columns that are complete, with the scale of their colours.
#[component]
fn PartialImage(image: Image, range: (f64, f64), grid: Grid) -> impl IntoView {
    let sides = Sides::of(grid.width, grid.rows);
    let (low, high) = (short(range.0), short(range.1));
    let label = format!(
        "Image of the partial mean, {} rows of {}, so far from {low} (dark) to {high} (light)",
        count(grid.rows),
        count(grid.width)
    );
    Some(view! {
        <figure class="result-image" data-shape=sides.word() style=sides.style()>
            <div class="image-area">
                <img src=partial_data_url(&image)? alt=label />
            </div>
            <figcaption>
                <span class="scale">
                    <span class="number">{low}</span>
                    <span class="scale-colours" style:background=gradient()></span>
                    <span class="number">{high}</span>
                    <span class="scale-gap">"not complete yet"</span>
                </span>
                <span>"from the least to the greatest so far"</span>
            </figcaption>
        </figure>
    })
}
