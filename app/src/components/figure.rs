//! A labelled value.

use leptos::prelude::*;

/// A labelled value, as a row of a description list.
#[component]
pub fn Figure(
    /// The label.
    label: &'static str,
    /// The value, with its unit.
    value: Signal<String>,
    /// The tooltip of the label.
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
