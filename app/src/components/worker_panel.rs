//! The worker pool.

use leptos::prelude::*;
use protocol::WorkerId;
use protocol::worker::{PoolSnapshot, QueueSnapshot, WorkerSnapshot};

use super::icon::{Drawn, WARNING};
use super::worker_tile::WorkerTile;
use crate::format::{count, plural};
use crate::keyed::Keyed;

/// The list of workers of a pool.
pub type WorkerList = Keyed<WorkerId, WorkerSnapshot>;

/// The worker pool: the numbers of ready, busy and desired workers, the backlog,
/// and the state of each worker.
#[component]
pub fn WorkerPanel(
    /// The pool.
    pool: RwSignal<PoolSnapshot>,
    /// The workers of the pool, each updated separately.
    workers: WorkerList,
    /// The control for the number of workers.
    children: Children,
) -> impl IntoView {
    let of_pool = move |text: fn(&PoolSnapshot) -> String| Signal::derive(move || pool.with(text));
    let hidden_if_none =
        move |number: fn(&PoolSnapshot) -> bool| Signal::derive(move || !pool.with(number));
    view! {
        <section
            class="card workers"
            aria-labelledby="workers-heading"
            data-scaling=of_pool(|pool| {
                if pool.by_hand.is_some() { "by-hand" } else { "automatic" }.to_owned()
            })
        >
            <header class="card-header">
                <h2 id="workers-heading">"Workers"</h2>
                <span class="tag">{of_pool(|pool| pool.kind.clone())}</span>
                <span class="hint">
                    {of_pool(|pool| pool.location.clone().unwrap_or_default())}
                </span>
            </header>
            <dl class="pool-figures">
                <PoolFigure label="ready" value=of_pool(|pool| count(pool.ready.into())) />
                <PoolFigure label="busy" value=of_pool(|pool| count(pool.busy.into())) />
                <PoolFigure label="desired" value=of_pool(|pool| count(pool.desired.into())) />
                <PoolFigure label="backlog" value=of_pool(|pool| count(pool.backlog)) />
                <PoolFigure
                    label="in queue"
                    value=of_pool(|pool| count(pool.queue.as_ref().map_or(0, |it| it.assignments)))
                />
            </dl>
            {children()}
            <p class="hint queue" hidden=hidden_if_none(|pool| queue_outside(pool).is_some())>
                {of_pool(|pool| queue_outside(pool).map_or_else(String::new, depths))}
                <a
                    href=of_pool(|pool| management_url(pool).unwrap_or_default().to_owned())
                    hidden=hidden_if_none(|pool| management_url(pool).is_some())
                >
                    {of_pool(|pool| pool.queue.as_ref().map_or_else(String::new, |it| it.name.clone()))}
                </a>
            </p>
            <p class="notice" hidden=hidden_if_none(|pool| pool.notice.is_some())>
                <Drawn icon=WARNING />
                <span>{of_pool(|pool| pool.notice.clone().unwrap_or_default())}</span>
            </p>
            <details class="worker-details">
            <summary>"Each worker's present state"</summary>
            <ul class="worker-tiles">
                <For
                    each=move || workers.order().get()
                    key=WorkerId::clone
                    children=move |id| {
                        workers
                            .row(&id)
                            .map(|worker| view! { <WorkerTile worker=RwSignal::from(worker) /> })
                    }
                />
            </ul>
            <p class="empty">"No workers yet. They start with the next job."</p>
            </details>
            <p class="hint" hidden=hidden_if_none(|pool| without_tile(pool) > 0)>
                {of_pool(|pool| {
                    plural(without_tile(pool), "more worker", "more workers")
                })}
            </p>
        </section>
    }
}

#[component]
fn PoolFigure(label: &'static str, value: Signal<String>) -> impl IntoView {
    view! {
        <div class="pool-figure" data-figure=label data-rate=(label == "busy").to_string()>
            <dt>{label}</dt>
            <dd>{value}</dd>
        </div>
    }
}

/// The queue, unless it is inside the server.
fn queue_outside(pool: &PoolSnapshot) -> Option<&QueueSnapshot> {
    pool.queue.as_ref().filter(|queue| queue.location.is_some())
}

fn management_url(pool: &PoolSnapshot) -> Option<&str> {
    pool.queue.as_ref()?.management_url.as_deref()
}

/// Where a queue is, and the number of messages in it.
fn depths(queue: &QueueSnapshot) -> String {
    format!(
        "Queue at {}: {}, {}, {}. ",
        queue.location.as_deref().unwrap_or_default(),
        plural(queue.assignments, "assignment", "assignments"),
        plural(queue.reports, "report", "reports"),
        plural(queue.dead_letters, "dead letter", "dead letters"),
    )
}

/// The number of workers without a tile.
fn without_tile(pool: &PoolSnapshot) -> u64 {
    u64::from(pool.ready).saturating_sub(pool.workers.len() as u64)
}
