//! Fields of the form, each with its label and its error.

use leptos::prelude::*;
use protocol::Problem;
use protocol::request::{Field, WORKERS};

use crate::backend::backend;
use crate::form::fields::{FIELDS, FormField, Input, Section};
use crate::form::{JobForm, field_of};

/// The fields of one section of the form.
#[component]
pub fn Fields(
    /// The section.
    section: Section,
    /// The texts of the fields.
    form: JobForm,
    /// The errors of a rejected form.
    problems: Vec<Problem>,
) -> impl IntoView {
    FIELDS
        .into_iter()
        .filter(|row| row.section == section)
        .map(|row| {
            let value = form.typed(&row.field).to_owned();
            let problem = problems.iter().find(|it| field_of(it) == Some(row.field.key()));
            view! { <Labelled row value problem=problem.cloned() /> }
        })
        .collect_view()
}

/// One field with its label, its hint, and its error if it was rejected.
#[component]
fn Labelled(row: FormField, value: String, problem: Option<Problem>) -> impl IntoView {
    let field = row.field;
    let key = field.key();
    let problem = problem.map(shown_problem);
    let is_invalid = problem.is_some();
    let symbol = field.symbol.map(|symbol| view! { <span class="symbol">{symbol}</span> });
    let hint = hint_of(&field).map(|hint| view! { <span class="hint">{hint}</span> });
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

/// The hint of a field, with the limits of this server.
fn hint_of(field: &Field) -> Option<String> {
    let hint = field.hint.to_owned();
    if field.key() == WORKERS.field.key() {
        return Some(format!("{hint}, at most {} here", backend().workers_max()));
    }
    (!hint.is_empty()).then_some(hint)
}

/// A text input. Without `autocomplete="off"`, with which browsers forget on Back what was
/// typed.
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

/// The error of a field, shown next to it. Its sentences begin with capitals here.
fn shown_problem(problem: Problem) -> impl IntoView {
    let words = format!("{}. {}", problem.detail.trim_end_matches('.'), capital(&problem.remedy));
    view! {
        <p class="field-problem" role="alert">
            {capital(&words)}
        </p>
    }
}

/// A text that begins with a capital.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_begin_with_capitals() {
        assert_eq!(capital("files must be whole"), "Files must be whole");
        assert_eq!(capital(""), "");
        assert_eq!(capital("\u{e9}t\u{e9}"), "\u{c9}t\u{e9}");
    }
}
