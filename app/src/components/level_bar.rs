//! The progress of one level of the sum tree as a bar.

use leptos::prelude::*;
use protocol::JobSnapshot;
use protocol::job::LevelProgress;

use crate::picture::tree::bar_parts;

/// The progress of one level as a bar: complete, partly done, running, waiting.
#[component]
pub fn LevelBar(
    /// The job.
    job: RwSignal<JobSnapshot>,
    /// The level of the sum tree, from 0.
    level: usize,
) -> impl IntoView {
    let parts = Signal::derive(move || {
        let [complete, partly, running] = job.with(|job| bar_parts(&progress_of(job, level)));
        format!("--complete:{complete};--partly:{partly};--running:{running}")
    });
    view! { <div class="level-bar" style=parts></div> }
}

/// The progress of a level of a job.
#[must_use]
pub fn progress_of(job: &JobSnapshot, level: usize) -> LevelProgress {
    job.progress.get(level).copied().unwrap_or_default()
}
