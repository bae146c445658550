//! The page of a worker: what it does now, live, and what it has done.

pub mod work;

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::A;
use leptos_router::hooks::{use_params_map, use_query_map};
use protocol::Timestamp;
use protocol::worker::WorkerSnapshot;

use self::work::{Attempts, Jobs};
use super::job::attempt_facts::{LocalTime, Row};
use super::not_found::Missing;
use crate::calls;
use crate::clock::AsOf;
use crate::components::icon::{Drawn, Icon};
use crate::format::{bytes, count, duration, percent, plural, rate};
use crate::inspection::{LookedAt, WorkerHistory, WorkerJob};
use crate::islands::worker::LiveWorker;
use crate::paths::{NOW, task_path, worker_now_path, worker_path};

/// The most attempts that are listed of jobs that run.
const ATTEMPTS_NOW: usize = 10;

/// The page of a worker.
#[component]
pub fn WorkerPage() -> impl IntoView {
    let (params, query) = (use_params_map(), use_query_map());
    let asked = move || {
        let name = params.with(|params| params.get("worker").unwrap_or_default());
        let looked_at = query.with(|query| match query.get_str(NOW) {
            Some(_) => LookedAt::Running,
            None => LookedAt::Latest(query.get_str("before").and_then(|id| id.parse().ok())),
        });
        (name, looked_at)
    };
    let found = Resource::new(asked, async |(name, looked_at)| {
        calls::worker(&name, looked_at).await.map(|found| (found, looked_at))
    });
    view! {
        <Suspense>
            {move || Suspend::new(async move {
                match found.await {
                    Ok((AsOf { at, value }, LookedAt::Running)) => {
                        view! { <Now found=value now=at /> }.into_any()
                    }
                    Ok((AsOf { at, value }, LookedAt::Latest(before))) => {
                        let is_earlier = before.is_some();
                        view! { <Worker found=value now=at is_earlier /> }.into_any()
                    }
                    Err(error) => view! { <Missing problem=error.0 /> }.into_any(),
                }
            })}
        </Suspense>
    }
}

/// All that is known of a worker.
#[component]
fn Worker(found: WorkerHistory, now: Timestamp, is_earlier: bool) -> impl IntoView {
    let WorkerHistory { worker, jobs, cursor, .. } = found.clone();
    let name = worker.to_string();
    let earlier = cursor.map(|cursor| {
        view! {
            <p class="older">
                <A
                    href=format!("{}?before={cursor}", worker_path(&worker))
                    attr:class="button"
                    attr:rel="next"
                >
                    "Earlier jobs"
                </A>
            </p>
        }
    });
    let latest = is_earlier.then(|| view! { <a href=worker_path(&worker)>"Latest jobs"</a> });
    view! {
        <Title text=name.clone() />
        <p class="breadcrumb">
            <A href="/">"Overview"</A>
            <span aria-hidden="true">"/"</span>
            "Workers"
        </p>
        <LiveWorker name now=worker_now_path(&worker)>
            <Now found now />
            <div data-part="tasks">
                <Jobs jobs />
            </div>
            {earlier}
            {latest}
        </LiveWorker>
    }
}

/// What a worker does now, and what it has done in jobs that are not over.
#[component]
fn Now(found: WorkerHistory, now: Timestamp) -> impl IntoView {
    let WorkerHistory { worker, present, is_inside, jobs, .. } = found;
    let state = present.as_ref().map(|worker| worker.state);
    let word = state.map_or("gone", |state| state.word());
    let icon = state.map(|state| view! { <Drawn icon=Icon::of_worker(state) /> });
    let present = match present {
        Some(worker) => view! { <Present worker is_inside now /> }.into_any(),
        None => view! {
            <p class="hint">
                "The worker is not there, or not among the first 64. What follows is from the records."
            </p>
        }
        .into_any(),
    };
    let running: Vec<WorkerJob> =
        jobs.into_iter().filter(|work| !work.job.phase.is_over()).collect();
    let attempts = (!running.is_empty()).then(|| {
        view! {
            <h2>"In jobs that run"</h2>
            <Attempts label="Attempts in jobs that run" jobs=running most=ATTEMPTS_NOW />
        }
    });
    view! {
        <section class="card" data-part="now" aria-labelledby="worker-heading">
            <header class="card-header">
                <h1 id="worker-heading">{worker.to_string()}</h1>
                <span class="badge worker-badge" data-state=word>
                    {icon} <span>{word}</span>
                </span>
            </header>
            {present}
            {attempts}
            <p class="hint without-script">
                "As of " <LocalTime at=now /> ". " <a href="">"Look again"</a>
            </p>
        </section>
    }
}

/// The present state of a worker.
#[component]
fn Present(worker: WorkerSnapshot, is_inside: bool, now: Timestamp) -> impl IntoView {
    let task = worker.attempt.map(|running| {
        let id = running.id;
        let kind = if running.speculative { "speculative attempt" } else { "attempt" };
        let ran = duration(now.millis_since(running.started_at));
        view! {
            <Row label="Task">
                <a href=task_path(id.job, id.task)>{id.task.to_string()}</a>
                {format!(", {kind} {}, {} in {ran}", id.number, percent(running.fraction))}
            </Row>
        }
    });
    // The process of an embedded worker is the server.
    let memory = match is_inside {
        true => "Memory of the server, which its workers share",
        false => "Memory of its process",
    };
    let row = |label: &'static str, value: Option<String>| {
        value.map(|value| view! { <Row label>{value}</Row> })
    };
    let instance = worker.instance.map(|instance| {
        format!("{}, {}", instance.phase, plural(instance.restarts.into(), "restart", "restarts"))
    });
    view! {
        <dl class="figures">
            {task}
            {row("State because", worker.reason)}
            {row("Throughput", Some(rate(worker.bytes_per_sec)))}
            {row("Attempts completed", Some(count(worker.completed)))}
            {row(memory, Some(bytes(worker.resident_bytes)))}
            {row("Node", worker.node)}
            {row("Instance", instance)}
            {row("Injected faults", worker.faults)}
        </dl>
    }
}
