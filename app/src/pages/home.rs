//! The overview: the form of a new job, the workers and the newest jobs.

pub mod desired_workers;
pub mod job_form;
pub mod now;
pub mod plan_line;
pub mod plan_preview;
pub mod strip;

use leptos::prelude::*;
use leptos_meta::Title;
use protocol::Role;

use self::desired_workers::DesiredWorkers;
use self::job_form::JobFormCard;
use self::now::{Now, now_path, shows_all};
use self::plan_preview::PlanPreview;
use super::not_found::Missing;
use super::selected::SelectionBar;
use crate::backend::caller_may;
use crate::calls;
use crate::filter::Status;
use crate::islands::Given;
use crate::islands::overview::{LiveOverview, SHOWN_JOBS};

/// The overview: an introduction, the form of a new job, the workers and the newest
/// jobs.
#[component]
pub fn HomePage() -> impl IntoView {
    let shows_all = shows_all();
    let overview = Resource::new(|| (), |()| calls::overview());
    let form = match caller_may(Role::Submit) {
        true => view! { <JobFormCard /> }.into_any(),
        false => view! {
            <p class="card hint">"You can view jobs. Submitting one needs a token with the role submit."</p>
        }
        .into_any(),
    };
    view! {
        <Title text="" />
        <Suspense>
            {move || Suspend::new(async move {
                let has_jobs = overview.await.is_ok_and(|it| !it.value.jobs.is_empty());
                view! { <Introduction has_jobs /> }
            })}
        </Suspense>
        <PlanPreview />
        <div class="home">
            {form}
            <Suspense>
                {move || Suspend::new(async move {
                    match overview.await {
                        Ok(mut overview) => {
                            overview.value.jobs.truncate(SHOWN_JOBS);
                            let pool = overview.value.workers.clone();
                            view! {
                                <LiveOverview overview=Given(overview) now=now_path(shows_all)>
                                    {caller_may(Role::Admin).then(|| view! { <DesiredWorkers pool /> })}
                                    <Now />
                                </LiveOverview>
                                <SelectionBar text=String::new() status=Status::All />
                            }
                            .into_any()
                        }
                        Err(error) => view! { <Missing problem=error.0 /> }.into_any(),
                    }
                })}
            </Suspense>
        </div>
    }
}

/// What the program does, until the first job is there.
#[component]
fn Introduction(has_jobs: bool) -> impl IntoView {
    if has_jobs {
        return view! { <h1 class="visually-hidden">"Overview"</h1> }.into_any();
    }
    view! {
        <div class="hero">
            <h1>"The exact mean of every index, across all your files."</h1>
            <p>
                "Workers add the files in a sum tree, and the total is divided once. "
                "The result has the same bits for any number of workers, any order and any failures."
            </p>
        </div>
    }
    .into_any()
}
