//! A control for the desired number of workers.

use leptos::prelude::*;
use protocol::worker::PoolSnapshot;

use crate::calls::{DESIRED, SetDesiredWorkers};
use crate::notices;

/// A control for the desired number of workers. Hidden if the pool is external, as
/// the server cannot scale it.
#[component]
pub fn DesiredWorkers(
    /// The state of the pool.
    pool: PoolSnapshot,
) -> impl IntoView {
    let set = ServerAction::<SetDesiredWorkers>::new();
    let refused = notices::shown().filter(|problem| problem.field.as_deref() == Some(DESIRED));
    let error = refused.map(|problem| {
        view! {
            <p class="field-problem" role="alert">
                {problem.to_string()}
            </p>
        }
    });
    (pool.kind != "external").then(|| {
        view! {
            <div class="desired">
                <ActionForm action=set>
                    <label for="desired">"Desired workers"</label>
                    <input
                        id=DESIRED
                        name=DESIRED
                        type="number"
                        min=pool.min_workers
                        max=pool.max_workers
                        value=pool.by_hand.unwrap_or(pool.desired)
                        required=true
                    />
                    <button type="submit" class="button small">
                        "Set"
                    </button>
                </ActionForm>
                // The panel around it is live, and shows the one that is so.
                <div class="when-by-hand">
                    <ActionForm action=set>
                        <input type="hidden" name="desired" value="auto" />
                        <span class="hint">"Set manually"</span>
                        <button type="submit" class="button small quiet">
                            "Set to automatic"
                        </button>
                    </ActionForm>
                </div>
                <span class="hint when-automatic">"Automatic"</span>
                {error}
            </div>
        }
    })
}
