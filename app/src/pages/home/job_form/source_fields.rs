//! The inputs of a new job.

use leptos::prelude::*;
use protocol::{Problem, Role};

use super::field::Fields;
use crate::backend::{caller_may, now};
use crate::form::JobForm;
use crate::form::fields::{DEMO, FROM_GENERATE, FROM_PREFIX, SOURCE, Section};
use crate::islands::uploads::UploadZone;

/// The inputs of a new job: the demonstration, generated data, or files in the store. CSS shows the
/// fields of the selected source.
#[component]
pub fn SourceFields(
    /// The texts of the fields.
    form: JobForm,
    /// The errors of a rejected form.
    problems: Vec<Problem>,
) -> impl IntoView {
    let (is_prefix, is_demo) = (form.is_from_prefix(), form.is_demo());
    let folder = form.upload_folder(now());
    let browse = match caller_may(Role::Admin) {
        true => "Browse the store, upload and delete files",
        false => "Browse the store, and upload files",
    };
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
            {source(DEMO, "Demo", is_demo)}
            {source(FROM_GENERATE, "Generated data", !is_prefix && !is_demo)}
            {source(FROM_PREFIX, "Your files", is_prefix)}
        </fieldset>
        <p class="source-demo hint">
            "30 generated files and 3 workers, one of which has a straggling task. "
            "Paced on purpose, for the demonstration: it takes about 7 seconds."
            <span class="needs-script">
                " For your own data, drop files or a folder anywhere on this page."
            </span>
        </p>
        <div class="fields source-generate">
            <Fields section=Section::Generate form=form.clone() problems=problems.clone() />
        </div>
        <div class="fields source-prefix">
            <div class="fields-note">
                <UploadZone folder />
            </div>
            <Fields section=Section::Prefix form problems />
            <p class="fields-note hint">
                <a href="/files">{browse}</a>
            </p>
        </div>
    }
}
