//! The page of a job. Its address is the link to share.

pub mod actions;
pub mod downloads;
pub mod first_numbers;
pub mod provenance;
pub mod result_card;
pub mod result_image;
pub mod result_plot;
pub mod share;
pub mod statistic_cards;

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::A;
use leptos_router::hooks::use_params_map;
use protocol::states::TaskStates;
use protocol::{JobSnapshot, Role};

use self::actions::JobActions;
use self::provenance::Provenance;
use self::result_card::ResultCard;
use self::share::ShareLink;
use super::not_found::Missing;
use crate::backend::caller;
use crate::calls;
use crate::clock::AsOf;
use crate::islands::Given;
use crate::islands::copy_link::CopyLink;
use crate::islands::job::{LiveJob, RESULT_SLOT, title};

/// The page of a job. Its address is the link to share.
#[component]
pub fn JobPage() -> impl IntoView {
    let params = use_params_map();
    let id = move || params.with(|params| params.get("id").unwrap_or_default());
    let job = Resource::new(id, calls::job);
    view! {
        <Suspense>
            {move || Suspend::new(async move {
                match job.await {
                    Ok(page) => view! { <Job page /> }.into_any(),
                    Err(error) => view! { <Missing problem=error.0 /> }.into_any(),
                }
            })}
        </Suspense>
    }
}

/// Reloads the page of a running job without JavaScript.
const RELOAD: &str = "<meta http-equiv=\"refresh\" content=\"5\">\
    <p class=\"hint\">Without JavaScript, this page reloads every 5 seconds until the job \
    ends.</p>";

#[component]
fn Job(page: AsOf<(JobSnapshot, Option<TaskStates>)>) -> impl IntoView {
    let AsOf { at, value: (value, states) } = page;
    let mut job = AsOf { at, value };
    let id = job.value.id;
    let title = title(&job.value);
    let reload =
        (!job.value.phase.is_over()).then(|| view! { <noscript inner_html=RELOAD></noscript> });
    // The server renders the result; the island does not need it.
    let result =
        job.value.result.take().map(|result| view! { <ResultCard id result /> }.into_any());
    let provenance = job.value.clone();
    // Where everybody may see all jobs, the page's own address is the link to share.
    let share = caller()
        .filter(|caller| caller.is_restricted && caller.may(Role::Submit))
        .map(|_| view! { <ShareLink id /> });
    let submitted_by = job.value.submitted_by.clone().map(|name| {
        view! { <span class="hint">"Submitted by " {name}</span> }
    });
    view! {
        <Title text=title formatter=|title: String| title />
        {reload}
        <div class="job-bar">
            <p class="breadcrumb">
                <A href="/jobs">"Jobs"</A>
                <span aria-hidden="true">"/"</span>
                <code>{id.to_string()}</code>
                {submitted_by}
            </p>
            <div class="job-tools">
                <CopyLink />
                {share}
                <JobActions id />
            </div>
        </div>
        <LiveJob job=Given(job) states=Given(states)>
            <div id=RESULT_SLOT>{result}</div>
        </LiveJob>
        <Provenance job=provenance />
        <p class="job-footer">
            <a href=format!("/api/jobs/{id}")>"Job as JSON"</a>
            <a href=format!("/api/jobs/{id}/tasks")>"Tasks and attempts as JSON"</a>
        </p>
    }
    .into_any()
}
