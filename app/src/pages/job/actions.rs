//! The actions of a job.

use leptos::prelude::*;
use protocol::{JobId, JobRequest, Phase, Role};

use crate::backend::{caller_may, caller_or_nobody};
use crate::calls::{Cancel, Delete, Rerun, Resume};
use crate::components::icon::{AGAIN, Drawn, Icon, TRASH};
use crate::form::JobForm;
use crate::notices;

/// The forms that cancel, resume, rerun and delete a job. A job can be cancelled while it
/// runs, resumed once it has failed or was cancelled, and deleted once it is over; CSS
/// shows the forms by the job's `data-state`.
#[component]
pub fn JobActions(
    /// The id of the job.
    id: JobId,
    /// The name of who submitted it.
    submitted_by: Option<String>,
    /// What it was asked.
    request: JobRequest,
) -> impl IntoView {
    let cancel = ServerAction::<Cancel>::new();
    let resume = ServerAction::<Resume>::new();
    let rerun = ServerAction::<Rerun>::new();
    let delete = ServerAction::<Delete>::new();
    let error = notices::shown().map(|problem| {
        view! {
            <p class="field-problem" role="alert">
                {problem.to_string()}
            </p>
        }
    });
    let edit = JobForm::of_request(&request).map(|form| {
        let home = form.home_path();
        view! {
            <a class="button" href=format!("{}#new-job", home.trim_end_matches('&'))>
                "Edit and run again"
            </a>
        }
    });
    let submit = caller_may(Role::Submit).then(|| {
        view! {
            <div class="while-running">
                <ActionForm action=cancel>
                    <input type="hidden" name="id" value=id.to_string() />
                    <button type="submit" class="button">
                        <Drawn icon=Icon::of_phase(Phase::Cancelled) />
                        "Cancel"
                    </button>
                </ActionForm>
            </div>
            <div class="when-stopped">
                <ActionForm action=resume>
                    <input type="hidden" name="id" value=id.to_string() />
                    <button type="submit" class="button">
                        <Drawn icon=Icon::of_phase(Phase::Running) />
                        "Resume"
                    </button>
                </ActionForm>
            </div>
            <ActionForm action=rerun>
                <input type="hidden" name="id" value=id.to_string() />
                <button type="submit" class="button">
                    <Drawn icon=AGAIN />
                    "Run again"
                </button>
            </ActionForm>
            {edit}
        }
    });
    let may_delete = caller_or_nobody().may_delete(submitted_by.as_deref());
    let delete = may_delete.then(|| {
        view! {
            // A confirmation that works without JavaScript.
            <details class="confirm when-over">
                <summary class="button">
                    <Drawn icon=TRASH />
                    "Delete"
                </summary>
                <ActionForm action=delete>
                    <p>"Delete this job and its result? Its link will stop working."</p>
                    <input type="hidden" name="id" value=id.to_string() />
                    <button type="submit" class="button danger">
                        "Delete permanently"
                    </button>
                </ActionForm>
            </details>
        }
    });
    view! {
        <div class="job-actions">
            {submit} {delete} {error}
        </div>
    }
}
