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

/// All levels of a job as thin bars, leaves first. They are hidden from screen
/// readers, because the text next to them says the same.
#[component]
pub fn LevelBars(
    /// The job.
    job: RwSignal<JobSnapshot>,
) -> impl IntoView {
    // A job has either no levels or all of them.
    let has_levels = Memo::new(move |_| job.with(|job| !job.progress.is_empty()));
    let bars = move || {
        let levels =
            if has_levels.get() { job.with_untracked(|job| job.progress.len()) } else { 0 };
        (0..levels).map(|level| view! { <LevelBar job level /> }).collect_view()
    };
    view! {
        <div class="level-bars" aria-hidden="true">
            {bars}
        </div>
    }
}

/// The progress of a level of a job.
#[must_use]
pub fn progress_of(job: &JobSnapshot, level: usize) -> LevelProgress {
    job.progress.get(level).copied().unwrap_or_default()
}
