//! The pages of a job. The address of the first is the link to share.

pub mod actions;
pub mod downloads;
pub mod first_numbers;
pub mod frame;
pub mod log;
pub mod provenance;
pub mod result_card;
pub mod result_image;
pub mod result_plot;
pub mod run;
pub mod share;
pub mod statistic_cards;

use leptos::prelude::*;
use leptos_router::hooks::{use_params_map, use_query_map};
use protocol::Timestamp;

use self::frame::JobFrame;
use self::log::LogView;
use self::provenance::Provenance;
use self::result_card::ResultCard;
use self::run::{RunQuery, RunView};
use super::not_found::Missing;
use crate::calls;
use crate::components::problem_card::ProblemCard;
use crate::islands::job::RESULT_SLOT;
use crate::paths::JobTab;

/// The page of a job with its result, and its progress until then. Its address is the link
/// to share.
#[component]
pub fn JobPage() -> impl IntoView {
    let job = Resource::new(shown_id(), calls::job);
    view! {
        <Suspense>
            {move || Suspend::new(async move {
                match job.await {
                    Ok(mut page) => {
                        let job = &mut page.value.0;
                        let id = job.id;
                        // The server renders the result; the island does not need it.
                        let result = job.result.take();
                        let result = result.map(|result| view! { <ResultCard id result /> });
                        let provenance = job.clone();
                        view! {
                            <JobFrame page tab=JobTab::Result>
                                <div id=RESULT_SLOT data-part="result">
                                    {result}
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
            Ok::<_, calls::CallError>((job, timeline, query))
        },
    );
    view! {
        <Suspense>
            {move || Suspend::new(async move {
                match run.await {
                    Ok((mut page, timeline, query)) => {
                        page.value.0.result = None;
                        let job = page.value.0.clone();
                        let shown = match timeline {
                            Ok(timeline) => view! { <RunView job timeline query /> }.into_any(),
                            Err(error) => {
                                view! { <ProblemCard problem=Some(error.0) /> }.into_any()
                            }
                        };
                        view! { <JobFrame page tab=JobTab::Run>{shown}</JobFrame> }.into_any()
                    }
                    Err(error) => view! { <Missing problem=error.0 /> }.into_any(),
                }
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
            Ok::<_, calls::CallError>((job, timeline, kind))
        },
    );
    view! {
        <Suspense>
            {move || Suspend::new(async move {
                match run.await {
                    Ok((mut page, timeline, kind)) => {
                        page.value.0.result = None;
                        let job = page.value.0.clone();
                        view! {
                            <JobFrame page tab=JobTab::Log>
                                <LogView job timeline kind />
                            </JobFrame>
                        }
                            .into_any()
                    }
                    Err(error) => view! { <Missing problem=error.0 /> }.into_any(),
                }
            })}
        </Suspense>
    }
}

/// The id in the address of the page.
pub(super) fn shown_id() -> impl Fn() -> String + Copy {
    let params = use_params_map();
    move || params.with(|params| params.get("id").unwrap_or_default())
}
