//! The phases of a job and their durations.

use leptos::prelude::*;
use protocol::{JobSnapshot, Phase};

use super::icon::{DrawnLive, Icon};
use crate::clock::Clock;
use crate::format::duration;
use crate::picture::timeline::{STEPS, StepState, step};

/// The phases of a job as steps, each with its duration.
#[component]
pub fn PhaseSteps(
    /// The job.
    job: RwSignal<JobSnapshot>,
) -> impl IntoView {
    let steps = STEPS.into_iter().map(|phase| view! { <PhaseStep job phase /> }).collect_view();
    view! {
        <ol class="phase-steps" aria-label="Phases">
            {steps}
        </ol>
    }
}

#[component]
fn PhaseStep(job: RwSignal<JobSnapshot>, phase: Phase) -> impl IntoView {
    let clock = Clock::of_page();
    let at_step = move || job.with(|job| step(phase, job.phase, &job.timings, clock.now()));
    let state = Signal::derive(move || at_step().state.word().to_owned());
    // The step in which the job failed or was cancelled shows that phase.
    let path = Signal::derive(move || {
        let shown = match at_step().state {
            StepState::Ended(end) => end,
            StepState::Past | StepState::Now | StepState::Ahead => phase,
        };
        Icon::of_phase(shown).0.to_owned()
    });
    // The inputs of a job never change.
    let title = job.with_untracked(|job| job.phase_title(phase));
    let word = Signal::derive(move || match at_step().state {
        StepState::Ended(end) => format!("{title}, {}", end.word()),
        StepState::Past | StepState::Now | StepState::Ahead => title.to_owned(),
    });
    let took = Signal::derive(move || at_step().took_ms.map_or_else(String::new, duration));
    view! {
        <li class="phase-step" data-state=state>
            <span class="phase-step-icon">
                <DrawnLive path />
            </span>
            <span class="phase-step-word">{word}</span>
            <span class="phase-step-time">{took}</span>
        </li>
    }
}
