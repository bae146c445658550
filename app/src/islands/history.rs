//! A page of the history, live.

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

/// The jobs of a page of the history. They change as they go on; a new one
/// belongs to another page.
#[island]
pub fn LiveHistory(
    /// How they stood when the page was rendered.
    jobs: Given<AsOf<Vec<JobSnapshot>>>,
) -> impl IntoView {
    let Given(jobs) = jobs;
    Clock::provide(jobs.at);
    let jobs = Keyed::new(jobs.value, |job| job.id);
    let connection = live::follow(EVENTS.to_owned(), None, move |event| match event {
        LiveEvent::Snapshot(overview) => {
            overview.jobs.into_iter().for_each(|job| jobs.change_existing(job));
        }
        LiveEvent::Job(job) => jobs.change_existing(*job),
        LiveEvent::JobDeleted(id) => jobs.remove(&id),
        LiveEvent::Workers(_) => {}
    });
    view! {
        <header class="card-header">
            <h1 id="history-heading">"History"</h1>
            <ConnectionBadge connection />
        </header>
        <JobRows jobs />
        <p class="empty">"There are no jobs here."</p>
    }
}
