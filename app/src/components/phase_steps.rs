//! The phases of a job, how long each took, and where the job is.

use leptos::prelude::*;
use protocol::{JobSnapshot, Phase};

use super::icon::{Drawn, Icon};
use crate::clock::Clock;
use crate::format::duration;
use crate::picture::timeline::{STEPS, StepState, step};

/// The phases of a job as steps, each with how long it took.
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
    let state =
        Memo::new(move |_| job.with(|job| step(phase, job.phase, &job.timings, clock.now()).state));
    let took = Memo::new(move |_| {
        job.with(|job| step(phase, job.phase, &job.timings, clock.now()).took_ms)
    });
    // A step that the job ended in shows how it ended.
    let shown = Signal::derive(move || match state.get() {
        StepState::Ended(end) => end,
        StepState::Past | StepState::Now | StepState::Ahead => phase,
    });
    view! {
        <li
            class="phase-step"
            data-state=move || state.get().word()
            aria-current=move || (state.get() == StepState::Now).then_some("step")
        >
            <span class="phase-step-sign">
                <Drawn icon=Signal::derive(move || Icon::of_phase(shown.get())) />
            </span>
            <span class="phase-step-word">
                {phase.word()}
                {move || match state.get() {
                    StepState::Ended(end) => format!(", {}", end.word()),
                    StepState::Past | StepState::Now | StepState::Ahead => String::new(),
                }}
            </span>
            <span class="phase-step-time">{move || took.get().map(duration)}</span>
        </li>
    }
}
