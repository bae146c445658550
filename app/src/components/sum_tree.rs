//! The sum tree, level by level.

use leptos::prelude::*;
use protocol::job::LevelProgress;
use protocol::{JobSnapshot, Plan};

use super::level_bar::{LevelBar, progress_of};
use crate::format::{count, duration, plural};
use crate::picture::tree::{CellState, cell_state, cell_widths, level_words};

/// The sum tree, from the files at the top to the mean at the bottom: a row for
/// each level, a cell for each task. A level with many tasks is one bar.
#[component]
pub fn SumTree(
    /// The job.
    job: RwSignal<JobSnapshot>,
    /// The plan of the tree, which never changes.
    plan: Plan,
) -> impl IntoView {
    let rows = plan
        .levels
        .iter()
        .enumerate()
        .map(|(level, planned)| {
            let name = match level {
                0 => "Level 0".to_owned(),
                _ if level + 1 == plan.levels.len() => format!("Level {level} (root)"),
                _ => format!("Level {level}"),
            };
            view! {
                <LevelRow
                    level
                    name
                    words=level_words(level, planned)
                    widths=cell_widths(&plan, level)
                    job
                />
            }
        })
        .collect_view();
    let files = plural(plan.objects, "file", "files");
    let mean = Signal::derive(move || {
        job.with(|job| match job.inputs.columns {
            Some(columns) => format!("mean of {}", plural(columns, "column", "columns")),
            None => "mean".to_owned(),
        })
    });
    view! {
        <div class="sum-tree">
            <p class="sum-tree-end">{files}</p>
            <ol>{rows}</ol>
            <p class="sum-tree-end">{mean}</p>
            <p class="legend" aria-hidden="true">
                <span data-state="complete">"complete"</span>
                <span data-state="running">"running"</span>
                <span data-state="speculative">"speculative"</span>
                <span data-state="waiting">"waiting"</span>
            </p>
        </div>
    }
}

#[component]
fn LevelRow(
    job: RwSignal<JobSnapshot>,
    level: usize,
    name: String,
    words: String,
    widths: Option<Vec<u64>>,
) -> impl IntoView {
    let text = move |text: fn(&LevelProgress) -> String| {
        Signal::derive(move || job.with(|job| text(&progress_of(job, level))))
    };
    let bar = widths.is_none().then(|| view! { <LevelBar job level /> });
    let cells = widths.map(|widths| view! { <Cells job level widths /> });
    view! {
        <li class="level" data-level=level.to_string() data-state=text(level_state)>
            <p class="level-label">
                <strong>{name}</strong>
                <span class="hint">{words}</span>
                <span class="level-counts">{text(counts)}</span>
            </p>
            {bar}
            {cells}
        </li>
    }
}

#[component]
fn Cells(job: RwSignal<JobSnapshot>, level: usize, widths: Vec<u64>) -> impl IntoView {
    let cells = (0..)
        .zip(widths)
        .map(|(index, width)| {
            let state = Signal::derive(move || {
                job.with(|job| cell_state(&progress_of(job, level), index).word().to_owned())
            });
            view! { <i data-state=state style=format!("flex-grow:{width}")></i> }
        })
        .collect_view();
    view! {
        <div class="cells" aria-hidden="true">
            {cells}
        </div>
    }
}

/// The number of tasks of a level by state, and their mean duration.
fn counts(progress: &LevelProgress) -> String {
    let mut text =
        format!("{} of {}", count(progress.completed), plural(progress.tasks, "task", "tasks"));
    if progress.running > 0 {
        text += &format!(" · {} running", count(progress.running));
    }
    if progress.speculative > 0 {
        text += &format!(" · {} speculative", count(progress.speculative));
    }
    if progress.mean_ms > 0 {
        text += &format!(" · {} each", duration(progress.mean_ms));
    }
    text
}

fn level_state(progress: &LevelProgress) -> String {
    let state = if progress.tasks > 0 && progress.completed >= progress.tasks {
        CellState::Complete
    } else if progress.running > 0 || progress.completed > 0 {
        CellState::Running
    } else {
        CellState::Waiting
    };
    state.word().to_owned()
}
