//! How far one level of the sum tree has come, as a bar.

use leptos::prelude::*;
use protocol::JobSnapshot;
use protocol::job::LevelProgress;

use crate::picture::tree::bar_parts;

/// One level of a job as a bar: complete, done in part, under way, waiting.
#[component]
pub fn LevelBar(
    /// The job.
    job: RwSignal<JobSnapshot>,
    /// Which level of its sum tree.
    level: usize,
) -> impl IntoView {
    let parts = Signal::derive(move || {
        let [complete, partly, running] = job.with(|job| bar_parts(&progress_of(job, level)));
        format!("--complete:{complete};--partly:{partly};--running:{running}")
    });
    view! { <div class="level-bar" style=parts></div> }
}

/// All levels of a job as thin bars, the leaves first; a picture beside the
/// words that say the same.
#[component]
pub fn LevelBars(
    /// The job.
    job: RwSignal<JobSnapshot>,
) -> impl IntoView {
    // A job has no levels or all of them.
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

/// How far a level of a job is.
#[must_use]
pub fn progress_of(job: &JobSnapshot, level: usize) -> LevelProgress {
    job.progress.get(level).copied().unwrap_or_default()
}
