//! The links to the pages of a job.

use leptos::prelude::*;
use protocol::JobId;

use crate::paths::JobTab;

/// The links to the pages of a job, as tabs.
#[component]
pub fn JobTabs(
    /// The id of the job.
    id: JobId,
    /// The page that is shown.
    shown: JobTab,
) -> impl IntoView {
    let links = JobTab::ALL.map(|tab| {
        view! {
            <a href=tab.path(id) aria-current=(tab == shown).then_some("page")>
                {tab.word()}
            </a>
        }
    });
    view! {
        <nav class="job-tabs" aria-label="Pages of the job">
            {links.collect_view()}
        </nav>
    }
}
