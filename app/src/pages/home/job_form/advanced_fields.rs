//! What most jobs leave as it is.

use leptos::prelude::*;
use protocol::Problem;
use protocol::request::{Choice, STATISTICS, Statistic};

use super::field::Fields;
use crate::form::fields::{Section, section_of, statistic_key};
use crate::form::{JobForm, field_of};

/// Speculation and statistics, behind a disclosure; open if a refusal is inside.
#[component]
pub fn AdvancedFields(
    /// What the fields are filled in with.
    form: JobForm,
    /// Why the form was refused, if it was.
    refusal: Option<Problem>,
) -> impl IntoView {
    let refused_section = refusal.as_ref().and_then(field_of).and_then(section_of);
    let is_open = refused_section == Some(Section::Advanced);
    let statistics = Statistic::ALL
        .iter()
        .map(|statistic| {
            let checked = form.wants(*statistic);
            view! { <Checkbox statistic=*statistic checked /> }
        })
        .collect_view();
    view! {
        <details class="advanced" open=is_open>
            <summary>"Advanced: stragglers and statistics"</summary>
            <div class="fields">
                <Fields section=Section::Advanced form refusal />
            </div>
            <fieldset class="statistics">
                <legend>{STATISTICS.title}</legend>
                {statistics}
            </fieldset>
        </details>
    }
}

#[component]
fn Checkbox(statistic: Statistic, checked: bool) -> impl IntoView {
    view! {
        <label class="check" title=statistic.described().description>
            <input
                type="checkbox"
                name=format!("form[{}]", statistic_key(statistic))
                value="on"
                checked=checked
            />
            <span>{statistic.title()}</span>
        </label>
    }
}
