//! Settings that most jobs leave at their defaults.

use leptos::prelude::*;
use protocol::Problem;
use protocol::request::{Choice, STATISTICS, Statistic};

use super::field::Fields;
use crate::form::fields::{Section, section_of, statistic_key};
use crate::form::{JobForm, field_of};

/// The priority, the settings of speculation, and how values are read, collapsed unless one of them is
/// invalid.
#[component]
pub fn AdvancedFields(
    /// The texts of the fields.
    form: JobForm,
    /// The errors of a rejected form.
    problems: Vec<Problem>,
) -> impl IntoView {
    let mut sections = problems.iter().filter_map(field_of).filter_map(section_of);
    let is_open = sections.any(|section| matches!(section, Section::Advanced | Section::Values));
    view! {
        <details class="advanced" open=is_open>
            <summary>"Advanced: priority, stragglers, tables and formats"</summary>
            <div class="fields">
                <Fields section=Section::Advanced form=form.clone() problems=problems.clone() />
            </div>
            <div class="fields">
                <Fields section=Section::Values form problems />
            </div>
        </details>
    }
}

/// The statistics that can be computed beside the mean.
#[component]
pub fn StatisticFields(
    /// The texts of the fields.
    form: JobForm,
) -> impl IntoView {
    let statistics = Statistic::ALL
        .iter()
        .map(|statistic| {
            let checked = form.wants(*statistic);
            view! { <Checkbox statistic=*statistic checked /> }
        })
        .collect_view();
    view! {
        <fieldset class="statistics">
            <legend>{STATISTICS.title}</legend>
            {statistics}
        </fieldset>
    }
}

#[component]
fn Checkbox(statistic: Statistic, checked: bool) -> impl IntoView {
    view! {
        <label class="check">
            <input
                type="checkbox"
                name=format!("form[{}]", statistic_key(statistic))
                value="on"
                checked=checked
            />
            <span>
                {statistic.title()} " "
                <span class="hint">{statistic.described().description}</span>
            </span>
        </label>
    }
}
