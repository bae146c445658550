//! The statistics of a result beside the mean.

use leptos::prelude::*;
use protocol::JobId;
use protocol::request::{Choice, Statistic};
use protocol::result::{ResultSummary, StatisticSummary};

use super::downloads::Downloads;
use super::first_numbers::FirstNumbers;
use super::result_plot::ResultPlot;

/// Each statistic of a result: its extremes, its plot, its first numbers and its
/// downloads.
#[component]
pub fn StatisticCards(
    /// The id of the job.
    id: JobId,
    /// The summary of the result.
    result: ResultSummary,
) -> impl IntoView {
    let columns = result.columns;
    // Records of older versions have no summaries.
    let summaries = result.summaries.into_iter().map(Some).chain(std::iter::repeat_with(|| None));
    result
        .statistics
        .into_iter()
        .zip(summaries)
        .map(|(statistic, summary)| view! { <StatisticCard id statistic columns summary /> })
        .collect_view()
}

#[component]
fn StatisticCard(
    id: JobId,
    statistic: Statistic,
    columns: u64,
    summary: Option<StatisticSummary>,
) -> impl IntoView {
    let file = summary.as_ref().map(|summary| summary.file.clone());
    let shown = summary.map(|summary| {
        let StatisticSummary { first, plot, min, max, .. } = summary;
        let range = min.clone().zip(max.clone()).map(|(min, max)| {
            view! {
                <p class="hint">"From " <span class="number">{min}</span> " to " <span class="number">{max}</span></p>
            }
        });
        view! {
            {range}
            <ResultPlot what=statistic.title() columns plot min max />
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
                <Downloads id statistic=Some(statistic) file />
            </header>
            {shown}
        </section>
    }
}
