//! The overview: a new job, the workers, the newest jobs.

pub mod desired_workers;
pub mod job_form;
pub mod plan_preview;

use leptos::prelude::*;
use leptos_meta::Title;

use self::desired_workers::DesiredWorkers;
use self::job_form::JobFormCard;
use self::plan_preview::PlanPreview;
use super::not_found::Missing;
use crate::calls;
use crate::islands::Given;
use crate::islands::overview::LiveOverview;

/// The overview: what this is, a new job, the workers and the newest jobs.
#[component]
pub fn HomePage() -> impl IntoView {
    let overview = Resource::new(|| (), |()| calls::overview());
    view! {
        <Title text="" />
        <div class="hero">
            <h1>"The exact mean of every index, across all your files."</h1>
            <p>
                "A fleet of workers sums them in a tree and divides once. "
                "The same bits, whatever the number of workers, their order or their failures."
            </p>
        </div>
        <PlanPreview />
        <div class="home">
            <JobFormCard />
            <Suspense>
                {move || Suspend::new(async move {
                    match overview.await {
                        Ok(overview) => {
                            let pool = overview.value.workers.clone();
                            view! {
                                <LiveOverview overview=Given(overview)>
                                    <DesiredWorkers pool />
                                </LiveOverview>
                            }
                            .into_any()
                        }
                        Err(refusal) => view! { <Missing problem=refusal.0 /> }.into_any(),
                    }
                })}
            </Suspense>
        </div>
    }
}
