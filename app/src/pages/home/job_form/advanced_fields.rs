//! Settings that most jobs leave at their defaults.

use leptos::prelude::*;
use protocol::Problem;
use protocol::request::{Choice, STATISTICS, Statistic};

use super::field::Fields;
use crate::form::fields::{Section, section_of, statistic_key};
use crate::form::{JobForm, field_of};

/// The settings of speculation, the statistics, and how values are read, collapsed
/// unless one of them is invalid.
#[component]
pub fn AdvancedFields(
    /// The texts of the fields.
    form: JobForm,
    /// The error of a rejected form.
    problem: Option<Problem>,
) -> impl IntoView {
    let rejected_section = problem.as_ref().and_then(field_of).and_then(section_of);
    let is_open = matches!(rejected_section, Some(Section::Advanced | Section::Values));
    let statistics = Statistic::ALL
        .iter()
        .map(|statistic| {
            let checked = form.wants(*statistic);
            view! { <Checkbox statistic=*statistic checked /> }
        })
        .collect_view();
    view! {
        <details class="advanced" open=is_open>
            <summary>"Advanced: speculation and statistics"</summary>
            <div class="fields">
                <Fields section=Section::Advanced form=form.clone() problem=problem.clone() />
            </div>
            <fieldset class="statistics">
                <legend>{STATISTICS.title}</legend>
                {statistics}
            </fieldset>
            <div class="fields">
                <Fields section=Section::Values form problem />
            </div>
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
