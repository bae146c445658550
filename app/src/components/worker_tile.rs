//! A worker and what it is doing.

use leptos::prelude::*;
use leptos_router::components::A;
use protocol::worker::{RunningAttempt, WorkerSnapshot};

use super::icon::{Drawn, Icon, WARNING};
use crate::calls::job_path;
use crate::format::{bytes, count, rate};

/// A worker: who it is, its state, the attempt it executes, how far and how
/// fast, and the memory it holds.
#[component]
pub fn WorkerTile(
    /// Which.
    worker: RwSignal<WorkerSnapshot>,
) -> impl IntoView {
    let state = Memo::new(move |_| worker.with(|worker| worker.state));
    let name = worker.with_untracked(|worker| worker.id.to_string());
    let worker_id = name.clone();
    let node = Memo::new(move |_| worker.with(|worker| worker.node.clone().unwrap_or_default()));
    let faults = Memo::new(move |_| worker.with(|worker| worker.faults.clone()));
    let reason = Memo::new(move |_| worker.with(|worker| worker.reason.clone()));
    // Which attempt, without how far it is: the link changes seldom.
    let attempt = Memo::new(move |_| {
        worker.with(|worker| {
            let RunningAttempt { id, speculative, .. } = worker.attempt?;
            Some((id, speculative))
        })
    });
    let fraction =
        move || worker.with(|worker| worker.attempt.map_or(0.0, |attempt| attempt.fraction));
    view! {
        <li
            class="worker-tile"
            data-state=move || state.get().word()
            data-worker=worker_id
            title=move || node.get()
        >
            <div class="worker-head">
                <span class="worker-state">
                    <Drawn icon=Signal::derive(move || Icon::of_worker(state.get())) />
                    <span>{move || state.get().word()}</span>
                </span>
                <span class="worker-name">{name}</span>
            </div>
            <p class="worker-does">
                {move || attempt.get().map(|(id, speculative)| {
                    let kind = if speculative { "speculative attempt" } else { "attempt" };
                    view! {
                        <A href=job_path(id.job)>{format!("task {}", id.task)}</A>
                        <span class="hint">{format!(" {kind} {}", id.number)}</span>
                    }
                })}
                {move || {
                    attempt
                        .get()
                        .is_none()
                        .then(|| view! { <span class="hint">{move || worker.with(completed)}</span> })
                }}
            </p>
            <progress
                max="1"
                value=move || format!("{:.3}", fraction())
                aria-label="Part of the task that is done"
            ></progress>
            <p class="worker-pace">
                <span>{move || worker.with(|worker| rate(worker.bytes_per_sec))}</span>
                <span title="Memory that its process holds">
                    {move || worker.with(|worker| bytes(worker.resident_bytes))}
                </span>
            </p>
            {move || faults.get().map(|faults| {
                view! {
                    <p class="notice">
                        <Drawn icon=WARNING />
                        <span>{format!("On purpose: {faults}")}</span>
                    </p>
                }
            })}
            {move || reason.get().map(|reason| view! { <p class="hint">{reason}</p> })}
        </li>
    }
}

fn completed(worker: &WorkerSnapshot) -> String {
    match worker.completed {
        0 => String::new(),
        completed => format!("{} attempts completed", count(completed)),
    }
}
