//! A live job.

mod axis;
mod explorer;
mod gestures;
mod signs;

use leptos::prelude::*;
use protocol::live::LiveEvent;
use protocol::problem::ProblemKind;
use protocol::states::TaskStates;
use protocol::{JobSnapshot, Outage, Problem};

use self::axis::draw_axis;
use self::explorer::Explorer;
use self::gestures::Gestures;
use super::Given;
use super::parts::{Parts, local_times};
use crate::clock::AsOf;
use crate::clock::Clock;
use crate::components::attempt_figures::AttemptFigures;
use crate::components::byte_figures::ByteFigures;
use crate::components::connection_badge::ConnectionBadge;
use crate::components::icon::{Drawn, WARNING};
use crate::components::job_tabs::JobTabs;
use crate::components::phase_badge::PhaseBadge;
use crate::components::phase_steps::PhaseSteps;
use crate::components::plan_figures::{PlanFigures, Planned};
use crate::components::problem_card::ProblemCard;
use crate::components::progress_card::ProgressCard;
use crate::components::whole_bar::WholeBar;
use crate::format::{job_title, percent, rfc3339, utc};
use crate::live::{self, WhileHidden};
use crate::paths::{JobTab, job_events_path};

/// The id of the time axis of the picture of the attempts.
pub const RUN_AXIS: &str = "run-axis";

/// A page of a job: its phase and its progress, and below them what the page shows.
#[island]
pub fn LiveJob(
    /// The job when the page was rendered.
    job: Given<AsOf<JobSnapshot>>,
    /// The states of its tasks then, if they are known.
    states: Given<Option<TaskStates>>,
    /// Which page it is.
    tab: Given<JobTab>,
    /// What the server renders of the page.
    children: Children,
) -> impl IntoView {
    let Given(job) = job;
    let Given(tab) = tab;
    let states = RwSignal::new(states.0);
    Clock::provide(job.at);
    let submitted_at = job.value.timings.submitted_at;
    let id = job.value.id;
    let job = RwSignal::new(job.value);
    let is_deleted = RwSignal::new(false);
    let parts = Parts::new(None, draw_axis);
    let gestures = Gestures::new(parts);
    let explorer = Explorer::new();
    let is_over = Memo::new(move |_| job.with(|job| job.phase.is_over()) || is_deleted.get());
    let contact =
        live::subscribe(job_events_path(id), Some(is_over), WhileHidden::Peeks, move |event| {
            match event {
                LiveEvent::Job(changed) if changed.id == id => {
                    document().set_title(&title(&changed));
                    let has_ended = changed.phase.is_over();
                    if has_ended {
                        signs::announce_end(&changed);
                    }
                    job.set(*changed);
                    let is_partial =
                        tab == JobTab::Result && job.with_untracked(JobSnapshot::is_total_begun);
                    let is_live = tab != JobTab::Result;
                    if has_ended || is_partial || is_live {
                        parts.refresh(has_ended);
                    }
                }
                LiveEvent::JobDeleted(deleted) if deleted == id => is_deleted.set(true),
                LiveEvent::Tasks(change) if change.job == id => {
                    let mut is_complete = true;
                    states.update(|known| is_complete = change.apply(known));
                    return is_complete;
                }
                LiveEvent::Job(_)
                | LiveEvent::JobDeleted(_)
                | LiveEvent::Tasks(_)
                | LiveEvent::Workers(_)
                | LiveEvent::Snapshot(_) => {}
            }
            true
        });
    let problem = Signal::derive(move || {
        if is_deleted.get() { Some(deleted()) } else { job.with(|job| job.error.clone()) }
    });
    // There are no figures before the plan.
    let has_no_plan = Signal::derive(move || job.with(|job| job.plan.is_none()));
    let planned = Signal::derive(move || job.with(Planned::of_job));
    let text = move |text: fn(&JobSnapshot) -> String| Signal::derive(move || job.with(text));
    // Effects run only in the browser.
    Effect::new(move || {
        local_times();
        draw_axis();
    });
    let phase = Memo::new(move |_| job.with(|job| job.phase));
    Effect::new(move || signs::show_icon(phase.get()));
    let is_result = tab == JobTab::Result;
    let is_run = tab == JobTab::Run;
    let steps = (is_result || is_run).then(|| view! { <PhaseSteps job /> });
    let progress = (is_result || is_run).then(|| view! { <ProgressCard job states /> });
    let plan = is_result.then(|| view! { <PlanFigures planned /> });
    let figures = (is_result || is_run).then(|| {
        view! {
            <div class="job-figures" hidden=has_no_plan>
                {plan}
                <ByteFigures job />
                <AttemptFigures job />
            </div>
        }
    });
    view! {
        <article
            class="job"
            data-state=text(|job| job.phase.word().to_owned())
            data-tab=tab.word()
        >
            <header class="job-header">
                <div class="job-title">
                    <h1>{text(job_title)}</h1>
                    <div aria-live="polite">
                        <PhaseBadge job />
                    </div>
                    <ConnectionBadge contact />
                    <button
                        type="button"
                        class="button small quiet needs-script notify"
                        hidden=is_over
                        on:click=move |_| signs::ask()
                    >
                        "Notify me at the end"
                    </button>
                </div>
                <WholeBar job />
                <JobTabs id shown=tab />
            </header>
            <p class="hint">
                "Submitted " <time datetime=rfc3339(submitted_at)>{utc(submitted_at)}</time>
            </p>
            {steps}
            <p class="notice" hidden=move || job.with(|job| job.outage.is_none())>
                <Drawn icon=WARNING />
                <span>{text(|job| job.outage.as_ref().map_or_else(String::new, Outage::to_string))}</span>
            </p>
            <ProblemCard problem />
            <div
                class="job-parts"
                data-zoomed="1"
                on:wheel=move |event| {
                    gestures.wheel(&event);
                    explorer.wheel(&event);
                }
                on:keydown=move |event| {
                    gestures.key(&event);
                    explorer.key(&event);
                }
                on:pointerdown=move |event| {
                    gestures.pointer_down(&event);
                    explorer.pointer_down(&event);
                }
                on:pointermove=move |event| {
                    gestures.pointer_move(&event);
                    explorer.pointer_move(&event);
                }
                on:pointerup=move |event| explorer.pointer_up(&event)
                on:pointerover=move |event| gestures.point(&event)
                on:focusin=move |event| gestures.point(&event)
                on:dragstart=move |event| event.prevent_default()
                on:click=move |event| {
                    gestures.click(&event);
                    explorer.click(&event);
                }
            >
                {children()}
            </div>
            {progress}
            {figures}
        </article>
    }
}

/// The id of the element with the result, which is empty before the job is done.
pub const RESULT_SLOT: &str = "result-slot";

/// The title of a job's page: its progress or final phase, and the title of the job.
#[must_use]
pub fn title(job: &JobSnapshot) -> String {
    let state =
        if job.phase.is_over() { job.phase.word().to_owned() } else { percent(job.whole()) };
    format!("{state}, {} · distributed-average", job_title(job))
}

fn deleted() -> Problem {
    Problem::new(ProblemKind::NotFound, "This job was deleted.")
        .remedy("The page shows the last known state.")
}
