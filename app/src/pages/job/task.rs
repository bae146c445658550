//! One task of a job: its place in the sum tree, and all attempts at it.

use leptos::prelude::*;
use leptos_router::components::A;
use leptos_router::hooks::use_params_map;
use protocol::detail::{InputPage, TaskState};
use protocol::timeline::TimedAttempt;
use protocol::{JobId, JobSnapshot, Plan, TaskId, Timestamp};

use super::attempt_facts::{AttemptFacts, Completion, Row, completion};
use super::frame::{framed, or_problem};
use super::run::drawer::inputs_of;
use super::shown_id;
use crate::calls;
use crate::format::{bytes, count, plural};
use crate::inspection::TaskHistory;
use crate::pages::file_name::FileName;
use crate::paths::{JobTab, task_path, tasks_path};
use crate::picture::run::attempt_name;

/// Of jobs with more files their list is too long to be read for a page.
const FILES_MAX: u64 = 10_000;
/// The most tasks that are listed as inputs.
const CHILDREN_MAX: usize = 64;

/// The page of a task.
#[component]
pub fn TaskPage() -> impl IntoView {
    let (id, params) = (shown_id(), use_params_map());
    let task = move || params.with(|params| params.get("task").unwrap_or_default());
    let found = Resource::new(
        move || (id(), task()),
        async |(id, task)| {
            let job = calls::job(id.clone()).await?;
            let found = calls::task(&id, &task).await;
            let files = match (&found, &job.value.0.plan) {
                (Ok(found), Some(plan)) if plan.objects <= FILES_MAX && found.task.level == 0 => {
                    let first = plan.node_inputs(0, found.task.node).start;
                    calls::task_files(&id, first).await
                }
                _ => None,
            };
            Ok::<_, calls::CallError>((job, (found, files)))
        },
    );
    view! {
        <Suspense>
            {move || Suspend::new(async move {
                framed(found.await, JobTab::Tasks, |job, (found, files)| {
                    let task = |found| view! { <Task job=job.value found files /> }.into_any();
                    view! { <div data-part="tasks">{or_problem(found, task)}</div> }.into_any()
                })
            })}
        </Suspense>
    }
}

#[component]
fn Task(job: JobSnapshot, found: TaskHistory, files: Option<InputPage>) -> impl IntoView {
    let TaskHistory { task, state, attempts, is_whole, end } = found;
    let id = job.id;
    let completed_by = completion(attempts.iter());
    let number = attempts.len();
    let sections = attempts
        .into_iter()
        .map(|it| {
            let completed_by = completed_by.clone();
            view! { <AttemptSection id it completed_by end /> }
        })
        .collect_view();
    let note = match (number, is_whole, state) {
        (_, true, _) if number > 0 => None,
        (0, true, Some(TaskState::Complete)) => Some(
            "No attempt is known: its segments were in the store already, or the server has \
             restarted since.",
        ),
        (0, true, _) => Some("No attempt has been made yet."),
        (_, true, _) => None,
        (0, false, _) => Some(
            "The job has left memory, and its records do not list attempts at this task one by one.",
        ),
        (_, false, _) => {
            Some("The job has left memory, and its records do not list every attempt.")
        }
    };
    let note = note.map(|note| view! { <p class="hint">{note}</p> });
    let columns = job.inputs.columns;
    let place = job.plan.map(|plan| view! { <Place id plan columns task files /> });
    view! {
        <section class="card task" aria-labelledby="task-heading">
            <header class="card-header">
                <h2 id="task-heading">{format!("Task {task}")}</h2>
                <span class="tag" data-state=state.map(TaskState::word)>
                    {state.map_or("state not known", TaskState::word)}
                </span>
                <span class="hint">{plural(number as u64, "attempt", "attempts")}</span>
            </header>
            {place}
            {note}
        </section>
        {sections}
    }
}

/// Where a task is in the sum tree: what it adds, and what adds it.
#[component]
fn Place(
    id: JobId,
    plan: Plan,
    columns: Option<u64>,
    task: TaskId,
    files: Option<InputPage>,
) -> impl IntoView {
    let level = plan.levels.get(usize::from(task.level)).copied();
    let index = plan.task_index(task).unwrap_or(0);
    let tasks = level.map_or(0, |level| level.tasks());
    let columns = columns_of(&plan, columns, task);
    let level_words = format!("{} of 0 to {}", task.level, plan.root_level());
    let place_words = format!("task {} of {}", count(index + 1), count(tasks));
    let links = move |tasks: Vec<TaskId>| {
        let all = tasks.len();
        let shown = tasks.into_iter().take(CHILDREN_MAX);
        let links =
            shown.map(|task| view! { <a href=task_path(id, task)>{task.to_string()}</a> " " });
        let more = all.saturating_sub(CHILDREN_MAX) as u64;
        let more = (more > 0).then(|| plural(more, "more task", "more tasks"));
        view! { {links.collect_view()} {more} }
    };
    let parents = plan.task_parents(task);
    let above = match parents.is_empty() {
        true => {
            view! { <Row label="Added by">"nothing: it is the root, the total"</Row> }.into_any()
        }
        false => view! { <Row label="Added by">{links(parents)}</Row> }.into_any(),
    };
    let inputs = inputs_of(&plan, task);
    let below = match task.level {
        0 => {
            let plan = plan.clone();
            view! { <Row label="Adds"><Files id plan task files /></Row> }.into_any()
        }
        _ => {
            let children = plan.task_children(task);
            view! { <Row label="Adds">{links(children)}</Row> }.into_any()
        }
    };
    let step = |index: Option<u64>| index.and_then(|index| plan.task_at(task.level, index));
    let neighbour = move |task: Option<TaskId>, label: &'static str, rel: &'static str| {
        task.map(|task| {
            view! {
                <A href=task_path(id, task) attr:class="button small" attr:rel=rel>
                    {label}
                </A>
            }
        })
    };
    view! {
        <dl class="figures">
            <Row label="Level">
                <a href=tasks_path(id, task.level.into(), index)>{level_words}</a>
            </Row>
            <Row label="Place in the level">{place_words}</Row>
            <Row label="Columns">{columns}</Row>
            <Row label="Inputs">{inputs}</Row>
            {below}
            {above}
        </dl>
        <p class="task-steps">
            {neighbour(step(index.checked_sub(1)), "Previous task", "prev")}
            {neighbour(step(index.checked_add(1)), "Next task", "next")}
        </p>
    }
}

