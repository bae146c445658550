//! A worker and what it is doing.

use leptos::prelude::*;
use protocol::worker::{WorkerSnapshot, WorkerState};

use super::icon::{Drawn, DrawnLive, Icon, WARNING};
use crate::format::{bytes, many, rate};
use crate::paths::job_path;
use crate::picture::tree::thousandths;

/// A worker: who it is, its state, the attempt it executes, how far and how
/// fast, and the memory it holds.
#[component]
pub fn WorkerTile(
    /// Which.
    worker: RwSignal<WorkerSnapshot>,
) -> impl IntoView {
    let text = move |text: fn(&WorkerSnapshot) -> String| Signal::derive(move || worker.with(text));
    let hidden_unless =
        move |is_shown: fn(&WorkerSnapshot) -> bool| Signal::derive(move || !worker.with(is_shown));
    let word = text(|worker| worker.state.word().to_owned());
    let path = text(|worker| Icon::of_worker(worker.state).0.to_owned());
    let name = worker.with_untracked(|worker| worker.id.to_string());
    view! {
        <li
            class="worker-tile"
            data-state=word
            data-worker=name.clone()
            title=text(|worker| worker.node.clone().unwrap_or_default())
        >
            <div class="worker-head">
                <span class="worker-state">
                    <DrawnLive path />
                    <span>{word}</span>
                </span>
                <span class="worker-name">{name.clone()}</span>
            </div>
            <p class="worker-does">
                <a href=text(job_link) hidden=hidden_unless(|worker| worker.attempt.is_some())>
                    {text(task)}
                </a>
                " "
                <span class="hint">{text(does)}</span>
            </p>
            <progress
                max="1000"
                value=text(|worker| {
                    thousandths(worker.attempt.map_or(0.0, |attempt| attempt.fraction)).to_string()
                })
                aria-label="Part of the task that is done"
            ></progress>
            <p class="worker-pace">
                <span>{text(|worker| rate(worker.bytes_per_sec))}</span>
                <span title="Memory that its process holds">
                    {text(|worker| bytes(worker.resident_bytes))}
                </span>
            </p>
            <p class="notice" hidden=hidden_unless(|worker| worker.faults.is_some())>
                <Drawn icon=WARNING />
                <span>
                    {text(|worker| {
                        format!("On purpose: {}", worker.faults.as_deref().unwrap_or_default())
                    })}
                </span>
            </p>
            <p class="hint" hidden=hidden_unless(|worker| worker.instance.is_some())>{text(instance)}</p>
            <p class="hint" hidden=hidden_unless(|worker| worker.reason.is_some())>
                {text(|worker| worker.reason.clone().unwrap_or_default())}
            </p>
        </li>
    }
}

fn job_link(worker: &WorkerSnapshot) -> String {
    worker.attempt.map_or_else(String::new, |attempt| job_path(attempt.id.job))
}

fn task(worker: &WorkerSnapshot) -> String {
    worker.attempt.map_or_else(String::new, |attempt| format!("task {}", attempt.id.task))
}

/// What the pool sees of the instance that it runs in.
fn instance(worker: &WorkerSnapshot) -> String {
    worker.instance.as_ref().map_or_else(String::new, |instance| {
        let node = worker.node.as_deref().unwrap_or("no node yet");
        let restarts = many(instance.restarts.into(), "restart", "restarts");
        format!("{} on {node}, {restarts}", instance.phase)
    })
}

/// Which attempt it executes, or what it has done before.
fn does(worker: &WorkerSnapshot) -> String {
    match (worker.attempt, worker.state) {
        (Some(attempt), _) if attempt.speculative => {
            format!("speculative attempt {}", attempt.id.number)
        }
        (Some(attempt), _) => format!("attempt {}", attempt.id.number),
        (None, WorkerState::Starting) => "not there yet".to_owned(),
        (None, _) => format!("{} completed", many(worker.completed, "attempt", "attempts")),
    }
}
