//! A number and what it says.

use leptos::prelude::*;

/// A number and what it says, as a line of a description list.
#[component]
pub fn Figure(
    /// What it says.
    label: &'static str,
    /// The number, with its unit.
    value: Signal<String>,
    /// What it means, where the label is not enough.
    #[prop(optional)]
    hint: Option<&'static str>,
) -> impl IntoView {
    view! {
        <div class="figure">
            <dt title=hint>{label}</dt>
            <dd>{value}</dd>
        </div>
    }
}
