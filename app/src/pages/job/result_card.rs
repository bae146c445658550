//! The result of a job.

use leptos::prelude::*;
use protocol::JobId;
use protocol::request::Choice;
use protocol::result::ResultSummary;

use super::first_numbers::FirstNumbers;
use super::result_image::ResultImage;
use super::result_plot::ResultPlot;
use crate::components::icon::{DOWNLOAD, Drawn};
use crate::format::{count, plural};

/// The result of a job: a plot, an image, its figures, its first numbers and the
/// downloads. It never changes, so only the server renders it.
#[component]
pub fn ResultCard(
    /// The id of the job.
    id: JobId,
    /// The summary of the result.
    result: ResultSummary,
) -> impl IntoView {
    let download = |format: &'static str, label: &'static str| {
        view! {
            <a
                class="button"
                download=""
                href=format!("/api/jobs/{id}/result?format={format}")
            >
                <Drawn icon=DOWNLOAD />
                {label}
            </a>
        }
    };
    let what = format!(
        "{} of {}",
        plural(result.columns, "mean", "means"),
        plural(result.objects, "number", "numbers")
    );
    let image =
        result.image.clone().map(|image| view! { <ResultImage image result=result.clone() /> });
    view! {
        <section class="card result" aria-labelledby="result-heading">
            <header class="card-header">
                <h2 id="result-heading">"Result"</h2>
                <span class="hint">{what}</span>
                <div class="downloads">
                    {download("npy", ".npy")} {download("csv", ".csv")} {download("json", ".json")}
                </div>
            </header>
            {image}
            <ResultPlot result=result.clone() />
            <ResultFigures result=result.clone() />
            <FirstNumbers result />
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
    let statistics = (!result.statistics.is_empty()).then(|| {
        let words: Vec<_> = result.statistics.iter().map(|statistic| statistic.title()).collect();
        words.join(", ")
    });
    view! {
        <dl class="figures result-figures">
            {figure("Smallest mean", result.min)}
            {figure("Largest mean", result.max)}
            {figure("NaN values", some(result.nan_columns))}
            {figure("Infinite values", some(result.infinite_columns))}
            {figure("Other statistics", statistics)}
        </dl>
    }
}
