//! Fields of the form, each with its label and its error.

use leptos::prelude::*;
use protocol::Problem;

use crate::form::fields::{FIELDS, FormField, Input, Section};
use crate::form::{JobForm, field_of};

/// The fields of one section of the form.
#[component]
pub fn Fields(
    /// The section.
    section: Section,
    /// The texts of the fields.
    form: JobForm,
    /// The error of a rejected form.
    problem: Option<Problem>,
) -> impl IntoView {
    FIELDS
        .into_iter()
        .filter(|row| row.section == section)
        .map(|row| {
            let value = form.typed(&row.field).to_owned();
            view! { <Labelled row value problem=problem.clone() /> }
        })
        .collect_view()
}

/// One field with its label, its hint, and its error if it was rejected.
#[component]
fn Labelled(row: FormField, value: String, problem: Option<Problem>) -> impl IntoView {
    let field = row.field;
    let key = field.key();
    let problem = problem_of(key, problem);
    let is_invalid = problem.is_some();
    let symbol = field.symbol.map(|symbol| view! { <span class="symbol">{symbol}</span> });
    let hint = (!field.hint.is_empty()).then(|| view! { <span class="hint">{field.hint}</span> });
    let input = match row.input {
        Input::Text => line(key, value, None, is_invalid).into_any(),
        Input::Digits => line(key, value, Some("numeric"), is_invalid).into_any(),
        Input::Choice(options) => choice(key, &value, options()).into_any(),
    };
    view! {
        <div class="field" data-field=key>
            <label for=key>{field.title} " " {symbol}</label>
            {input}
            <div id=format!("{key}-note")>
                {problem}
                {hint}
            </div>
        </div>
    }
}

/// A text input.
fn line(
    key: &'static str,
    value: String,
    keys: Option<&'static str>,
    is_invalid: bool,
) -> impl IntoView {
    view! {
        <input
            id=key
            name=format!("form[{key}]")
            value=value
            inputmode=keys
            autocomplete="off"
            spellcheck="false"
            aria-describedby=format!("{key}-note")
            aria-invalid=is_invalid.then_some("true")
        />
    }
}

/// A select input.
fn choice(
    key: &'static str,
    value: &str,
    options: Vec<(&'static str, &'static str)>,
) -> impl IntoView {
    let options = options
        .into_iter()
        .map(|(option, title)| {
            view! {
                <option value=option selected=option == value>
                    {title}
                </option>
            }
        })
        .collect_view();
    view! {
        <select id=key name=format!("form[{key}]") aria-describedby=format!("{key}-note")>
            {options}
        </select>
    }
}

/// The error of a field, shown next to it.
fn problem_of(key: &str, problem: Option<Problem>) -> Option<impl IntoView> {
    let problem = problem.filter(|problem| field_of(problem) == Some(key))?;
    Some(view! {
        <p class="field-problem" role="alert">
            {problem.detail} " " {problem.remedy}
        </p>
    })
}
