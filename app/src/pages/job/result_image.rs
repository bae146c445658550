//! A two-dimensional result as an image.

pub mod png;

use leptos::prelude::*;
use protocol::result::{Image, ResultSummary};

use self::png::data_url;
use crate::format::count;
use crate::picture::colour_map::gradient;
use crate::picture::sides::Sides;

/// A two-dimensional result as an image, with a colour scale.
#[component]
pub fn ResultImage(
    /// The image.
    image: Image,
    /// The summary of the result.
    result: ResultSummary,
) -> impl IntoView {
    let url = data_url(&image)?;
    let shape: Vec<String> = result.shape.iter().flatten().map(|side| count(*side)).collect();
    let shape = shape.join(" × ");
    let least = result.min.unwrap_or_default();
    let greatest = result.max.unwrap_or_default();
    let sides = Sides::of(image.width, image.height);
    let has_gaps = image.pixels.contains(&0);
    let gaps = has_gaps.then(|| view! { <span class="scale-nan">"no finite number"</span> });
    Some(view! {
        <figure class="result-image" data-shape=sides.word() style=sides.style()>
            <img
                src=url
                width=image.width
                height=image.height
                alt=format!("Image of the mean, {shape}, from {least} (dark) to {greatest} (light)")
            />
            <figcaption>
                <span>{format!("{shape}, row by row")}</span>
                <span class="scale">
                    <span class="number">{least}</span>
                    <span class="scale-colours" style:background=gradient()></span>
                    <span class="number">{greatest}</span>
                    {gaps}
                </span>
            </figcaption>
        </figure>
    })
}
