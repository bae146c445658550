//! A worker and its attempt.

use leptos::prelude::*;
use protocol::worker::{WorkerSnapshot, WorkerState};

use super::icon::{Drawn, DrawnLive, Icon, WARNING};
use crate::format::{bytes, plural, rate};
use crate::paths::{task_path, worker_path};
use crate::picture::tree::thousandths;

/// A worker: its name, its state, the progress of its attempt, its throughput and
/// its memory.
#[component]
pub fn WorkerTile(
    /// The worker.
    worker: RwSignal<WorkerSnapshot>,
) -> impl IntoView {
    let text = move |text: fn(&WorkerSnapshot) -> String| Signal::derive(move || worker.with(text));
    let hidden_unless =
        move |is_shown: fn(&WorkerSnapshot) -> bool| Signal::derive(move || !worker.with(is_shown));
    let word = text(|worker| worker.state.word().to_owned());
    let path = text(|worker| Icon::of_worker(worker.state).0.to_owned());
    let name = worker.with_untracked(|worker| worker.id.to_string());
    let path_of = worker.with_untracked(|worker| worker_path(&worker.id));
    view! {
        <li
            class="worker-tile"
            data-state=word
            data-worker=name
        >
            <div class="worker-head">
                <span class="worker-state">
                    <DrawnLive path />
                    <span>{word}</span>
                </span>
                <a class="worker-name" href=path_of>{name.clone()}</a>
            </div>
            <p class="worker-activity">
                <a href=text(task_link) hidden=hidden_unless(|worker| worker.attempt.is_some())>
                    {text(task)}
                </a>
                " "
                <span class="hint">{text(activity)}</span>
            </p>
            <progress
                max="1000"
                value=text(|worker| {
                    thousandths(worker.attempt.map_or(0.0, |attempt| attempt.fraction)).to_string()
                })
                aria-label="Task progress"
            ></progress>
            <p class="worker-pace">
                <span data-rate="true">{text(pace)}</span>
                <span class="worker-memory">
                    "memory "
                    {text(|worker| bytes(worker.resident_bytes))}
                </span>
            </p>
            <p class="notice" hidden=hidden_unless(|worker| worker.faults.is_some())>
                <Drawn icon=WARNING />
                <span>{text(|worker| worker.faults.clone().unwrap_or_default())}</span>
            </p>
            <p class="hint" hidden=hidden_unless(|worker| worker.instance.is_some() || worker.node.is_some())>
                {text(instance)}
            </p>
            <p class="hint" hidden=hidden_unless(|worker| worker.reason.is_some())>
                {text(|worker| worker.reason.clone().unwrap_or_default())}
            </p>
        </li>
    }
}

/// The throughput, where anything was read lately.
fn pace(worker: &WorkerSnapshot) -> String {
    if worker.bytes_per_sec > 0.0 { rate(worker.bytes_per_sec) } else { String::new() }
}

fn task_link(worker: &WorkerSnapshot) -> String {
    worker.attempt.map_or_else(String::new, |attempt| task_path(attempt.id.job, attempt.id.task))
}

fn task(worker: &WorkerSnapshot) -> String {
    worker.attempt.map_or_else(String::new, |attempt| format!("task {}", attempt.id.task))
}

/// Where the worker runs, and the state of the instance that it runs in.
fn instance(worker: &WorkerSnapshot) -> String {
    let node = worker.node.as_deref().map_or_else(String::new, |node| format!("on {node}"));
    worker.instance.as_ref().map_or(node.clone(), |instance| {
        let restarts = plural(instance.restarts.into(), "restart", "restarts");
        format!("{} {node}, {restarts}", instance.phase)
    })
}

/// The attempt that the worker runs, or the number of attempts it has completed.
fn activity(worker: &WorkerSnapshot) -> String {
    match (worker.attempt, worker.state) {
        (Some(attempt), _) if attempt.speculative => {
            format!("speculative attempt {}", attempt.id.number)
        }
        (Some(attempt), _) => format!("attempt {}", attempt.id.number),
        (None, WorkerState::Starting) => "not connected yet".to_owned(),
        (None, _) => format!("{} completed", plural(worker.completed, "attempt", "attempts")),
    }
}
