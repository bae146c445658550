//! How the results of two jobs differ.

use std::sync::Arc;

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::A;
use leptos_router::hooks::{use_params_map, use_query_map};
use protocol::comparison::Comparison;
use protocol::problem::ProblemKind;
use protocol::request::{Choice, Statistic};
use protocol::view::{Envelope, Grid};
use protocol::{JobId, JobSnapshot, Problem};
use serde::{Deserialize, Serialize};

use super::job::png::data_url;
use super::job::result_plot::ResultPlot;
use super::not_found::Missing;
use crate::backend::backend;
use crate::calls::{self, Array, CallError};
use crate::components::problem_card::ProblemCard;
use crate::format::{count, job_title, plural, short, utc};
use crate::paths::{compare_path, job_path};
use crate::picture::colour_map::gradient;
use crate::picture::sides::Sides;
use crate::result_query::ResultQuery;

/// How many jobs are proposed: the newest whose results have the same shape.
const PROPOSED: usize = 20;

/// What the page shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Compared {
    job: JobSnapshot,
    /// The jobs that it can be compared with, newest first: id, title, and when submitted.
    proposed: Vec<(JobId, String)>,
    statistic: Option<Statistic>,
    /// The other job, and how it differs.
    other: Option<Result<(JobSnapshot, Comparison), CallError>>,
}

/// The page that compares the results of two jobs, and proposes others.
#[component]
pub fn ComparePage() -> impl IntoView {
    let (params, query) = (use_params_map(), use_query_map());
    let asked = move || {
        let of_path = |name: &str| params.with(|params| params.get(name));
        let with = query.with(|query| query.get("with"));
        let statistic = query.with(ResultQuery::from_query).statistic;
        (of_path("id").unwrap_or_default(), of_path("other").or(with), statistic)
    };
    let compared =
        Resource::new(asked, async |(id, other, statistic)| compared(&id, other, statistic).await);
    view! {
        <Suspense>
            {move || Suspend::new(async move {
                match compared.await {
                    Ok(compared) => view! { <ComparedView compared /> }.into_any(),
                    Err(error) => view! { <Missing problem=error.0 /> }.into_any(),
                }
            })}
        </Suspense>
    }
}

async fn compared(
    id: &str,
    other: Option<String>,
    statistic: Option<Statistic>,
) -> Result<Compared, CallError> {
    let job = calls::job(id.to_owned()).await?.value.0;
    let proposed = proposed(&job);
    let other = match other.filter(|other| !other.is_empty()) {
        Some(other) => Some(compare(&job, &other, statistic).await),
        None => None,
    };
    Ok(Compared { job, proposed, statistic, other })
}

async fn compare(
    job: &JobSnapshot,
    other: &str,
    statistic: Option<Statistic>,
) -> Result<(JobSnapshot, Comparison), CallError> {
    let id: JobId = other.parse().map_err(|_| calls::no_such_job(other))?;
    let (other, _) = backend().job_with_tasks(id).await?;
    let comparison: Arc<Comparison> = backend().compare((job.id, id), statistic).await?;
    Ok((other, Comparison::clone(&comparison)))
}

/// The newest jobs in memory whose results have the shape of a job's.
fn proposed(job: &JobSnapshot) -> Vec<(JobId, String)> {
    let shape = |job: &JobSnapshot| {
        let result = job.result.as_ref()?;
        Some((result.columns, result.shape.clone(), job.inputs.fortran_order))
    };
    let wanted = shape(job);
    let mut proposed = Vec::new();
    backend().visit_jobs(&mut |other| {
        if other.id != job.id && wanted.is_some() && shape(other) == wanted {
            let title = format!("{}, {}", job_title(other), utc(other.timings.submitted_at));
            proposed.push((other.id, title));
        }
    });
    proposed.sort_by_key(|(id, _)| std::cmp::Reverse(*id));
    proposed.truncate(PROPOSED);
    proposed
}

