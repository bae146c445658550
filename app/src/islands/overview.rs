//! The live workers and newest jobs.

use leptos::prelude::*;
use protocol::live::{LiveEvent, Overview};
use protocol::worker::PoolSnapshot;

use super::Given;
use super::parts::Parts;
use crate::clock::AsOf;
use crate::clock::Clock;
use crate::components::connection_badge::ConnectionBadge;
use crate::components::job_row::JobRows;
use crate::components::worker_panel::WorkerPanel;
use crate::keyed::Keyed;
use crate::live::{self, WhileHidden};
use crate::paths::EVENTS;

/// The maximum number of jobs on the overview, as many as a screen has room for; the history
/// shows the others. A browser lays out all rows for each that comes.
pub const SHOWN_JOBS: usize = 30;

/// The workers and the newest jobs, updated live.
#[island]
pub fn LiveOverview(
    /// The workers and jobs when the page was rendered.
    overview: Given<AsOf<Overview>>,
    /// The address at which the lanes of the workers are rendered.
    now: String,
    /// The control for the number of workers, and the lanes of the workers.
    children: Children,
) -> impl IntoView {
    let Given(overview) = overview;
    Clock::provide(overview.at);
    let Overview { jobs, workers: pool } = overview.value;
    let jobs = Keyed::new(jobs, |job| job.id);
    let workers = Keyed::new(pool.workers.clone(), |worker| worker.id.clone());
    let pool = RwSignal::new(pool);
    // The server renders the lanes of the workers, at an address of their own.
    let parts = Parts::new(Some(now), || {});
    let set_pool = move |changed: PoolSnapshot| {
        workers.replace(changed.workers.clone());
        pool.set(changed);
    };
    let contact = live::subscribe(EVENTS.to_owned(), None, WhileHidden::Rests, move |event| {
        match event {
            LiveEvent::Snapshot(overview) => {
                jobs.replace(overview.jobs);
                jobs.truncate(SHOWN_JOBS);
                set_pool(overview.workers);
            }
            LiveEvent::Job(job) => {
                jobs.upsert_descending(*job);
                jobs.truncate(SHOWN_JOBS);
            }
            LiveEvent::JobDeleted(id) => jobs.remove(&id),
            LiveEvent::Workers(changed) => set_pool(*changed),
            LiveEvent::Tasks(_) => {}
        }
        parts.refresh(false);
        true
    });
    view! {
        <WorkerPanel pool workers>{children()}</WorkerPanel>
        <section class="card jobs" aria-labelledby="jobs-heading">
            <header class="card-header">
                <h2 id="jobs-heading">"Jobs"</h2>
                <ConnectionBadge contact />
                <a class="card-header-link" href="/jobs">
                    "History"
                </a>
            </header>
            <noscript inner_html="<p class=\"hint\">Without JavaScript, this page does not update \
            itself: <a href=\"/\">reload</a>.</p>"></noscript>
            <JobRows jobs />
            <p class="empty">
                "No jobs yet. The form contains an example that takes a few seconds."
            </p>
        </section>
    }
}
