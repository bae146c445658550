//! How long the tasks of a job took.

use leptos::prelude::*;
use protocol::JobId;
use protocol::timeline::{LevelTimes, SlowTask, Timeline};

use crate::format::{count, duration, plural};
use crate::pages::job::attempt_facts::WorkerLink;
use crate::pages::table::Table;
use crate::paths::task_path;
use crate::picture::run::heat::steps;

/// The durations of the tasks: a row of cells for each level, coloured by how many times
/// the median they took, and the slowest tasks.
#[component]
pub fn TaskTimes(
    /// The id of the job.
    id: JobId,
    /// The attempts of the job.
    timeline: Timeline,
) -> impl IntoView {
    let levels = timeline
        .levels
        .iter()
        .enumerate()
        .filter(|(_, level)| !level.cells.is_empty())
        .map(|(number, level)| view! { <LevelRow number level=level.clone() /> })
        .collect_view();
    let slowest = timeline
        .slowest
        .iter()
        .map(|task| view! { <SlowRow id task=task.clone() /> })
        .collect_view();
    let is_known = !timeline.slowest.is_empty();
    is_known.then(|| {
        view! {
            <section class="card task-times" aria-labelledby="times-heading">
                <header class="card-header">
                    <h2 id="times-heading">"Task durations"</h2>
                </header>
                {levels}
                <p class="legend" aria-hidden="true">
                    <span data-heat="0">"faster"</span>
                    <span data-heat="1">"about the median"</span>
                    <span data-heat="2">"1.5\u{a0}times"</span>
                    <span data-heat="3">"3 times"</span>
                    <span data-heat="4">"6 times or more"</span>
                </p>
                <h3>"Slowest tasks"</h3>
                <Table
                    label="Slowest tasks"
                    columns=vec!["Task", "Duration", "Attempts", "Completed by"]
                >
                    {slowest}
                </Table>
            </section>
        }
    })
}

#[component]
fn LevelRow(number: usize, level: LevelTimes) -> impl IntoView {
    let cells = steps(&level)
        .into_iter()
        .map(|step| view! { <i data-heat=step.map(|step| step.to_string())></i> })
        .collect_view();
    let figures = match level.tasks {
        0 => "no task was completed by one attempt alone".to_owned(),
        tasks => format!(
            "median {}, 95th percentile {}, of {} completed by one attempt alone",
            duration(level.median_ms),
            duration(level.p95_ms),
            plural(tasks, "task", "tasks")
        ),
    };
    view! {
        <div class="level">
            <p class="level-label">
                <strong>{format!("Level {number}")}</strong>
                <span class="level-counts">{figures}</span>
            </p>
            <div class="cells heat" aria-hidden="true">
                {cells}
            </div>
        </div>
    }
}

#[component]
fn SlowRow(id: JobId, task: SlowTask) -> impl IntoView {
    view! {
        <tr>
            <td>
                <a href=task_path(id, task.task)>
                    <code>{task.task.to_string()}</code>
                </a>
            </td>
            <td class="number">{duration(task.took_ms)}</td>
            <td class="number">{count(task.attempts)}</td>
            <td>
                <WorkerLink worker=Some(task.worker) />
            </td>
        </tr>
    }
}
