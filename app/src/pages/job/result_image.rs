//! A two-dimensional result as an image.

pub mod png;

use leptos::prelude::*;
use protocol::result::{Image, ResultSummary};

use self::png::data_url;
use crate::format::count;
use crate::picture::colour_map::gradient;

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
    Some(view! {
        <figure class="result-image">
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
                </span>
            </figcaption>
        </figure>
    })
}
