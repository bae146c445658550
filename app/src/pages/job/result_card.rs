//! The result of a job.

use leptos::prelude::*;
use protocol::JobId;
use protocol::result::ResultSummary;

use super::downloads::Downloads;
use super::first_numbers::FirstNumbers;
use super::provenance::Verification;
use super::result_image::ResultImage;
use super::result_plot::ResultPlot;
use super::statistic_cards::StatisticCards;
use crate::format::{count, plural};

/// The result of a job: a plot or an image, its figures, its hash, its first numbers, its
/// statistics and the downloads. It never changes, so only the server renders it.
#[component]
pub fn ResultCard(
    /// The id of the job.
    id: JobId,
    /// The summary of the result.
    result: ResultSummary,
) -> impl IntoView {
    let what = format!(
        "{} of {}",
        plural(result.columns, "mean", "means"),
        plural(result.objects, "number", "numbers")
    );
    let image =
        result.image.clone().map(|image| view! { <ResultImage image result=result.clone() /> });
    let columns = result.columns;
    // A picture of two dimensions, read row by row, is no line.
    let plot = result.image.is_none().then(|| {
        let ResultSummary { plot, min, max, .. } = result.clone();
        view! { <ResultPlot what="mean" columns plot min max /> }
    });
    let verification = result.file.clone().map(|file| view! { <Verification id file /> });
    view! {
        <section class="card result" aria-labelledby="result-heading">
            <header class="card-header">
                <h2 id="result-heading">"Result"</h2>
                <span class="hint">{what}</span>
                <Downloads id statistic=None file=result.file.clone() />
            </header>
            {image}
            {plot}
            <ResultFigures result=result.clone() />
            {verification}
            <FirstNumbers first=result.first.clone() columns />
            <StatisticCards id result />
        </section>
    }
}

#[component]
fn ResultFigures(result: ResultSummary) -> impl IntoView {
    let figure = |label: &'static str, value: Option<String>| {
        value.map(|value| {
            view! {
                <div class="figure">
                    <dt>{label}</dt>
                    <dd class="number">{value}</dd>
                </div>
            }
        })
    };
    let some = |number: u64| (number > 0).then(|| count(number));
    view! {
        <dl class="figures result-figures">
            {figure("Smallest mean", result.min)}
            {figure("Largest mean", result.max)}
            {figure("NaN values", some(result.nan_columns))}
            {figure("Infinite values", some(result.infinite_columns))}
        </dl>
    }
}
