//! The workers and the newest jobs, live.

use leptos::prelude::*;
use protocol::live::{LiveEvent, Overview};
use protocol::worker::PoolSnapshot;

use super::Given;
use crate::clock::AsOf;
use crate::clock::Clock;
use crate::components::connection_badge::ConnectionBadge;
use crate::components::job_row::JobRows;
use crate::components::worker_panel::WorkerPanel;
use crate::keyed::Keyed;
use crate::live;
use crate::paths::EVENTS;

/// The most jobs that the overview shows; the rest is in the history.
const SHOWN_JOBS: usize = 100;

/// The workers and the newest jobs, live.
#[island]
pub fn LiveOverview(
    /// How things stood when the page was rendered.
    overview: Given<AsOf<Overview>>,
    /// The control for the number of workers.
    children: Children,
) -> impl IntoView {
    let Given(overview) = overview;
    Clock::provide(overview.at);
    let Overview { jobs, workers: pool } = overview.value;
    let jobs = Keyed::new(jobs, |job| job.id);
    let workers = Keyed::new(pool.workers.clone(), |worker| worker.id.clone());
    let pool = RwSignal::new(pool);
    let set_pool = move |changed: PoolSnapshot| {
        workers.replace(changed.workers.clone());
        pool.set(changed);
    };
    let connection = live::follow(EVENTS.to_owned(), None, move |event| match event {
        LiveEvent::Snapshot(overview) => {
            jobs.replace(overview.jobs);
            set_pool(overview.workers);
        }
        LiveEvent::Job(job) => {
            jobs.put_descending(*job);
            jobs.truncate(SHOWN_JOBS);
        }
        LiveEvent::JobDeleted(id) => jobs.remove(&id),
        LiveEvent::Workers(changed) => set_pool(*changed),
    });
    view! {
        <WorkerPanel pool workers>{children()}</WorkerPanel>
        <section class="card jobs" aria-labelledby="jobs-heading">
            <header class="card-header">
                <h2 id="jobs-heading">"Jobs"</h2>
                <ConnectionBadge connection />
                <a class="card-header-link" href="/jobs">
                    "History"
                </a>
            </header>
            <noscript inner_html="<p class=\"hint\">Without JavaScript this page shows how things \
            stood when it was loaded: <a href=\"/\">load it again</a>.</p>"></noscript>
            <JobRows jobs />
            <p class="empty">
                "No jobs yet. Start the one that is filled in: it takes a few seconds."
            </p>
        </section>
    }
}
