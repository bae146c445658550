//! A live page of the history.

use leptos::prelude::*;
use protocol::JobSnapshot;
use protocol::live::LiveEvent;

use super::Given;
use crate::clock::AsOf;
use crate::clock::Clock;
use crate::components::connection_badge::ConnectionBadge;
use crate::components::job_row::JobRows;
use crate::keyed::Keyed;
use crate::live;
use crate::paths::EVENTS;

/// The jobs of a page of the history, updated live. New jobs belong to another page
/// and are ignored.
#[island]
pub fn LiveHistory(
    /// The jobs when the page was rendered.
    jobs: Given<AsOf<Vec<JobSnapshot>>>,
) -> impl IntoView {
    let Given(jobs) = jobs;
    Clock::provide(jobs.at);
    let jobs = Keyed::new(jobs.value, |job| job.id);
    let connection = live::subscribe(EVENTS.to_owned(), None, move |event| match event {
        LiveEvent::Snapshot(overview) => {
            overview.jobs.into_iter().for_each(|job| jobs.update_existing(job));
        }
        LiveEvent::Job(job) => jobs.update_existing(*job),
        LiveEvent::JobDeleted(id) => jobs.remove(&id),
        LiveEvent::Workers(_) => {}
    });
    view! {
        <header class="card-header">
            <h1 id="history-heading">"History"</h1>
            <ConnectionBadge connection />
        </header>
        <JobRows jobs />
        <p class="empty">"No jobs."</p>
    }
}
