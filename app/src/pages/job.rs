//! The page of a job, which is the link to share.

use leptos::either::Either;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;
use protocol::live::LiveEvent;
use protocol::problem::ProblemKind;
use protocol::{JobSnapshot, Problem};

use super::not_found::Missing;
use crate::calls::{self, AsOf};
use crate::clock::Clock;
use crate::components::attempt_figures::AttemptFigures;
use crate::components::byte_figures::ByteFigures;
use crate::components::job_header::JobHeader;
use crate::components::loading::Loading;
use crate::components::phase_steps::PhaseSteps;
use crate::components::plan_figures::PlanFigures;
use crate::components::problem_card::ProblemCard;
use crate::components::progress_card::ProgressCard;
use crate::components::result_card::ResultCard;
use crate::format::percent;
use crate::live;

/// The page of a job, which is the link to share.
#[component]
pub fn JobPage() -> impl IntoView {
    let params = use_params_map();
    let id = Memo::new(move |_| params.with(|params| params.get("id").unwrap_or_default()));
    let job = Resource::new(move || id.get(), calls::job);
    view! {
        <Suspense fallback=Loading>
            {move || Suspend::new(async move {
                match job.await {
                    Ok(job) => Either::Left(view! { <LiveJob job /> }),
                    Err(refusal) => Either::Right(view! { <Missing problem=refusal.0 /> }),
                }
            })}
        </Suspense>
    }
}

/// How a page without JavaScript keeps up with a job that is not over.
const RELOAD: &str = "<meta http-equiv=\"refresh\" content=\"5\">\
    <p class=\"hint\">Without JavaScript this page loads itself again every five seconds \
    until the job is over.</p>";

#[component]
fn LiveJob(job: AsOf<JobSnapshot>) -> impl IntoView {
    Clock::provide(job.at);
    let job = RwSignal::new(job.value);
    let id = job.with_untracked(|job| job.id);
    let is_deleted = RwSignal::new(false);
    let phase = Memo::new(move |_| job.with(|job| job.phase));
    let is_over = Memo::new(move |_| phase.get().is_over() || is_deleted.get());
    let connection =
        live::follow(format!("/api/jobs/{id}/events"), is_over.into(), move |event| match event {
            LiveEvent::Job(changed) if changed.id == id => job.set(*changed),
            LiveEvent::JobDeleted(deleted) if deleted == id => is_deleted.set(true),
            LiveEvent::Snapshot(overview) => {
                if let Some(changed) = overview.jobs.into_iter().find(|job| job.id == id) {
                    job.set(changed);
                }
            }
            LiveEvent::Job(_) | LiveEvent::JobDeleted(_) | LiveEvent::Workers(_) => {}
        });
    let title = move || {
        job.with(|job| {
            let state = if job.phase.is_over() {
                job.phase.word().to_owned()
            } else {
                percent(job.fraction())
            };
            format!("{state}, {}", job.title())
        })
    };
    let error = Memo::new(move |_| job.with(|job| job.error.clone()));
    let result = Memo::new(move |_| job.with(|job| job.result.clone()));
    let reload =
        (!is_over.get_untracked()).then(|| view! { <noscript inner_html=RELOAD></noscript> });
    view! {
        <Title text=title />
        <article class="job" data-state=move || phase.get().word()>
            {reload}
            <JobHeader job phase connection />
            {move || is_deleted.get().then(|| view! { <ProblemCard problem=deleted() /> })}
            <PhaseSteps job />
            {move || error.get().map(|problem| view! { <ProblemCard problem /> })}
            {move || result.get().map(|result| view! { <ResultCard id result /> })}
            <ProgressCard job phase />
            <div class="job-figures">
                <PlanFigures job />
                <ByteFigures job />
                <AttemptFigures job />
            </div>
            <p class="job-foot">
                // Not pages of the app: the router must let the browser go there.
                <a href=format!("/api/jobs/{id}") rel="external">"This job as JSON"</a>
                <a href=format!("/api/jobs/{id}/tasks") rel="external">"Its tasks and attempts"</a>
            </p>
        </article>
    }
}

fn deleted() -> Problem {
    Problem::new(ProblemKind::NotFound, "Somebody has deleted this job.")
        .remedy("What you see is the last that this page heard of it.")
}
