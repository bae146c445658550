//! The phase of a job, as an icon and a word.

use leptos::prelude::*;
use protocol::JobSnapshot;

use super::icon::{DrawnLive, Icon};

/// The phase of a job, as an icon and a word in the colour of the phase.
#[component]
pub fn PhaseBadge(
    /// The job.
    job: RwSignal<JobSnapshot>,
) -> impl IntoView {
    let word = Signal::derive(move || job.with(|job| job.phase.word().to_owned()));
    let title = Signal::derive(move || job.with(|job| job.phase_title(job.phase).to_owned()));
    let path = Signal::derive(move || job.with(|job| Icon::of_phase(job.phase).0.to_owned()));
    view! {
        <span class="badge phase" data-state=word>
            <DrawnLive path />
            <span>{title}</span>
        </span>
    }
}
