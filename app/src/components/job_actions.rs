//! What can be done with a job.

use leptos::prelude::*;
use protocol::{JobId, Phase};

use super::icon::{AGAIN, Drawn, Icon, TRASH};
use crate::calls::{Cancel, Delete, Rerun};

/// Forms to cancel a job, to run it again, and to delete it once it is over.
#[component]
pub fn JobActions(
    /// Which.
    id: JobId,
    /// Where it is.
    phase: Memo<Phase>,
) -> impl IntoView {
    let cancel = ServerAction::<Cancel>::new();
    let rerun = ServerAction::<Rerun>::new();
    let delete = ServerAction::<Delete>::new();
    let is_over = Memo::new(move |_| phase.get().is_over());
    let refusal = move || {
        let refused = [cancel.value(), rerun.value(), delete.value()]
            .into_iter()
            .find_map(|value| value.get()?.err())?;
        Some(view! {
            <p class="field-problem" role="alert">
                {refused.to_string()}
            </p>
        })
    };
    view! {
        <div class="job-actions">
            <Show when=move || !is_over.get()>
                <ActionForm action=cancel>
                    <input type="hidden" name="id" value=id.to_string() />
                    <button type="submit" class="button" disabled=move || cancel.pending().get()>
                        <Drawn icon=Icon::of_phase(Phase::Cancelled) />
                        "Cancel"
                    </button>
                </ActionForm>
            </Show>
            <ActionForm action=rerun>
                <input type="hidden" name="id" value=id.to_string() />
                <button type="submit" class="button" disabled=move || rerun.pending().get()>
                    <Drawn icon=AGAIN />
                    "Run again"
                </button>
            </ActionForm>
            <Show when=move || is_over.get()>
                // Asks once more without a script: the question unfolds.
                <details class="confirm">
                    <summary class="button">
                        <Drawn icon=TRASH />
                        "Delete"
                    </summary>
                    <ActionForm action=delete>
                        <p>"Delete this job with its result? Its link will lead nowhere."</p>
                        <input type="hidden" name="id" value=id.to_string() />
                        <button
                            type="submit"
                            class="button danger"
                            disabled=move || delete.pending().get()
                        >
                            "Delete for good"
                        </button>
                    </ActionForm>
                </details>
            </Show>
            {refusal}
        </div>
    }
}
