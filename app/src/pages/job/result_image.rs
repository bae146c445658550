//! A result of two dimensions as a picture.

pub mod png;

use leptos::prelude::*;
use protocol::result::{Image, ResultSummary};

use self::png::data_url;
use crate::format::count;
use crate::picture::colour_map::gradient;

/// A result of two dimensions as a picture, with a scale of its colours.
#[component]
pub fn ResultImage(
    /// The picture.
    image: Image,
    /// The result that it is of.
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
                alt=format!("The mean as a picture, {shape}: dark is {least}, light is {greatest}")
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
