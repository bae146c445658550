//! The sum tree, level by level.

use leptos::html::Div;
use leptos::prelude::*;
use protocol::job::LevelProgress;
use protocol::states::{DrawnState, TaskStates};
use protocol::{JobId, JobSnapshot, Phase, Plan};

use super::level_bar::{LevelBar, progress_of};
use crate::format::{count, duration, plural};
use crate::paths::tasks_path;
use crate::picture::tree::{Cell, Look, cells, level_words};

/// The sum tree, from the files at the top to the mean at the bottom: a row for
/// each level, a cell for each task, or for several where there are many. Where the states
/// of the tasks are not known, each level is one bar.
#[component]
pub fn SumTree(
    /// The job.
    job: RwSignal<JobSnapshot>,
    /// The states of its tasks, if they are known.
    states: RwSignal<Option<TaskStates>>,
    /// The plan of the tree, which never changes.
    plan: Plan,
) -> impl IntoView {
    let drawn = Drawn { job, states };
    let id = job.with_untracked(|job| job.id);
    let is_known = Memo::new(move |_| drawn.is_done() || states.with(Option::is_some));
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
            let words = level_words(level, planned);
            let cells = cells(&plan, level);
            view! { <LevelRow id level name words cells drawn is_known /> }
        })
        .collect_view();
    let files = plural(plan.objects, "file", "files");
    let mean = Signal::derive(move || {
        job.with(|job| match job.inputs.columns {
            Some(columns) => format!("mean of {}", plural(columns, "column", "columns")),
            None => "mean".to_owned(),
        })
    });
    let version = Signal::derive(move || {
        states.with(|states| states.as_ref().map_or(0, |states| states.version).to_string())
    });
    view! {
        <div class="sum-tree" data-version=version>
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

/// The states of the tasks of a job.
#[derive(Clone, Copy)]
struct Drawn {
    job: RwSignal<JobSnapshot>,
    states: RwSignal<Option<TaskStates>>,
}

impl Drawn {
    fn is_done(self) -> bool {
        self.job.with(|job| job.phase == Phase::Done)
    }

    /// What the cells of a level show.
    fn looks(self, level: usize, cells: &[Cell]) -> Vec<Look> {
        if self.is_done() {
            return vec![Look::COMPLETE; cells.len()];
        }
        self.states.with(|states| {
            let level = states.as_ref().and_then(|states| states.levels.get(level));
            let look = |cell: &Cell| level.map(|level| Look::of(level, cell.tasks.clone()));
            cells.iter().filter_map(look).collect()
        })
    }
}

#[component]
fn LevelRow(
    drawn: Drawn,
    is_known: Memo<bool>,
    id: JobId,
    level: usize,
    name: String,
    words: String,
    cells: Vec<Cell>,
) -> impl IntoView {
    let job = drawn.job;
    let text = move |text: fn(&LevelProgress) -> String| {
        Signal::derive(move || job.with(|job| text(&progress_of(job, level))))
    };
    let is_unknown = Signal::derive(move || !is_known.get());
    view! {
        <li class="level" data-level=level.to_string() data-state=text(level_state)>
            <p class="level-label">
                <a href=tasks_path(id, level, 0)>{name}</a>
                <span class="hint">{words}</span>
                <span class="level-counts">{text(counts)}</span>
            </p>
            <div hidden=is_known>
                <LevelBar job level />
            </div>
            <div hidden=is_unknown>
                <Cells drawn id level cells />
            </div>
        </li>
    }
}

/// The cells of a level. A tree may have more than a thousand, so they are one text for the
/// renderer, and a change sets the attributes of those that changed.
#[component]
fn Cells(drawn: Drawn, id: JobId, level: usize, cells: Vec<Cell>) -> impl IntoView {
    let stand_for_many = cells.iter().any(|cell| cell.tasks.end - cell.tasks.start > 1);
    let at_first = untrack(|| drawn.looks(level, &cells));
    let links: String = cells
        .iter()
        .enumerate()
        .map(|(index, cell)| {
            let look = at_first.get(index);
            // The name of the level leads to the same tasks, for keyboards and screen readers.
            format!(
                "<a tabindex=\"-1\" href=\"{}\" data-state=\"{}\" style=\"{}\"></a>",
                // A path of letters, digits and marks that HTML does not know, but for `&`.
                tasks_path(id, level, cell.tasks.start).replace('&', "&amp;"),
                word(look),
                style(cell, look, stand_for_many)
            )
        })
        .collect();
    let row = NodeRef::<Div>::new();
    // Effects run only in the browser.
    Effect::new(move |shown: Option<Vec<Look>>| {
        let looks = drawn.looks(level, &cells);
        let shown = shown.unwrap_or_else(|| at_first.clone());
        if let Some(row) = row.get() {
            let links = row.children();
            for ((index, cell), at) in (0..).zip(&cells).zip(0..) {
                let look = looks.get(at);
                if look != shown.get(at)
                    && let Some(link) = links.item(index)
                {
                    let _ = link.set_attribute("data-state", word(look));
                    let _ = link.set_attribute("style", &style(cell, look, stand_for_many));
                }
            }
        }
        looks
    });
    view! {
        <div
            class="cells"
            data-many=stand_for_many.to_string()
            aria-hidden="true"
            node_ref=row
            inner_html=links
        ></div>
    }
}

/// The state of a cell, used in `data-state`; empty where it is not known.
fn word(look: Option<&Look>) -> &'static str {
    look.map_or("", |look| look.word)
}

fn style(cell: &Cell, look: Option<&Look>, stands_for_many: bool) -> String {
    let width = cell.width;
    match look {
        Some(look) if stands_for_many => {
            format!("flex-grow:{width};--complete:{}%", look.complete)
        }
        _ => format!("flex-grow:{width}"),
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
        DrawnState::Complete
    } else if progress.running > 0 || progress.completed > 0 {
        DrawnState::Running
    } else {
        DrawnState::Waiting
    };
    state.word().to_owned()
}