/// The input files of a task.
#[component]
fn Files(id: JobId, plan: Plan, task: TaskId, files: Option<InputPage>) -> impl IntoView {
    let range = plan.node_inputs(task.level, task.node);
    let number = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
    let listed = files.map(|page| page.inputs).unwrap_or_default();
    let all = format!("{}?start={}", JobTab::Inputs.path(id), range.start);
    let rows = listed
        .into_iter()
        .take(number.min(CHILDREN_MAX))
        .map(|file| {
            view! {
                <li>
                    <FileName location=file.location />
                    " "
                    <span class="hint">{bytes(file.bytes)}</span>
                </li>
            }
        })
        .collect_view();
    view! {
        <ul class="task-files">{rows}</ul>
        <a href=all>"In the list of files"</a>
    }
}

#[component]
fn AttemptSection(
    id: JobId,
    it: TimedAttempt,
    completed_by: Option<Completion>,
    end: Timestamp,
) -> impl IntoView {
    let name = attempt_name(it.task, it.attempt.number);
    let heading = format!("attempt-{name}");
    let in_run = format!("{}?attempt={name}#attempt", JobTab::Run.path(id));
    let title = format!("Attempt {}", it.attempt.number);
    let state = it.attempt.state.word();
    view! {
        <section
            class="card task-attempt"
            data-attempt=name
            data-state=state
            aria-labelledby=heading
        >
            <header class="card-header">
                <h3 id=heading.clone()>{title}</h3>
                <span class="tag">{state}</span>
                <a class="card-header-link" href=in_run>
                    "In the picture of the run"
                </a>
            </header>
            <dl class="figures">
                <AttemptFacts it completed_by now=end />
            </dl>
        </section>
    }
}

/// The columns of a task in words, from 0 as all indices: `0 to 4095 of 10000`. Their number
/// may be known only after the plan.
fn columns_of(plan: &Plan, columns: Option<u64>, task: TaskId) -> String {
    let columns = columns.or(plan.columns);
    let (first, end) = plan.task_segments(task);
    let first = first * plan.segment_columns;
    let end = end.map(|end| end * plan.segment_columns);
    let end = match (end, columns) {
        (Some(end), Some(columns)) => Some(end.min(columns)),
        (end, columns) => end.or(columns),
    };
    match (end, columns) {
        (Some(end), _) if end <= first => "none: the files have less".to_owned(),
        (Some(end), Some(columns)) => {
            format!("{} to {} of {}", count(first), count(end - 1), count(columns))
        }
        (Some(end), None) => format!("{} to {}", count(first), count(end - 1)),
        (None, _) => format!("from {} on", count(first)),
    }
}

#[cfg(test)]
mod tests {
    use protocol::plan::{Estimate, PlanLevel};

    use super::*;

    #[test]
    fn the_columns_of_a_task_are_those_of_its_segments() {
        let level = PlanLevel { nodes: 1, ranges: 3, range_segments: 2, fan_in: 4 };
        let mut plan = Plan {
            objects: 4,
            columns: Some(5_000),
            fan_in: 4,
            segment_columns: 1024,
            partial_column_bytes: 16,
            levels: vec![level],
            estimate: Estimate::default(),
        };
        let told = |plan: &Plan, columns, range| {
            let words = columns_of(plan, columns, TaskId { level: 0, node: 0, range });
            words.replace(|letter: char| !letter.is_ascii(), "")
        };
        assert_eq!(told(&plan, None, 0), "0 to 2047 of 5000");
        assert_eq!(told(&plan, None, 2), "4096 to 4999 of 5000");
        plan.columns = None;
        assert_eq!(told(&plan, None, 1), "2048 to 4095");
        assert_eq!(told(&plan, None, 2), "from 4096 on");
        assert_eq!(told(&plan, Some(5_000), 2), "4096 to 4999 of 5000");
        plan.columns = Some(4_000);
        assert_eq!(told(&plan, None, 2), "none: the files have less");
    }
}
