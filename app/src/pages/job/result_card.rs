//! The result of a job.

use leptos::prelude::*;
use protocol::request::{Choice, Statistic};
use protocol::result::ResultSummary;
use protocol::{JobId, Problem, Role};

use super::downloads::Downloads;
use super::explorer::Explorer;
use super::provenance::Verification;
use super::result_figures::ResultFigures;
use super::statistic_cards::StatisticCards;
use crate::backend::caller_may;
use crate::calls::{Array, ResultView};
use crate::components::problem_card::ProblemCard;
use crate::format::plural;
use crate::paths::job_path;
use crate::result_query::ResultQuery;

/// The result of a job: a picture that can be zoomed, its figures, its hash, its values, its
/// statistics and the downloads. It never changes, so only the server renders it.
#[component]
pub fn ResultCard(
    /// The id of the job.
    id: JobId,
    /// The summary of the result.
    result: ResultSummary,
    /// The part that is shown, or why there is none.
    shown: Result<ResultView, Problem>,
    /// What the page was asked to show.
    query: ResultQuery,
) -> impl IntoView {
    let what = format!(
        "{} of {}",
        plural(result.columns, "mean", "means"),
        plural(result.objects, "number", "numbers")
    );
    let columns = result.columns;
    let array = Array::of(&result, query.statistic);
    let statistic = array.statistic;
    let arrays = (!result.statistics.is_empty())
        .then(|| view! { <Arrays id result=result.clone() query=query.clone() /> });
    let grid = shown.as_ref().ok().and_then(|shown| Some(shown.image?.grid));
    let explorer = match shown {
        Ok(shown) => {
            view! { <Explorer id columns statistic shown query=query.clone() /> }.into_any()
        }
        Err(problem) => view! { <ProblemCard problem=Some(problem) /> }.into_any(),
    };
    // A link to a single job shows no other.
    let compare = caller_may(Role::View).then(|| {
        view! { <a href=format!("{}/compare", job_path(id))>"Compare with…"</a> }
    });
    let verification = result.file.clone().map(|file| view! { <Verification id file /> });
    view! {
        <section class="card result" aria-labelledby="result-heading">
            <header class="card-header">
                <h2 id="result-heading">"Result"</h2>
                <span class="hint">{what}</span>
                {compare}
                <Downloads
                    id
                    statistic
                    file=array.file.clone()
                    safetensors=array.safetensors.clone()
                    netcdf=array.netcdf.clone()
                />
            </header>
            {arrays}
            {explorer}
            <ResultFigures id columns grid array=array.clone() query=query.clone() />
            {verification}
            <StatisticCards id result is_image=grid.is_some() />
        </section>
    }
}

/// The links to the mean and the statistics of a result.
#[component]
fn Arrays(id: JobId, result: ResultSummary, query: ResultQuery) -> impl IntoView {
    let shown = Array::of(&result, query.statistic).statistic;
    let arrays = std::iter::once(None).chain(result.statistics.into_iter().map(Some));
    let links = arrays
        .map(|statistic| {
            // The same part of another array.
            let asked = ResultQuery { statistic, ..query.clone() };
            view! {
                <a
                    href=format!("{}#explorer", asked.address(id))
                    aria-current=(statistic == shown).then_some("true")
                >
                    {statistic.map_or("mean", Statistic::title)}
                </a>
            }
        })
        .collect_view();
    view! {
        <nav class="arrays" aria-label="Mean and statistics">
            {links}
        </nav>
    }
}
