//! The actions of a job.

use leptos::prelude::*;
use protocol::{JobId, Phase, Role};

use crate::backend::caller_may;
use crate::calls::{Cancel, Delete, Rerun, Resume};
use crate::components::icon::{AGAIN, Drawn, Icon, TRASH};
use crate::notices;

/// The forms that cancel, resume, rerun and delete a job. A job can be cancelled while it
/// runs, resumed once it has failed or was cancelled, and deleted once it is over; CSS
/// shows the forms by the job's `data-state`.
#[component]
pub fn JobActions(
    /// The id of the job.
    id: JobId,
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
        }
    });
    let delete = caller_may(Role::Admin).then(|| {
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
