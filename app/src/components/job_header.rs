//! The head of a job's page.

use leptos::prelude::*;
use leptos_router::components::A;
use protocol::{JobId, JobSnapshot, Phase};

use super::connection_badge::ConnectionBadge;
use super::copy_link::CopyLink;
use super::job_actions::JobActions;
use super::phase_badge::PhaseBadge;
use crate::format::utc;
use crate::live::Connection;

/// The head of a job's page: its title, where it is, the link to share, and
/// what can be done with it.
#[component]
pub fn JobHeader(
    /// The job.
    job: RwSignal<JobSnapshot>,
    /// Where it is.
    phase: Memo<Phase>,
    /// Whether the page hears of changes.
    connection: Signal<Connection>,
) -> impl IntoView {
    let id: JobId = job.with_untracked(|job| job.id);
    let submitted_at = job.with_untracked(|job| job.timings.submitted_at);
    view! {
        <header class="job-header">
            <p class="breadcrumb">
                <A href="/jobs">"Jobs"</A>
                <span aria-hidden="true">"/"</span>
                <code>{id.to_string()}</code>
            </p>
            <div class="job-title">
                <h1>{move || job.with(JobSnapshot::title)}</h1>
                <div aria-live="polite">
                    <PhaseBadge phase />
                </div>
                <ConnectionBadge connection />
            </div>
            <div class="job-header-foot">
                <p class="hint">
                    "Submitted "
                    <time datetime=utc(submitted_at)>{utc(submitted_at)}</time>
                </p>
                <div class="job-tools">
                    <CopyLink />
                    <JobActions id phase />
                </div>
            </div>
        </header>
    }
}
