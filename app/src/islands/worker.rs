//! A live worker.

use leptos::prelude::*;
use protocol::live::LiveEvent;
use protocol::worker::PoolSnapshot;

use super::parts::{Parts, local_times};
use crate::components::connection_badge::ConnectionBadge;
use crate::live::{self, WhileHidden};
use crate::paths::EVENTS;

/// The page of a worker. The server renders what the worker does now again whenever that
/// changes, and also what it has done once it is idle or a job is over.
#[island]
pub fn LiveWorker(
    /// The name of the worker.
    name: String,
    /// The address at which what it does now is rendered.
    now: String,
    /// What the server renders of the page.
    children: Children,
) -> impl IntoView {
    let (present, all) = (Parts::new(Some(now), || {}), Parts::new(None, || {}));
    let seen = StoredValue::new(None);
    let show = move |pool: &PoolSnapshot| {
        let worker = pool.workers.iter().find(|worker| worker.id.as_str() == name);
        let does = worker.map(|it| (it.state, it.completed, it.attempt.map(|it| it.fraction)));
        if seen.get_value() != Some(does) {
            seen.set_value(Some(does));
            match worker.and_then(|worker| worker.attempt) {
                Some(_) => present.refresh(false),
                None => all.refresh(false),
            }
        }
    };
    let contact = live::subscribe(EVENTS.to_owned(), None, WhileHidden::Rests, move |event| {
        match event {
            LiveEvent::Workers(pool) => show(&pool),
            LiveEvent::Snapshot(overview) => show(&overview.workers),
            LiveEvent::Job(job) if job.phase.is_over() => all.refresh(false),
            LiveEvent::Job(_) | LiveEvent::JobDeleted(_) | LiveEvent::Tasks(_) => {}
        }
        true
    });
    Effect::new(local_times);
    view! {
        <article class="worker-page job">
            <ConnectionBadge contact />
            {children()}
        </article>
    }
}
