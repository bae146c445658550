//! What the pages of a job have in common.

use leptos::prelude::*;
use leptos_meta::{Meta, Title};
use leptos_router::components::A;
use protocol::states::TaskStates;
use protocol::view::Grid;
use protocol::{JobSnapshot, Phase, Role};

use super::actions::JobActions;
use super::share::ShareLink;
use crate::backend::{caller, host};
use crate::calls::CallError;
use crate::clock::AsOf;
use crate::components::problem_card::ProblemCard;
use crate::islands::Given;
use crate::islands::copy_link::CopyLink;
use crate::islands::job::{LiveJob, title};
use crate::pages::not_found::Missing;
use crate::paths::{JobTab, job_path, report_path};

/// A job when its page was rendered, and the states of its tasks.
pub type ShownJob = AsOf<(JobSnapshot, Option<TaskStates>)>;

/// A page of a job: what `shown` makes of the job, without its result, and of what else was
/// looked up, in the frame that these pages have in common; or why there is no such job.
pub fn framed<T>(
    found: Result<(ShownJob, T), CallError>,
    tab: JobTab,
    shown: impl FnOnce(AsOf<JobSnapshot>, T) -> AnyView,
) -> AnyView {
    match found {
        Ok((mut page, more)) => {
            page.value.0.result = None;
            let shown = shown(AsOf { at: page.at, value: page.value.0.clone() }, more);
            view! { <JobFrame page tab>{shown}</JobFrame> }.into_any()
        }
        Err(error) => view! { <Missing problem=error.0 /> }.into_any(),
    }
}

/// What `shown` makes of what was found, or what was wrong.
pub fn or_problem<T>(found: Result<T, CallError>, shown: impl FnOnce(T) -> AnyView) -> AnyView {
    match found {
        Ok(found) => shown(found),
        Err(error) => view! { <ProblemCard problem=Some(error.0) /> }.into_any(),
    }
}

/// Reloads the page of a running job without JavaScript.
const RELOAD: &str = "<meta http-equiv=\"refresh\" content=\"5\">\
    <p class=\"hint\">Without JavaScript, this page reloads every 5 seconds until the job \
    ends.</p>";

/// The name, the actions and the live state of a job, around what one of its pages shows.
#[component]
pub fn JobFrame(
    /// The job without its result, and the states of its tasks.
    page: ShownJob,
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
    let request = job.value.request.clone();
    let owner = job.value.submitted_by.clone();
    let submitted_by = owner.clone().map(|name| {
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
    // Previews of links show the result.
    let grid = Grid::of(job.value.inputs.shape.as_deref(), job.value.inputs.fortran_order);
    let picture = grid.filter(|_| job.value.phase == Phase::Done).map(|_| {
        let address = format!("{}/api{}/image.png", host(), job_path(id));
        view! { <Meta property="og:image" content=address /> }
    });
    view! {
        <Meta property="og:title" content=title.clone() />
        {picture}
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
                <JobActions id submitted_by=owner request />
            </div>
        </div>
        {demo}
        <LiveJob job=Given(job) states=Given(states) tab=Given(tab)>
            {children()}
        </LiveJob>
        <p class="job-footer">
            <a class="when-over" href=report_path(id) download=format!("{id}.html")>"Report as one HTML file"</a>
            <a href=format!("/api/jobs/{id}")>"Job as JSON"</a>
            <a href=format!("/api/jobs/{id}/tasks")>"Tasks and attempts as JSON"</a>
        </p>
    }
}
