//! The attempts of a job over time.

pub mod drawer;
pub mod picture;
pub mod times;

use leptos::prelude::*;
use protocol::detail::AttemptState;
use protocol::timeline::Timeline;
use protocol::{JobId, JobSnapshot, Role, Timestamp};
use serde::{Deserialize, Serialize};

use self::drawer::AttemptDrawer;
use self::picture::RunPicture;
use self::times::TaskTimes;
use super::attempt_facts::completion;
use crate::backend::caller_may;
use crate::format::{duration, plural, rescue_words};
use crate::paths::JobTab;
use crate::picture::run::attempt_name;

/// Into how many parts a span is divided that has too many attempts to list them.
const PARTS: u64 = 8;

/// What a page of the run was asked to show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunQuery {
    /// The start of the span; that of the job if absent.
    pub from: Option<Timestamp>,
    /// The end of the span; that of the job, or now, if absent.
    pub to: Option<Timestamp>,
    /// The attempt whose details are shown, by its name within the job.
    pub attempt: Option<String>,
}

/// The attempts of a job over time: who executed which task when, what was done about
/// stragglers, and how long tasks took. Each part is rendered again by the server while
/// the job runs.
#[component]
pub fn RunView(
    /// The job.
    job: JobSnapshot,
    /// Its attempts.
    timeline: Timeline,
    /// What the page was asked to show.
    query: RunQuery,
) -> impl IntoView {
    let id = job.id;
    let stories = timeline
        .rescues
        .iter()
        .map(|rescue| view! { <p class="story">{rescue_words(rescue)}</p> })
        .collect_view();
    let workers = timeline.lanes.iter().filter(|lane| lane.worker.is_some()).count() as u64;
    let hidden = timeline.lanes_left_out;
    let summary = format!(
        "{} on {} in {}",
        plural(timeline.attempts, "attempt", "attempts"),
        plural(workers + hidden, "worker", "workers"),
        duration(timeline.end.millis_since(timeline.start)),
    );
    let shown = query.attempt.as_deref().and_then(|name| {
        let attempts = timeline.lanes.iter().flat_map(|lane| &lane.attempts);
        attempts.clone().find(|it| attempt_name(it.task, it.attempt.number) == name).map(|it| {
            let at_task = attempts.filter(|other| other.task == it.task);
            let numbers: Vec<u32> = at_task.clone().map(|other| other.attempt.number).collect();
            (it.clone(), numbers, completion(at_task))
        })
    });
    let drawer = shown.map(|(it, at_task, completed_by)| {
        let now = timeline.job_end;
        view! { <AttemptDrawer job=job.clone() it at_task completed_by now /> }
    });
    let notes = notes(&timeline);
    let parts =
        timeline.is_shortened().then(|| view! { <PartLinks id timeline=timeline.clone() /> });
    let whole = (query.from.is_some() || query.to.is_some()).then(|| {
        view! { <a href=JobTab::Run.path(id)>"The whole job"</a> }
    });
    view! {
        <section class="card run" aria-labelledby="run-heading">
            <header class="card-header">
                <h2 id="run-heading">"Attempts over time"</h2>
                <span class="hint" data-part="summary">{summary}</span>
                <span class="card-header-link">
                    <a
                        href=format!("/api/jobs/{id}/trace.json")
                        download=format!("{id}.trace.json")
                    >
                        "Chrome trace"
                    </a>
                    " "
                    <span class="hint">"for ui.perfetto.dev"</span>
                    " "
                    <a href=format!("/api/jobs/{id}/timeline")>"As JSON"</a>
                </span>
            </header>
            <div class="run-tools needs-script">
                <button type="button" class="button small" data-zoom="in">"Zoom in"</button>
                <button type="button" class="button small" data-zoom="out">"Zoom out"</button>
                <button type="button" class="button small" data-zoom="all">"All"</button>
                <span class="hint">
                    "Drag to move; + − ← → Home End, and Ctrl with the wheel"
                </span>
            </div>
            <Legend />
            <div data-part="picture">
                <RunPicture id timeline=timeline.clone() timings=job.timings restarts=job.restarts.clone() has_worker_links=caller_may(Role::View) />
            </div>
            <p class="run-figures" id="run-figures" aria-live="polite"></p>
            <div data-part="notes">{notes} {parts} {whole}</div>
            // Below what is read while it comes.
            <div class="stories" data-part="story">
                {stories}
            </div>
        </section>
        <div data-part="drawer">{drawer}</div>
        <div data-part="times">
            <TaskTimes id timeline />
        </div>
    }
}

/// What is not in the picture.
fn notes(timeline: &Timeline) -> Vec<impl IntoView + use<>> {
    let mut notes = Vec::new();
    if timeline.known_from.is_some() {
        notes
            .push("The server has restarted: attempts that ended before are not known.".to_owned());
    }
    if timeline.lanes_left_out > 0 {
        notes.push(format!(
            "{} left out.",
            plural(timeline.lanes_left_out, "worker is", "workers are")
        ));
    }
    if timeline.is_shortened() {
        notes.push(
            "There are too many attempts to draw each: of those that completed their task alone, \
             heights show how busy a worker was. A part of the time shows them one by one."
                .to_owned(),
        );
    }
    notes.into_iter().map(|note| view! { <p class="hint">{note}</p> }).collect()
}

/// Links to the parts of a span that has too many attempts to draw each.
#[component]
fn PartLinks(id: JobId, timeline: Timeline) -> impl IntoView {
    let whole_ms = timeline.end.millis_since(timeline.start);
    let since_start_ms = timeline.start.millis_since(timeline.job_start);
    let link = |part: u64| {
        let begin = |part: u64| whole_ms / PARTS * part;
        let (from, to) = (begin(part), begin(part + 1));
        let at = |ms: u64| timeline.start.plus_millis(ms).as_millis();
        let href = format!("{}?from={}&to={}", JobTab::Run.path(id), at(from), at(to));
        view! {
            <a class="button small" href=href>
                {duration(since_start_ms + from)} " to " {duration(since_start_ms + to)}
            </a>
        }
    };
    (whole_ms >= PARTS).then(|| {
        view! { <nav class="run-parts" aria-label="Parts of the time">{(0..PARTS).map(link).collect_view()}</nav> }
    })
}

#[component]
fn Legend() -> impl IntoView {
    let states = [
        AttemptState::Completed,
        AttemptState::Running,
        AttemptState::Superseded,
        AttemptState::Failed,
        AttemptState::Lost,
        AttemptState::Stopped,
    ];
    let states = states
        .map(|state| view! { <span data-state=state.word()>{state.word()}</span> })
        .collect_view();
    let phases = ["reading", "computing", "writing"]
        .map(|phase| view! { <span data-phase=phase>{phase}</span> })
        .collect_view();
    view! {
        <p class="legend run-legend" aria-hidden="true">
            {phases} {states}
            <span data-state="speculative">"speculative"</span>
            <span data-state="queued">"in the queue"</span>
        </p>
    }
}
