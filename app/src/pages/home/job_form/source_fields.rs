//! Where the numbers of a new job come from.

use leptos::prelude::*;
use protocol::Problem;

use super::field::Fields;
use crate::form::JobForm;
use crate::form::fields::{FROM_GENERATE, FROM_PREFIX, SOURCE, Section};

/// Where the numbers come from: generated data, or files of the store. Which
/// fields are shown follows from the choice by CSS alone.
#[component]
pub fn SourceFields(
    /// What the fields are filled in with.
    form: JobForm,
    /// Why the form was refused, if it was.
    refusal: Option<Problem>,
) -> impl IntoView {
    let is_prefix = form.is_from_prefix();
    let source = |value: &'static str, title: &'static str, checked: bool| {
        view! {
            <label>
                <input
                    type="radio"
                    name=format!("form[{}]", SOURCE.key())
                    value=value
                    checked=checked
                />
                <span>{title}</span>
            </label>
        }
    };
    view! {
        <fieldset class="source">
            <legend class="visually-hidden">{SOURCE.title}</legend>
            {source(FROM_GENERATE, "Generated data", !is_prefix)}
            {source(FROM_PREFIX, "Files in the store", is_prefix)}
        </fieldset>
        <div class="fields source-generate">
            <Fields section=Section::Generate form=form.clone() refusal=refusal.clone() />
        </div>
        <div class="fields source-prefix">
            <Fields section=Section::Prefix form refusal />
        </div>
    }
}
