//! The progress of a job.

use leptos::prelude::*;
use protocol::states::TaskStates;
use protocol::{JobSnapshot, Phase};

use super::sum_tree::SumTree;
use crate::format::{count, plural, utc};

/// The progress of a job: the sum tree level by level, and the restarts of the server.
#[component]
pub fn ProgressCard(
    /// The job.
    job: RwSignal<JobSnapshot>,
    /// The states of its tasks, if they are known.
    states: RwSignal<Option<TaskStates>>,
) -> impl IntoView {
    let text = move |text: fn(&JobSnapshot) -> String| Signal::derive(move || job.with(text));
    // A plan never changes.
    let has_plan = Memo::new(move |_| job.with(|job| job.plan.is_some()));
    let tree = move || {
        has_plan.get().then(|| {
            let plan = job.with_untracked(|job| job.plan.clone());
            plan.map(|plan| view! { <SumTree job states plan /> })
        })
    };
    let has_no_resumes = Signal::derive(move || job.with(|job| job.resumes.is_empty()));
    let has_no_restarts = Signal::derive(move || job.with(|job| job.restarts.is_empty()));
    view! {
        <section class="card progress-card" aria-labelledby="progress-heading">
            <header class="card-header">
                <h2 id="progress-heading">"Progress"</h2>
            </header>
            <p class="hint restarts" hidden=has_no_restarts>
                {text(restarts)}
            </p>
            <p class="hint resumes" hidden=has_no_resumes>
                {text(resumes)}
            </p>
            {tree}
            <p class="empty" hidden=has_plan>
                {text(before_plan)}
            </p>
        </section>
    }
}

/// When the job was resumed, in words.
fn resumes(job: &JobSnapshot) -> String {
    let times: Vec<String> = job.resumes.iter().map(|at| utc(*at)).collect();
    format!("The job was resumed at {}.", times.join(", "))
}

/// The restarts of the server, in words.
fn restarts(job: &JobSnapshot) -> String {
    let times: Vec<String> = job.restarts.iter().map(|restart| utc(restart.at)).collect();
    format!(
        "The server restarted at {}. What was read in the last seconds before is not counted.",
        times.join(", ")
    )
}

/// The text shown while there is no sum tree.
fn before_plan(job: &JobSnapshot) -> String {
    if job.waiting {
        return "Waiting for other jobs.".to_owned();
    }
    match (job.phase, job.generated) {
        (Phase::Listing, Some(generated)) => format!(
            "Generating test data: {} of {}.",
            count(generated.done),
            plural(generated.total, "file", "files")
        ),
        (Phase::Listing, None) => "Listing the files.".to_owned(),
        (Phase::Failed | Phase::Cancelled, _) => "The job ended before it was planned.".to_owned(),
        (Phase::Planning | Phase::Running | Phase::Finishing | Phase::Done, _) => {
            "Planning the sum tree.".to_owned()
        }
    }
}
