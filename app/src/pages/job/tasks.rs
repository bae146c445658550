//! The tasks of a job, level by level.

use leptos::prelude::*;
use leptos_router::components::A;
use leptos_router::hooks::use_query_map;
use protocol::detail::{AttemptSnapshot, AttemptState, TaskPage, TaskSnapshot};
use protocol::{JobId, JobSnapshot, Plan, Timestamp};

use super::attempt_facts::WorkerLink;
use super::frame::{framed, or_problem};
use super::shown_id;
use crate::calls;
use crate::clock::AsOf;
use crate::format::{bytes, count, duration, percent, plural};
use crate::pages::table::Table;
use crate::paths::{JobTab, task_path, tasks_path};
use crate::picture::tree::level_words;

/// The page of a job with the tasks of one level.
#[component]
pub fn TasksPage() -> impl IntoView {
    let (id, query) = (shown_id(), use_query_map());
    let number = move |name| query.with(|it| it.get_str(name).and_then(|it| it.parse().ok()));
    let asked = move || {
        let level = number("level").and_then(|level: u64| u8::try_from(level).ok());
        (id(), level.unwrap_or(0), number("start").unwrap_or(0))
    };
    let page = Resource::new(asked, async |(id, level, start)| {
        let job = calls::job(id.clone()).await?;
        let tasks = calls::tasks(&id, level, start).await;
        Ok::<_, calls::CallError>((job, (level, start, tasks)))
    });
    view! {
        <Suspense>
            {move || Suspend::new(async move {
                framed(page.await, JobTab::Tasks, |job, (level, start, found)| {
                    let AsOf { at: now, value: job } = job;
                    let tasks = |tasks| view! { <Tasks job level start tasks now /> }.into_any();
                    view! { <div data-part="tasks">{or_problem(found, tasks)}</div> }.into_any()
                })
            })}
        </Suspense>
    }
}

#[component]
fn Tasks(
    job: JobSnapshot,
    level: u8,
    start: u64,
    tasks: TaskPage,
    now: Timestamp,
) -> impl IntoView {
    let id = job.id;
    let end = job.timings.ended_at.unwrap_or(now);
    let levels = job.plan.map(|plan| view! { <Levels id plan level /> });
    let last = start + tasks.tasks.len() as u64;
    let shown = match tasks.tasks.is_empty() {
        true => plural(tasks.total, "task", "tasks"),
        false => format!("{} to {} of {}", count(start + 1), count(last), count(tasks.total)),
    };
    let rows = tasks.tasks.into_iter().map(|task| view! { <TaskRow id task end /> }).collect_view();
    let more = tasks.cursor.map(|cursor| {
        view! {
            <p class="older">
                <A
                    href=tasks_path(id, level.into(), cursor)
                    attr:class="button"
                    attr:rel="next"
                >
                    "More tasks"
                </A>
            </p>
        }
    });
    view! {
        <section class="card" aria-labelledby="tasks-heading">
            <header class="card-header">
                <h2 id="tasks-heading">{format!("Tasks of level {level}")}</h2>
                <span class="hint">{shown}</span>
                <a
                    class="card-header-link"
                    href=format!("/api/jobs/{id}/tasks?level={level}&cursor={start}")
                >
                    "As JSON"
                </a>
            </header>
            {levels}
            <Table
                label="Tasks"
                columns=vec!["Task", "State", "Worker", "Attempts", "Ran", "Done", "Read"]
                stacked=true
            >
                {rows}
            </Table>
            {more}
        </section>
    }
}

/// The levels of the sum tree as links, each with what it adds.
#[component]
fn Levels(id: JobId, plan: Plan, level: u8) -> impl IntoView {
    let links = plan
        .levels
        .iter()
        .enumerate()
        .map(|(number, planned)| {
            view! {
                <a
                    href=tasks_path(id, number, 0)
                    aria-current=(number == usize::from(level)).then_some("true")
                >
                    {format!("Level {number}")}
                    " "
                    <b>{count(planned.tasks())}</b>
                    " "
                    <span class="hint">{level_words(number, planned)}</span>
                </a>
            }
        })
        .collect_view();
    view! {
        <nav class="log-kinds task-levels" aria-label="Levels of the sum tree">
            {links}
        </nav>
    }
}

#[component]
fn TaskRow(id: JobId, task: TaskSnapshot, end: Timestamp) -> impl IntoView {
    let shown = decisive(&task.attempts);
    let ran = shown.and_then(|attempt| {
        let started = attempt.started_at?;
        Some(duration(attempt.ended_at.unwrap_or(end).millis_since(started)))
    });
    let worker = shown.and_then(|attempt| attempt.worker.clone());
    let worker = worker.map(|worker| view! { <WorkerLink worker=Some(worker) /> });
    let attempts = match task.attempts.len() {
        0 => String::new(),
        number => count(number as u64),
    };
    view! {
        <tr data-task=task.id.to_string() data-state=task.state.word()>
            <td data-label="Task">
                <a href=task_path(id, task.id)>
                    <code>{task.id.to_string()}</code>
                </a>
            </td>
            <td data-label="State">{task.state.word()}</td>
            <td data-label="Worker">{worker}</td>
            <td data-label="Attempts" class="number">{attempts}</td>
            <td data-label="Ran" class="number">{ran}</td>
            <td data-label="Done" class="number">{shown.map(|attempt| percent(attempt.fraction))}</td>
            <td data-label="Read" class="number">{shown.map(|attempt| bytes(attempt.read_bytes))}</td>
        </tr>
    }
}

/// The attempt that completed a task, or else the latest one.
fn decisive(attempts: &[AttemptSnapshot]) -> Option<&AttemptSnapshot> {
    let completed = attempts.iter().find(|it| it.state == AttemptState::Completed);
    completed.or(attempts.last())
}
