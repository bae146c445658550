//! A live job.

use leptos::prelude::*;
use leptos::task::spawn_local;
use protocol::live::LiveEvent;
use protocol::problem::ProblemKind;
use protocol::states::TaskStates;
use protocol::{JobSnapshot, Outage, Phase, Problem};
use wasm_bindgen::JsValue;
use web_sys::{Document, DomParser, SupportedType};

use super::Given;
use crate::clock::AsOf;
use crate::clock::Clock;
use crate::components::attempt_figures::AttemptFigures;
use crate::components::byte_figures::ByteFigures;
use crate::components::connection_badge::ConnectionBadge;
use crate::components::icon::{Drawn, WARNING};
use crate::components::phase_badge::PhaseBadge;
use crate::components::phase_steps::PhaseSteps;
use crate::components::plan_figures::{PlanFigures, Planned};
use crate::components::problem_card::ProblemCard;
use crate::components::progress_card::ProgressCard;
use crate::format::{job_title, percent, rfc3339, utc};
use crate::paths::job_events_path;
use crate::{fetch, live};

/// A job: its phase, its error, its result, its progress and its figures.
#[island]
pub fn LiveJob(
    /// The job when the page was rendered.
    job: Given<AsOf<JobSnapshot>>,
    /// The states of its tasks then, if they are known.
    states: Given<Option<TaskStates>>,
    /// The slot of the result.
    children: Children,
) -> impl IntoView {
    let Given(job) = job;
    let states = RwSignal::new(states.0);
    Clock::provide(job.at);
    let submitted_at = job.value.timings.submitted_at;
    let id = job.value.id;
    let job = RwSignal::new(job.value);
    let is_deleted = RwSignal::new(false);
    let is_over = Memo::new(move |_| job.with(|job| job.phase.is_over()) || is_deleted.get());
    let contact = live::subscribe(job_events_path(id), Some(is_over), move |event| {
        match event {
            LiveEvent::Job(changed) if changed.id == id => {
                document().set_title(&title(&changed));
                if changed.phase == Phase::Done {
                    fetch_result();
                }
                job.set(*changed);
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
    view! {
        <article class="job" data-state=text(|job| job.phase.word().to_owned())>
            <header class="job-header">
                <div class="job-title">
                    <h1>{text(job_title)}</h1>
                    <div aria-live="polite">
                        <PhaseBadge job />
                    </div>
                    <ConnectionBadge contact />
                </div>
                <p class="hint">
                    "Submitted " <time datetime=rfc3339(submitted_at)>{utc(submitted_at)}</time>
                </p>
            </header>
            <PhaseSteps job />
            <p class="notice" hidden=move || job.with(|job| job.outage.is_none())>
                <Drawn icon=WARNING />
                <span>{text(|job| job.outage.as_ref().map_or_else(String::new, Outage::to_string))}</span>
            </p>
            <ProblemCard problem />
            {children()}
            <ProgressCard job states />
            <div class="job-figures" hidden=has_no_plan>
                <PlanFigures planned />
                <ByteFigures job />
                <AttemptFigures job />
            </div>
        </article>
    }
}

/// The id of the element with the result, which is empty before the job is done.
pub const RESULT_SLOT: &str = "result-slot";

/// Replaces the result by that of the page as the server renders it now, or reloads
/// the page if that fails.
fn fetch_result() {
    spawn_local(async {
        if replace_result().await.is_err() {
            let _ = window().location().reload();
        }
    });
}

async fn replace_result() -> Result<(), JsValue> {
    let text = fetch::text(&window().location().href()?).await?;
    let page = DomParser::new()?.parse_from_string(&text, SupportedType::TextHtml)?;
    let slot_of = |document: Document| document.get_element_by_id(RESULT_SLOT);
    let (Some(ours), Some(theirs)) = (slot_of(document()), slot_of(page)) else {
        return Err(JsValue::NULL);
    };
    ours.set_inner_html(&theirs.inner_html());
    Ok(())
}

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
