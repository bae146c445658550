//! What the pages of a job have in common.

use leptos::prelude::*;
use leptos_meta::{Meta, Title};
use leptos_router::components::A;
use protocol::states::TaskStates;
use protocol::{JobSnapshot, Role};

use super::actions::JobActions;
use super::share::ShareLink;
use crate::backend::caller;
use crate::clock::AsOf;
use crate::islands::Given;
use crate::islands::copy_link::CopyLink;
use crate::islands::job::{LiveJob, title};
use crate::paths::JobTab;

/// Reloads the page of a running job without JavaScript.
const RELOAD: &str = "<meta http-equiv=\"refresh\" content=\"5\">\
    <p class=\"hint\">Without JavaScript, this page reloads every 5 seconds until the job \
    ends.</p>";

/// The name, the actions and the live state of a job, around what one of its pages shows.
#[component]
pub fn JobFrame(
    /// The job without its result, and the states of its tasks.
    page: AsOf<(JobSnapshot, Option<TaskStates>)>,
    /// The page.
    tab: JobTab,
    /// What it shows.
    children: Children,
) -> impl IntoView {
    let AsOf { at, value: (value, states) } = page;
    let job = AsOf { at, value };
    let id = job.value.id;
    let title = title(&job.value);
    let reload =
        (!job.value.phase.is_over()).then(|| view! { <noscript inner_html=RELOAD></noscript> });
    // Where everybody may see all jobs, the page's own address is the link to share.
    let share = caller()
        .filter(|caller| caller.is_restricted && caller.may(Role::Submit))
        .map(|_| view! { <ShareLink id /> });
    let submitted_by = job.value.submitted_by.clone().map(|name| {
        view! { <span class="hint">"Submitted by " {name}</span> }
    });
    let demo = job.value.request.paced.then(|| {
        view! {
            <p class="demo-note">
                "Paced on purpose, for the demonstration: every task lasts a while, and the first "
                "attempt at task 0.2.0 twelve times as long."
            </p>
        }
    });
    view! {
        <Meta property="og:title" content=title.clone() />
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
                {share.is_none().then(|| view! { <CopyLink link=None /> })}
                {share}
                <JobActions id />
            </div>
        </div>
        {demo}
        <LiveJob job=Given(job) states=Given(states) tab=Given(tab)>
            {children()}
        </LiveJob>
        <p class="job-footer">
            <a href=format!("/api/jobs/{id}")>"Job as JSON"</a>
            <a href=format!("/api/jobs/{id}/tasks")>"Tasks and attempts as JSON"</a>
        </p>
    }
}
