//! The worker pool.

use leptos::prelude::*;
use protocol::WorkerId;
use protocol::worker::{PoolSnapshot, WorkerSnapshot};

use super::icon::{Drawn, WARNING};
use super::worker_tile::WorkerTile;
use crate::calls::SetDesiredWorkers;
use crate::format::{count, many};
use crate::keyed::Keyed;

/// The worker pool: how many are asked for, ready and busy, a control for how
/// many, and what each does now.
#[component]
pub fn WorkerPanel(
    /// The pool.
    pool: RwSignal<PoolSnapshot>,
) -> impl IntoView {
    let key = |worker: &WorkerSnapshot| worker.id.clone();
    let workers: Keyed<WorkerId, WorkerSnapshot> =
        Keyed::new(pool.with_untracked(|pool| pool.workers.clone()), key);
    Effect::new(move || workers.replace(pool.with(|pool| pool.workers.clone())));

    let notice = Memo::new(move |_| pool.with(|pool| pool.notice.clone()));
    let is_empty = Memo::new(move |_| workers.order().with(Vec::is_empty));
    view! {
        <section class="card workers" aria-labelledby="workers-heading">
            <header class="card-header">
                <h2 id="workers-heading">"Workers"</h2>
                <span class="tag">{move || pool.with(|pool| pool.kind.clone())}</span>
            </header>
            <dl class="pool-figures">
                <PoolFigure state="ready" pool figure=|pool| pool.ready.into() />
                <PoolFigure state="busy" pool figure=|pool| pool.busy.into() />
                <PoolFigure state="desired" pool figure=|pool| pool.desired.into() />
                <PoolFigure state="backlog" pool figure=|pool| pool.backlog />
            </dl>
            <DesiredWorkers pool />
            {move || {
                notice
                    .get()
                    .map(|notice| {
                        view! {
                            <p class="notice">
                                <Drawn icon=WARNING />
                                <span>{notice}</span>
                            </p>
                        }
                    })
            }}
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
            <Show when=move || is_empty.get()>
                <p class="empty">"No workers now. They start when a job does."</p>
            </Show>
            <p class="hint">{move || pool.with(hidden_workers)}</p>
        </section>
    }
}

#[component]
fn PoolFigure(
    state: &'static str,
    pool: RwSignal<PoolSnapshot>,
    figure: fn(&PoolSnapshot) -> u64,
) -> impl IntoView {
    view! {
        <div class="pool-figure" data-figure=state>
            <dt>{state}</dt>
            <dd>{move || count(pool.with(figure))}</dd>
        </div>
    }
}

/// A control for how many workers are asked for, where the pool heeds it.
#[component]
fn DesiredWorkers(pool: RwSignal<PoolSnapshot>) -> impl IntoView {
    let set = ServerAction::<SetDesiredWorkers>::new();
    let back = ServerAction::<SetDesiredWorkers>::new();
    let is_ours = Memo::new(move |_| pool.with(|pool| pool.kind != "external"));
    let by_hand = Memo::new(move |_| pool.with(|pool| pool.by_hand));
    let refusal = move || {
        let refused = set.value().get().or_else(|| back.value().get())?.err()?;
        Some(view! {
            <p class="field-problem" role="alert">
                {refused.to_string()}
            </p>
        })
    };
    view! {
        <Show when=move || is_ours.get()>
            <div class="desired">
                <ActionForm action=set>
                    <label for="desired">"Keep"</label>
                    <input
                        id="desired"
                        name="desired"
                        type="number"
                        min=move || pool.with(|pool| pool.min_workers)
                        max=move || pool.with(|pool| pool.max_workers)
                        value=pool.with_untracked(|pool| pool.by_hand.unwrap_or(pool.desired))
                        required=true
                    />
                    <button type="submit" class="button small">
                        "Set workers"
                    </button>
                </ActionForm>
                <Show
                    when=move || by_hand.get().is_some()
                    fallback=|| view! { <span class="hint">"as many as the jobs ask for"</span> }
                >
                    <ActionForm action=back>
                        <input type="hidden" name="desired" value="auto" />
                        <span class="hint">"set by hand"</span>
                        <button type="submit" class="button small quiet">
                            "Let the jobs decide"
                        </button>
                    </ActionForm>
                </Show>
                {refusal}
            </div>
        </Show>
    }
}

/// How many workers have no tile.
fn hidden_workers(pool: &PoolSnapshot) -> String {
    let shown = u32::try_from(pool.workers.len()).unwrap_or(u32::MAX);
    match pool.ready.saturating_sub(shown) {
        0 => String::new(),
        hidden => format!("and {} more", many(hidden.into(), "worker", "workers")),
    }
}