#[component]
fn ComparedView(compared: Compared) -> impl IntoView {
    let Compared { job, proposed, statistic, other } = compared;
    let id = job.id;
    let chosen = other.as_ref().and_then(|other| Some(other.as_ref().ok()?.0.id));
    let shown = match other {
        None => None,
        Some(Ok((other, comparison))) => {
            Some(view! { <Differences job=job.clone() other comparison statistic /> }.into_any())
        }
        Some(Err(error)) => Some(view! { <ProblemCard problem=Some(error.0) /> }.into_any()),
    };
    let title = format!("Compare {}", job_title(&job));
    view! {
        <Title text=title />
        <div class="job-bar">
            <p class="breadcrumb">
                <A href="/jobs">"Jobs"</A>
                <span aria-hidden="true">"/"</span>
                <A href=job_path(id)>
                    <code>{id.to_string()}</code>
                </A>
            </p>
        </div>
        <section class="card compare" aria-labelledby="compare-heading">
            <header class="card-header">
                <h1 id="compare-heading">"Compare " {job_title(&job)}</h1>
            </header>
            <Chooser job proposed chosen statistic />
            {shown}
        </section>
    }
}

/// The form that chooses the other job.
#[component]
fn Chooser(
    job: JobSnapshot,
    proposed: Vec<(JobId, String)>,
    chosen: Option<JobId>,
    statistic: Option<Statistic>,
) -> impl IntoView {
    if job.result.is_none() {
        let problem = Problem::new(ProblemKind::NotFound, "The job has no result.")
            .remedy("Wait until it is done.");
        return view! { <ProblemCard problem=Some(problem) /> }.into_any();
    }
    let path = format!("{}/compare", job_path(job.id));
    let kept =
        statistic.map(|it| view! { <input type="hidden" name="statistic" value=it.word() /> });
    if proposed.is_empty() {
        return view! {
            <p class="empty">
                "No other job in memory has a result of the same shape. Its id can be put at the "
                "end of the address of this page: " <code>{path} "/…"</code>
            </p>
        }
        .into_any();
    }
    let options = proposed
        .into_iter()
        .map(|(id, title)| {
            view! {
                <option value=id.to_string() selected=Some(id) == chosen>
                    {title}
                </option>
            }
        })
        .collect_view();
    view! {
        <form class="jump compare-form" method="get" action=path>
            {kept}
            <label for="compare-with">"With"</label>
            <select id="compare-with" name="with">
                {options}
            </select>
            <button type="submit" class="button small">"Compare"</button>
        </form>
    }
    .into_any()
}

