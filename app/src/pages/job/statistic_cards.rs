//! The statistics of a result beside the mean.

use leptos::prelude::*;
use protocol::JobId;
use protocol::request::{Choice, Statistic};
use protocol::result::{ResultSummary, StatisticSummary};
use protocol::view::Envelope;

use super::downloads::Downloads;
use super::first_numbers::FirstNumbers;
use super::result_plot::ResultPlot;
use crate::paths::job_path;

/// Each statistic of a result: its extremes, its plot, its first numbers and its
/// downloads.
#[component]
pub fn StatisticCards(
    /// The id of the job.
    id: JobId,
    /// The summary of the result.
    result: ResultSummary,
    /// Whether the result has two dimensions, so that an image is drawn of each.
    is_image: bool,
) -> impl IntoView {
    let columns = result.columns;
    // Records of older versions have no summaries.
    let summaries = result.summaries.into_iter().map(Some).chain(std::iter::repeat_with(|| None));
    result
        .statistics
        .into_iter()
        .zip(summaries)
        .map(|(statistic, summary)| view! { <StatisticCard id statistic columns summary is_image /> })
        .collect_view()
}

#[component]
fn StatisticCard(
    id: JobId,
    statistic: Statistic,
    columns: u64,
    summary: Option<StatisticSummary>,
    is_image: bool,
) -> impl IntoView {
    let file = summary.as_ref().map(|summary| summary.file.clone());
    let safetensors = summary.as_ref().and_then(|summary| summary.safetensors.clone());
    let netcdf = summary.as_ref().and_then(|summary| summary.netcdf.clone());
    let shown = summary.map(|summary| {
        let StatisticSummary { first, plot, min, max, .. } = summary;
        let envelope = Envelope { start: 0, end: columns, columns, points: plot };
        let range = min.zip(max).map(|(min, max)| {
            view! {
                <p class="hint">"From " <span class="number">{min}</span> " to " <span class="number">{max}</span></p>
            }
        });
        let href = format!("{}?statistic={}#explorer", job_path(id), statistic.word());
        let picture = match is_image {
            // Read row by row, it would be a band of noise.
            true => view! { <Thumbnail id statistic href=href.clone() /> }.into_any(),
            false => view! { <ResultPlot what=statistic.title() envelope /> }.into_any(),
        };
        view! {
            {range}
            {picture}
            <p><a href=href>{format!("Zoom, values and figures of the {}", statistic.title())}</a></p>
            <details>
                <summary>"Numbers"</summary>
                <FirstNumbers first columns />
            </details>
        }
    });
    view! {
        <section class="statistic" data-statistic=statistic.word()>
            <header class="card-header">
                <h3>{statistic.title()}</h3>
                <Downloads id statistic=Some(statistic) file safetensors netcdf />
            </header>
            {shown}
        </section>
    }
}

/// A small image of a statistic, which leads to the one that can be zoomed.
#[component]
fn Thumbnail(id: JobId, statistic: Statistic, href: String) -> impl IntoView {
    let address = format!("/api{}/image.png?statistic={}", job_path(id), statistic.word());
    view! {
        <a class="thumbnail" href=href>
            <img
                src=address
                loading="lazy"
                alt=format!("Image of the {}", statistic.title())
            />
        </a>
    }
}
