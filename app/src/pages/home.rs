//! The overview: a new job, the workers, the newest jobs.

use leptos::either::Either;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::A;
use protocol::live::{LiveEvent, Overview};

use super::not_found::Missing;
use crate::calls::{self, AsOf};
use crate::clock::Clock;
use crate::components::connection_badge::ConnectionBadge;
use crate::components::job_form::JobFormCard;
use crate::components::job_row::{JobList, JobRows};
use crate::components::loading::Loading;
use crate::components::worker_panel::WorkerPanel;
use crate::keyed::Keyed;
use crate::live;

/// The overview: what this is, a new job, the workers and the newest jobs.
#[component]
pub fn HomePage() -> impl IntoView {
    let overview = Resource::new(|| (), |()| calls::overview());
    view! {
        <Title text="" />
        <div class="hero">
            <h1>"The exact mean of every index, across all your files."</h1>
            <p>
                "A fleet of workers sums them in a tree and divides once. "
                "The same bits, whatever the number of workers, their order or their failures."
            </p>
        </div>
        <div class="home">
            <JobFormCard />
            <Suspense fallback=Loading>
                {move || Suspend::new(async move {
                    match overview.await {
                        Ok(overview) => Either::Left(view! { <LiveOverview overview /> }),
                        Err(refusal) => Either::Right(view! { <Missing problem=refusal.0 /> }),
                    }
                })}
            </Suspense>
        </div>
    }
}

/// The most jobs that the overview shows; the rest is in the history.
const SHOWN_JOBS: usize = 100;

#[component]
fn LiveOverview(overview: AsOf<Overview>) -> impl IntoView {
    Clock::provide(overview.at);
    let Overview { jobs, workers } = overview.value;
    let jobs = Keyed::new(jobs, |job| job.id);
    let workers = RwSignal::new(workers);
    let connection =
        live::follow("/api/events".to_owned(), Signal::from(false), move |event| match event {
            LiveEvent::Snapshot(overview) => {
                jobs.replace(overview.jobs);
                workers.set(overview.workers);
            }
            LiveEvent::Job(job) => {
                jobs.put_descending(*job);
                jobs.truncate(SHOWN_JOBS);
            }
            LiveEvent::JobDeleted(id) => jobs.remove(&id),
            LiveEvent::Workers(pool) => workers.set(*pool),
        });
    view! {
        <WorkerPanel pool=workers />
        <Jobs jobs>
            <ConnectionBadge connection />
        </Jobs>
    }
}

#[component]
fn Jobs(jobs: JobList, children: Children) -> impl IntoView {
    let is_empty = Memo::new(move |_| jobs.order().with(Vec::is_empty));
    view! {
        <section class="card jobs" aria-labelledby="jobs-heading">
            <header class="card-header">
                <h2 id="jobs-heading">"Jobs"</h2>
                {children()}
                <A href="/jobs" attr:class="card-header-link">
                    "History"
                </A>
            </header>
            <noscript inner_html="<p class=\"hint\">Without JavaScript this page shows how things \
            stood when it was loaded: <a href=\"/\">load it again</a>.</p>"></noscript>
            <JobRows jobs />
            <Show when=move || is_empty.get()>
                <p class="empty">
                    "No jobs yet. Start the one that is filled in: it takes a few seconds."
                </p>
            </Show>
        </section>
    }
}
