//! How far one level of the sum tree has come, as a bar.

use leptos::prelude::*;
use protocol::JobSnapshot;
use protocol::job::LevelProgress;

use crate::picture::tree::bar_parts;

/// One level as a bar: complete, done in part, under way, waiting.
#[component]
pub fn LevelBar(
    /// How far it is.
    progress: Memo<LevelProgress>,
) -> impl IntoView {
    let parts = move || {
        let [complete, partly, running] = progress.with(bar_parts);
        format!("--complete:{complete:.4};--partly:{partly:.4};--running:{running:.4}")
    };
    view! { <div class="level-bar" style=parts></div> }
}

/// All levels of a job as thin bars, the leaves first; a picture beside the
/// words that say the same.
#[component]
pub fn LevelBars(
    /// The job.
    job: RwSignal<JobSnapshot>,
) -> impl IntoView {
    let levels = Memo::new(move |_| job.with(|job| job.progress.len()));
    let bars = move || {
        (0..levels.get())
            .map(|level| view! { <LevelBar progress=level_progress(job, level) /> })
            .collect_view()
    };
    view! {
        <div class="level-bars" aria-hidden="true">
            {bars}
        </div>
    }
}

/// How far a level of a job is; what reads it is told only when it changes.
#[must_use]
pub fn level_progress(job: RwSignal<JobSnapshot>, level: usize) -> Memo<LevelProgress> {
    Memo::new(move |_| job.with(|job| job.progress.get(level).copied().unwrap_or_default()))
}
