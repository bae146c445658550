//! The pages of a job. The address of the first is the link to share.

pub mod actions;
pub mod attempt_facts;
pub mod downloads;
pub mod explorer;
pub mod first_numbers;
pub mod frame;
pub mod image_view;
pub mod log;
pub mod partial_card;
pub mod png;
pub mod provenance;
pub mod result_card;
pub mod result_figures;
pub mod result_plot;
pub mod run;
pub mod share;
pub mod statistic_cards;
pub mod step_link;
pub mod task;
pub mod tasks;
pub mod thumbnail;
pub mod values_table;

use leptos::prelude::*;
use leptos_router::hooks::{use_params_map, use_query_map};
use protocol::problem::ProblemKind;
use protocol::states::TaskStates;
use protocol::view::Grid;
use protocol::{JobId, JobSnapshot, Problem, Timestamp};
use serde::{Deserialize, Serialize};

use self::explorer::Explorer;
use self::frame::{JobFrame, framed, or_problem};
use self::log::LogView;
use self::partial_card::PartialCard;
use self::provenance::Provenance;
use self::result_card::ResultCard;
use self::run::{RunQuery, RunView};
use super::not_found::Missing;
use crate::calls::{self, Array, CallError, ResultView};
use crate::clock::AsOf;
use crate::inspection::PartialResult;
use crate::islands::job::RESULT_SLOT;
use crate::paths::JobTab;
use crate::result_query::ResultQuery;

/// The page of a job with its result, and its progress until then. Its address is the link
/// to share.
#[component]
pub fn JobPage() -> impl IntoView {
    let shown = shown_result(false);
    view! {
        <Suspense>
            {move || Suspend::new(async move {
                match shown.await {
                    Ok(ShownResult { mut page, shown, partial, query }) => {
                        let job = &mut page.value.0;
                        let id = job.id;
                        // The server renders the result; the island does not need it.
                        let result = job.result.take().zip(shown.transpose());
                        let result = result.map(|(result, shown)| {
                            let shown = shown.map_err(|error| error.0);
                            view! { <ResultCard id result shown query /> }
                        });
                        let grid = Grid::of(job.inputs.shape.as_deref(), job.inputs.fortran_order);
                        let partial = partial.map(|partial| view! { <PartialCard partial grid /> });
                        let provenance = job.clone();
                        view! {
                            <JobFrame page tab=JobTab::Result>
                                <div id=RESULT_SLOT data-part="result">
                                    {result}
                                    {partial}
                                </div>
                            </JobFrame>
                            <Provenance job=provenance />
                        }
                            .into_any()
                    }
                    Err(error) => view! { <Missing problem=error.0 /> }.into_any(),
                }
            })}
        </Suspense>
    }
}

/// The parts of a result's page that change when its picture is zoomed, on a page of their
/// own: gestures ask for them often.
#[component]
pub fn ViewPage() -> impl IntoView {
    let shown = shown_result(true);
    view! {
        <Suspense>
            {move || Suspend::new(async move {
                let (page, shown, query) = match shown.await {
                    Ok(ShownResult { page, shown: Ok(Some(shown)), query, .. }) => {
                        (page, shown, query)
                    }
                    Ok(ShownResult { shown: Err(error), .. }) | Err(error) => {
                        return view! { <Missing problem=error.0 /> }.into_any();
                    }
                    Ok(ShownResult { page, shown: Ok(None), .. }) => {
                        let problem = no_result_yet(page.value.0.id);
                        return view! { <Missing problem /> }.into_any();
                    }
                };
                let result = page.value.0.result.unwrap_or_default();
                let (id, columns) = (page.value.0.id, result.columns);
                let statistic = Array::of(&result, query.statistic).statistic;
                view! {
                    <section class="card result" aria-labelledby="result-heading">
                        <header class="card-header">
                            <h1 id="result-heading">"Result"</h1>
                            <a class="card-header-link" href=query.address(id)>
                                "All of it"
                            </a>
                        </header>
                        <Explorer id columns statistic shown query />
                    </section>
                }
                    .into_any()
            })}
        </Suspense>
    }
}

/// The problem of a part of a result that is not there.
fn no_result_yet(id: JobId) -> Problem {
    Problem::new(ProblemKind::NotFound, format!("Job {id} has no result."))
        .remedy("Wait until it is done.")
}

/// A job, and what its page shows of its result.
#[derive(Clone, Serialize, Deserialize)]
struct ShownResult {
    page: AsOf<(JobSnapshot, Option<TaskStates>)>,
    /// The part of the result that the page was asked to show.
    shown: Result<Option<ResultView>, CallError>,
    /// What is known of the result while the job runs.
    partial: Option<PartialResult>,
    /// What the page was asked to show.
    query: ResultQuery,
}

/// The job in the address of the page, and the part of its result that is asked for. Only
/// gestures ask for nothing but the value under the pointer.
fn shown_result(by_gestures: bool) -> Resource<Result<ShownResult, CallError>> {
    let (id, query) = (shown_id(), use_query_map());
    let asked = move || {
        let asked = query.with(ResultQuery::from_query);
        (id(), ResultQuery { at: asked.at.filter(|_| by_gestures), ..asked })
    };
    Resource::new(asked, async |(id, query)| {
        let page = calls::job(id).await?;
        let shown = calls::result_view(&page.value.0, &query).await;
        let partial = calls::partial_result(&page.value.0).await;
        Ok(ShownResult { page, shown, partial, query })
    })
}

/// The page of a job with its attempts over time.
#[component]
pub fn RunPage() -> impl IntoView {
    let (id, query) = (shown_id(), use_query_map());
    let shown = move || {
        let time = |name| query.with(|it| it.get_str(name).and_then(|ms| ms.parse().ok()));
        RunQuery {
            from: time("from").map(Timestamp::from_millis),
            to: time("to").map(Timestamp::from_millis),
            attempt: query.with(|it| it.get("attempt")),
        }
    };
    let run = Resource::new(
        move || (id(), shown()),
        async |(id, query)| {
            let job = calls::job(id.clone()).await?;
            let timeline = calls::timeline(&id, query.from, query.to).await;
            Ok::<_, calls::CallError>((job, (timeline, query)))
        },
    );
    view! {
        <Suspense>
            {move || Suspend::new(async move {
                framed(run.await, JobTab::Run, |job, (timeline, query)| {
                    or_problem(timeline, |timeline| {
                        view! { <RunView job=job.value timeline query /> }.into_any()
                    })
                })
            })}
        </Suspense>
    }
}

/// The page of a job with what happened.
#[component]
pub fn LogPage() -> impl IntoView {
    let (id, query) = (shown_id(), use_query_map());
    let kind = move || query.with(|it| it.get("kind"));
    let run = Resource::new(
        move || (id(), kind()),
        async |(id, kind)| {
            let job = calls::job(id.clone()).await?;
            // What happened to the job itself is known in any case.
            let timeline = calls::timeline(&id, None, None).await.ok();
            Ok::<_, calls::CallError>((job, (timeline, kind)))
        },
    );
    view! {
        <Suspense>
            {move || Suspend::new(async move {
                framed(run.await, JobTab::Log, |job, (timeline, kind)| {
                    view! { <LogView job=job.value timeline kind /> }.into_any()
                })
            })}
        </Suspense>
    }
}

/// The id in the address of the page.
pub(super) fn shown_id() -> impl Fn() -> String + Copy {
    let params = use_params_map();
    move || params.with(|params| params.get("id").unwrap_or_default())
}
