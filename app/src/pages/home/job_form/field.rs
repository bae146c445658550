//! Fields of the form, each with its label and what is wrong with it.

use leptos::prelude::*;
use protocol::Problem;

use crate::form::fields::{FIELDS, FormField, Input, Section};
use crate::form::{JobForm, field_of};

/// The fields of one section of the form.
#[component]
pub fn Fields(
    /// The section.
    section: Section,
    /// What the fields are filled in with.
    form: JobForm,
    /// Why the form was refused, if it was.
    refusal: Option<Problem>,
) -> impl IntoView {
    FIELDS
        .into_iter()
        .filter(|row| row.section == section)
        .map(|row| {
            let value = form.typed(&row.field).to_owned();
            view! { <Labelled row value refusal=refusal.clone() /> }
        })
        .collect_view()
}

/// One field, with its label, a hint, and what was wrong with it if it was refused.
#[component]
fn Labelled(row: FormField, value: String, refusal: Option<Problem>) -> impl IntoView {
    let field = row.field;
    let key = field.key();
    let problem = problem_of(key, refusal);
    let is_refused = problem.is_some();
    let symbol = field.symbol.map(|symbol| view! { <span class="symbol">{symbol}</span> });
    let hint = (!field.hint.is_empty()).then(|| view! { <span class="hint">{field.hint}</span> });
    let input = match row.input {
        Input::Text => line(key, value, None, is_refused).into_any(),
        Input::Digits => line(key, value, Some("numeric"), is_refused).into_any(),
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

/// A line of text to be typed.
fn line(
    key: &'static str,
    value: String,
    keys: Option<&'static str>,
    is_refused: bool,
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
            aria-invalid=is_refused.then_some("true")
        />
    }
}

/// A choice between words.
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

/// What is wrong with a field, beside it.
fn problem_of(key: &str, refusal: Option<Problem>) -> Option<impl IntoView> {
    let problem = refusal.filter(|problem| field_of(problem) == Some(key))?;
    Some(view! {
        <p class="field-problem" role="alert">
            {problem.detail} " " {problem.remedy}
        </p>
    })
}
