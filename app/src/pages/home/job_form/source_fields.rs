//! Where the numbers of a new job come from.

use leptos::prelude::*;
use protocol::Problem;

use super::field::{Choice, Field};
use crate::form::JobForm;

/// Where the numbers come from: generated data, or files of the store. Which
/// fields are shown follows from the choice by CSS alone.
#[component]
pub fn SourceFields(
    /// What the fields are filled in with.
    form: JobForm,
    /// Why the form was refused, if it was.
    refusal: Option<Problem>,
) -> impl IntoView {
    let is_prefix = form.source == "prefix";
    view! {
        <fieldset class="source">
            <legend class="visually-hidden">"Where the numbers come from"</legend>
            <label>
                <input type="radio" name="form[source]" value="generate" checked=!is_prefix />
                <span>"Generated data"</span>
            </label>
            <label>
                <input type="radio" name="form[source]" value="prefix" checked=is_prefix />
                <span>"Files in the store"</span>
            </label>
        </fieldset>
        <div class="fields source-generate">
            <Field
                name="files"
                label="Files"
                symbol="F"
                value=form.files
                numeric=true
                refusal=refusal.clone()
            />
            <Field
                name="count"
                label="Numbers in each"
                symbol="C"
                value=form.count
                numeric=true
                refusal=refusal.clone()
            />
            <Choice
                name="format"
                label="Format"
                value=form.format
                options=&[("csv", "text (.csv)"), ("npy", "NumPy (.npy)")]
                refusal=refusal.clone()
            />
            <Field name="seed" label="Seed" value=form.seed numeric=true refusal=refusal.clone() />
        </div>
        <div class="fields source-prefix">
            <Field
                name="prefix"
                label="Prefix"
                hint="A folder of the store, or s3://bucket/prefix; text, .npy, gzip or zstd"
                value=form.prefix
                refusal=refusal.clone()
            />
            <Choice
                name="raw"
                label="Read as"
                value=form.raw
                options=&[
                    ("", "what the content says"),
                    ("f64", "bare 8-byte numbers"),
                    ("f32", "bare 4-byte numbers"),
                ]
                refusal=refusal.clone()
            />
        </div>
    }
}
