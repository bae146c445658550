//! What can be done with a job.

use leptos::prelude::*;
use protocol::{JobId, Phase};

use crate::calls::{Cancel, Delete, Rerun};
use crate::components::icon::{AGAIN, Drawn, Icon, TRASH};

/// Forms to cancel a job while it is under way, to run it again, and to delete
/// it once it is over. Which are shown follows from the job's `data-state` by
/// CSS alone.
#[component]
pub fn JobActions(
    /// Which.
    id: JobId,
) -> impl IntoView {
    let cancel = ServerAction::<Cancel>::new();
    let rerun = ServerAction::<Rerun>::new();
    let delete = ServerAction::<Delete>::new();
    let refusal = [cancel.value(), rerun.value(), delete.value()]
        .into_iter()
        .find_map(|value| value.get_untracked()?.err())
        .map(|refusal| {
            view! {
                <p class="field-problem" role="alert">
                    {refusal.to_string()}
                </p>
            }
        });
    view! {
        <div class="job-actions">
            <div class="while-under-way">
                <ActionForm action=cancel>
                    <input type="hidden" name="id" value=id.to_string() />
                    <button type="submit" class="button">
                        <Drawn icon=Icon::of_phase(Phase::Cancelled) />
                        "Cancel"
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
            // Asks once more without a script: the question unfolds.
            <details class="confirm once-over">
                <summary class="button">
                    <Drawn icon=TRASH />
                    "Delete"
                </summary>
                <ActionForm action=delete>
                    <p>"Delete this job with its result? Its link will lead nowhere."</p>
                    <input type="hidden" name="id" value=id.to_string() />
                    <button type="submit" class="button danger">
                        "Delete for good"
                    </button>
                </ActionForm>
            </details>
            {refusal}
        </div>
    }
}
