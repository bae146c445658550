//! The history: all jobs, page by page.

use leptos::either::Either;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::A;
use leptos_router::hooks::use_query_map;
use protocol::JobId;
use protocol::live::{JobPage, LiveEvent};

use super::not_found::Missing;
use crate::calls::{self, AsOf};
use crate::clock::Clock;
use crate::components::connection_badge::ConnectionBadge;
use crate::components::job_row::JobRows;
use crate::components::loading::Loading;
use crate::keyed::Keyed;
use crate::live;

/// The history: all jobs, newest first, a page at a time.
#[component]
pub fn HistoryPage() -> impl IntoView {
    let query = use_query_map();
    let before = Memo::new(move |_| -> Option<JobId> {
        query.with(|query| query.get_str("before")?.parse().ok())
    });
    let page = Resource::new(move || before.get(), calls::jobs);
    view! {
        <Title text="History" />
        <Suspense fallback=Loading>
            {move || Suspend::new(async move {
                match page.await {
                    Ok(page) => Either::Left(view! { <History page /> }),
                    Err(refusal) => Either::Right(view! { <Missing problem=refusal.0 /> }),
                }
            })}
        </Suspense>
    }
}

#[component]
fn History(page: AsOf<JobPage>) -> impl IntoView {
    Clock::provide(page.at);
    let AsOf { value: page, .. } = page;
    let is_empty = page.jobs.is_empty();
    let jobs = Keyed::new(page.jobs, |job| job.id);
    // Jobs of this page change as they go on; a new one belongs to another page.
    let connection =
        live::follow("/api/events".to_owned(), Signal::from(false), move |event| match event {
            LiveEvent::Snapshot(overview) => {
                for job in overview.jobs {
                    jobs.change_existing(job);
                }
            }
            LiveEvent::Job(job) => jobs.change_existing(*job),
            LiveEvent::JobDeleted(id) => jobs.remove(&id),
            LiveEvent::Workers(_) => {}
        });
    let older = page.cursor.map(|cursor| {
        view! {
            <p>
                <A href=format!("/jobs?before={cursor}") attr:class="button" attr:rel="next">
                    "Older jobs"
                </A>
            </p>
        }
    });
    let empty = is_empty.then(|| {
        view! { <p class="empty">"There are no jobs here."</p> }
    });
    view! {
        <section class="card" aria-labelledby="history-heading">
            <header class="card-header">
                <h1 id="history-heading">"History"</h1>
                <ConnectionBadge connection />
            </header>
            <JobRows jobs />
            {empty}
            {older}
        </section>
    }
}
