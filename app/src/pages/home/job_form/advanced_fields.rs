//! What most jobs leave as it is.

use leptos::prelude::*;
use protocol::Problem;

use super::field::{Choice, Field};
use crate::form::JobForm;

/// Speculation and statistics, behind a disclosure; open if a refusal is inside.
#[component]
pub fn AdvancedFields(
    /// What the fields are filled in with.
    form: JobForm,
    /// Why the form was refused, if it was.
    refusal: Option<Problem>,
) -> impl IntoView {
    let is_open = refusal
        .as_ref()
        .and_then(crate::form::field_of)
        .is_some_and(|field| matches!(field, "quantile" | "multiplier"));
    view! {
        <details class="advanced" open=is_open>
            <summary>"Advanced: stragglers and statistics"</summary>
            <div class="fields">
                <Choice
                    name="speculation"
                    label="A straggler’s task"
                    value=form.speculation
                    options=&[
                        ("resume", "is taken up where it stands"),
                        ("original", "is begun again (original rule)"),
                        ("off", "is waited for"),
                    ]
                    refusal=refusal.clone()
                />
                <Field
                    name="quantile"
                    label="Level complete"
                    hint="Part that must be, 0 to 1"
                    value=form.quantile
                    refusal=refusal.clone()
                />
                <Field
                    name="multiplier"
                    label="Times the average"
                    hint="A straggler has run for"
                    value=form.multiplier
                    refusal=refusal.clone()
                />
            </div>
            <fieldset class="statistics">
                <legend>"Beside the mean, compute"</legend>
                <Statistic name="sum" label="sum" value=form.sum />
                <Statistic name="min" label="minimum" value=form.min />
                <Statistic name="max" label="maximum" value=form.max />
                <Statistic name="variance" label="variance" value=form.variance />
                <Statistic name="std" label="standard deviation" value=form.std />
            </fieldset>
        </details>
    }
}

#[component]
fn Statistic(name: &'static str, label: &'static str, value: String) -> impl IntoView {
    view! {
        <label class="check">
            <input
                type="checkbox"
                name=format!("form[{name}]")
                value="on"
                checked=!value.is_empty()
            />
            <span>{label}</span>
        </label>
    }
}
