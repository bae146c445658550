//! A labelled value.

use leptos::prelude::*;

/// A labelled value, as a row of a description list.
#[component]
pub fn Figure(
    /// The label.
    label: &'static str,
    /// The value, with its unit.
    value: Signal<String>,
    /// What it means, below the label.
    #[prop(optional)]
    hint: &'static str,
) -> impl IntoView {
    // Zeros tell nothing that the other figures do not. A space before the unit begins with
    // the byte c2.
    let is_zero = Signal::derive(move || {
        value.with(|value| matches!(value.as_bytes(), [b'0'] | [b'0', 0xc2, ..]))
    });
    view! {
        <div class="figure" hidden=is_zero>
            <dt>
                {label} <span class="hint">{hint}</span>
            </dt>
            <dd>{value}</dd>
        </div>
    }
}
