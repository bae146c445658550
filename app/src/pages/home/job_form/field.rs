//! A field of the form, with its label and what is wrong with it.

use leptos::prelude::*;
use protocol::Problem;

use crate::form::field_of;

/// A line of text to be typed, with its label, a hint, and what was wrong with
/// it if it was refused.
#[component]
pub fn Field(
    /// Its name in [`crate::form::JobForm`], and its id.
    name: &'static str,
    /// What it is called.
    label: &'static str,
    /// The letter that stands for it elsewhere.
    #[prop(optional)]
    symbol: Option<&'static str>,
    /// What may be typed.
    #[prop(optional)]
    hint: Option<&'static str>,
    /// What it is filled in with.
    value: String,
    /// Whether a phone should show its keys for numbers.
    #[prop(optional)]
    numeric: bool,
    /// Why the form was refused, if it was.
    refusal: Option<Problem>,
) -> impl IntoView {
    let problem = problem_of(name, refusal);
    let symbol = symbol.map(|symbol| view! { <span class="symbol">{symbol}</span> });
    let hint = hint.map(|hint| view! { <span class="hint">{hint}</span> });
    view! {
        <div class="field" data-field=name>
            <label for=name>{label} " " {symbol}</label>
            <input
                id=name
                name=format!("form[{name}]")
                value=value
                inputmode=numeric.then_some("numeric")
                autocomplete="off"
                spellcheck="false"
                aria-describedby=format!("{name}-note")
                aria-invalid=problem.is_some().then_some("true")
            />
            <div id=format!("{name}-note")>
                {problem}
                {hint}
            </div>
        </div>
    }
}

/// A choice between words, with its label.
#[component]
pub fn Choice(
    /// Its name in [`crate::form::JobForm`], and its id.
    name: &'static str,
    /// What it is called.
    label: &'static str,
    /// Which of the options is chosen.
    value: String,
    /// The values and what they are called.
    options: &'static [(&'static str, &'static str)],
    /// Why the form was refused, if it was.
    refusal: Option<Problem>,
) -> impl IntoView {
    let problem = problem_of(name, refusal);
    let options = options
        .iter()
        .map(|(option, words)| {
            view! {
                <option value=*option selected=*option == value>
                    {*words}
                </option>
            }
        })
        .collect_view();
    view! {
        <div class="field" data-field=name>
            <label for=name>{label}</label>
            <select id=name name=format!("form[{name}]")>
                {options}
            </select>
            {problem}
        </div>
    }
}

/// What is wrong with a field, beside it.
fn problem_of(name: &str, refusal: Option<Problem>) -> Option<impl IntoView> {
    let problem = refusal.filter(|problem| field_of(problem) == Some(name))?;
    Some(view! {
        <p class="field-problem" role="alert">
            {problem.detail} " " {problem.remedy}
        </p>
    })
}
