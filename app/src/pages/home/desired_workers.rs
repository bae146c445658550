//! A control for how many workers are kept.

use leptos::prelude::*;
use protocol::worker::PoolSnapshot;

use crate::calls::SetDesiredWorkers;

/// A control for how many workers are asked for, where the pool heeds it.
#[component]
pub fn DesiredWorkers(
    /// The pool as it is.
    pool: PoolSnapshot,
) -> impl IntoView {
    let set = ServerAction::<SetDesiredWorkers>::new();
    let refusal = set.value().get_untracked().and_then(Result::err).map(|refusal| {
        view! {
            <p class="field-problem" role="alert">
                {refusal.to_string()}
            </p>
        }
    });
    let back = move || {
        view! {
            <ActionForm action=set>
                <input type="hidden" name="desired" value="auto" />
                <span class="hint">"set by hand"</span>
                <button type="submit" class="button small quiet">
                    "Let the jobs decide"
                </button>
            </ActionForm>
        }
    };
    let (back, follows) = match pool.by_hand {
        Some(_) => (Some(back()), None),
        None => (None, Some(view! { <span class="hint">"as many as the jobs ask for"</span> })),
    };
    (pool.kind != "external").then(|| {
        view! {
            <div class="desired">
                <ActionForm action=set>
                    <label for="desired">"Keep"</label>
                    <input
                        id="desired"
                        name="desired"
                        type="number"
                        min=pool.min_workers
                        max=pool.max_workers
                        value=pool.by_hand.unwrap_or(pool.desired)
                        required=true
                    />
                    <button type="submit" class="button small">
                        "Set workers"
                    </button>
                </ActionForm>
                {back}
                {follows}
                {refusal}
            </div>
        }
    })
}
