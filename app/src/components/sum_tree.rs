//! The sum tree, level by level.

use leptos::prelude::*;
use protocol::job::LevelProgress;
use protocol::{JobSnapshot, Plan};

use super::level_bar::{LevelBar, level_progress};
use crate::format::{count, duration, many};
use crate::picture::tree::{cell_state, cell_widths, level_words};

/// The sum tree from the files above to the mean below: a row for each level,
/// a cell for each task. A level of many tasks is one bar.
#[component]
pub fn SumTree(
    /// The job.
    job: RwSignal<JobSnapshot>,
    /// The tree; it does not change.
    plan: Plan,
) -> impl IntoView {
    let rows = plan
        .levels
        .iter()
        .enumerate()
        .map(|(level, planned)| {
            let name = match level {
                0 => "Level 0".to_owned(),
                _ if level + 1 == plan.levels.len() => format!("Level {level}, the root"),
                _ => format!("Level {level}"),
            };
            view! {
                <LevelRow
                    level
                    name
                    words=level_words(level, planned)
                    widths=cell_widths(&plan, level)
                    progress=level_progress(job, level)
                />
            }
        })
        .collect_view();
    let files = many(plan.objects, "file", "files");
    let mean = move || {
        job.with(|job| match job.inputs.columns {
            Some(columns) => format!("the mean of {}", many(columns, "column", "columns")),
            None => "the mean".to_owned(),
        })
    };
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
    level: usize,
    name: String,
    words: String,
    widths: Option<Vec<f64>>,
    progress: Memo<LevelProgress>,
) -> impl IntoView {
    let picture = match widths {
        Some(widths) => view! { <Cells widths progress /> }.into_any(),
        None => view! { <LevelBar progress /> }.into_any(),
    };
    view! {
        <li class="level" data-level=level data-state=move || progress.with(level_state)>
            <p class="level-label">
                <strong>{name}</strong>
                <span class="hint">{words}</span>
                <span class="level-counts">{move || progress.with(counts)}</span>
            </p>
            {picture}
        </li>
    }
}

#[component]
fn Cells(widths: Vec<f64>, progress: Memo<LevelProgress>) -> impl IntoView {
    let cells = (0..)
        .zip(widths)
        .map(|(index, width)| {
            let state = move || progress.with(|progress| cell_state(progress, index).word());
            view! { <i data-state=state style:flex-grow=width.to_string()></i> }
        })
        .collect_view();
    view! {
        <div class="cells" aria-hidden="true">
            {cells}
        </div>
    }
}

/// How much of a level is done, in numbers.
fn counts(progress: &LevelProgress) -> String {
    let mut text =
        format!("{} of {}", count(progress.completed), many(progress.tasks, "task", "tasks"));
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

fn level_state(progress: &LevelProgress) -> &'static str {
    if progress.tasks > 0 && progress.completed >= progress.tasks {
        "complete"
    } else if progress.running > 0 || progress.completed > 0 {
        "running"
    } else {
        "waiting"
    }
}