/// How the results of two jobs differ.
#[component]
fn Differences(
    job: JobSnapshot,
    other: JobSnapshot,
    comparison: Comparison,
    statistic: Option<Statistic>,
) -> impl IntoView {
    let (id, other_id) = (job.id, other.id);
    let fortran = job.inputs.fortran_order;
    let other_title = job_title(&other);
    let one = job.result.unwrap_or_default();
    let two = other.result.unwrap_or_default();
    let both: Vec<Option<Statistic>> = std::iter::once(None)
        .chain(one.statistics.iter().filter(|it| two.statistics.contains(it)).copied().map(Some))
        .collect();
    let arrays = (both.len() > 1).then(|| {
        let links = both.into_iter().map(|shown| {
            let query = shown.map_or_else(String::new, |it| format!("?statistic={}", it.word()));
            view! {
                <a
                    href=format!("{}{query}", compare_path(id, other_id))
                    aria-current=(shown == statistic).then_some("true")
                >
                    {shown.map_or("mean", Statistic::title)}
                </a>
            }
        });
        view! {
            <nav class="arrays" aria-label="Mean and statistics">
                {links.collect_view()}
            </nav>
        }
    });
    let grid = Grid::of(one.shape.as_deref(), fortran);
    let columns = comparison.columns;
    let verdict = verdict(&comparison);
    let state = if comparison.is_equal() { "equal" } else { "different" };
    let greatest = comparison.greatest.clone().map(|greatest| {
        let place = match grid {
            None => format!("index {}", count(greatest.index)),
            Some(grid) => {
                let (row, place) = grid.place(greatest.index);
                format!("row {}, column {}", count(row), count(place))
            }
        };
        let asked = ResultQuery { statistic, ..ResultQuery::default() };
        let href = |id| {
            format!("{}#explorer", asked.with_index(greatest.index, columns, grid).address(id))
        };
        view! {
            <dl class="figures">
                <div class="figure">
                    <dt>"Greatest absolute difference, at " {place}</dt>
                    <dd class="number">{greatest.difference}</dd>
                </div>
                <div class="figure">
                    <dt><a href=href(id)>"Value of this job"</a></dt>
                    <dd class="number">{greatest.first}</dd>
                </div>
                <div class="figure">
                    <dt><a href=href(other_id)>"Value of the other"</a></dt>
                    <dd class="number">{greatest.second}</dd>
                </div>
            </dl>
        }
    });
    let what = statistic.map_or("mean", Statistic::title);
    let image = comparison.image.clone().zip(grid).and_then(|(image, grid)| {
        let url = data_url(&image)?;
        let gaps = image.pixels.contains(&0).then(|| {
            view! { <span class="scale-nan">"no difference that is a number"</span> }
        });
        let sides = Sides::of(grid.width, grid.rows);
        let greatest = comparison.greatest.as_ref().map_or("0", |it| &it.difference);
        let greatest = greatest.parse().map_or_else(|_| greatest.to_owned(), short);
        let label =
            format!("Absolute differences of the {what}, from 0 (dark) to {greatest} (light)");
        Some(view! {
            <h2>"Absolute difference"</h2>
            <figure class="result-image" data-shape=sides.word() style=sides.style()>
                <div class="image-area">
                    <img src=url alt=label />
                </div>
                <figcaption>
                    <span class="scale">
                        <span class="number">"0"</span>
                        <span class="scale-colours" style:background=gradient()></span>
                        <span class="number">{greatest}</span>
                        {gaps}
                    </span>
                </figcaption>
            </figure>
        })
    });
    let plots = grid.is_none().then(|| {
        let envelope =
            Envelope { start: 0, end: columns, columns, points: Array::of(&one, statistic).plot };
        let others = Array::of(&two, statistic).plot;
        let has_both = !envelope.points.is_empty() && !others.is_empty();
        let overlay = has_both.then(|| {
            view! {
                <h2>"Both"</h2>
                <p class="legend">
                    <span data-state="one">"this job"</span>
                    <span data-state="other">"the other"</span>
                </p>
                <ResultPlot what=format!("{what} of both jobs") envelope other=others />
            }
        });
        let points = comparison.points.clone();
        let differences = (!comparison.is_equal() && !points.is_empty()).then(|| {
            let envelope = Envelope { start: 0, end: columns, columns, points };
            view! {
                <h2>"Difference, the other minus this"</h2>
                <ResultPlot what=format!("difference of the {what}") envelope />
            }
        });
        view! { {overlay} {differences} }
    });
    view! {
        <p>"With " <A href=job_path(other_id)>{other_title}</A></p>
        {arrays}
        <p class="verdict" data-state=state>{verdict}</p>
        {greatest}
        {image}
        {plots}
        <p class="job-footer">
            <a href=format!("/api{}", compare_path(id, other_id))>"As JSON"</a>
        </p>
    }
}

/// Whether two results are equal, in words.
fn verdict(comparison: &Comparison) -> String {
    let columns = comparison.columns;
    if comparison.is_equal() {
        let how = if comparison.by_hash { ", by the SHA-256 of their files" } else { "" };
        return format!(
            "Bits equal: all {} have the same bits{how}.",
            plural(columns, "value", "values")
        );
    }
    let without = match comparison.without_difference {
        0 => String::new(),
        without => format!("; at {} of them the difference is not a number", count(without)),
    };
    format!(
        "Not equal: {} of {} differ in bits{without}.",
        count(comparison.differing),
        plural(columns, "value", "values"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_says_how_many_differ() {
        let mut comparison = Comparison { columns: 1_000, by_hash: true, ..Comparison::default() };
        assert_eq!(
            verdict(&comparison),
            "Bits equal: all 1\u{202f}000\u{a0}values have the same bits, by the SHA-256 of their files."
        );
        (comparison.differing, comparison.without_difference) = (3, 1);
        assert_eq!(
            verdict(&comparison),
            "Not equal: 3 of 1\u{202f}000\u{a0}values differ in bits; at 1 of them the difference is not \
             a number."
        );
    }
}
