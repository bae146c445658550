//! The form of a new job.

pub mod advanced_fields;
pub mod field;
pub mod source_fields;

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use protocol::Problem;

use self::advanced_fields::AdvancedFields;
use self::field::Field;
use self::source_fields::SourceFields;
use super::problem_card::ProblemCard;
use crate::calls::Submit;
use crate::form::{JobForm, field_of};

/// The form of a new job. Without JavaScript it posts, and a refusal comes back
/// in the query of the page; with it, the refusal comes back alone.
#[component]
pub fn JobFormCard() -> impl IntoView {
    let submit = ServerAction::<Submit>::new();
    let (form, refused_before) = use_query_map().with_untracked(JobForm::from_query);
    let refusal = Signal::derive(move || match submit.value().get() {
        Some(Ok(())) => None,
        Some(Err(refusal)) => Some(refusal.0),
        None => refused_before.clone(),
    });
    let elsewhere = move || {
        let problem = refusal.get().filter(|problem| !is_beside_a_field(problem))?;
        Some(view! { <ProblemCard problem /> })
    };
    let pending = submit.pending();
    view! {
        <section class="card new-job" id="new-job" aria-labelledby="new-job-heading">
            <header class="card-header">
                <h2 id="new-job-heading">"New job"</h2>
            </header>
            <ActionForm action=submit>
                {elsewhere}
                <SourceFields form=form.clone() refusal />
                <div class="fields">
                    <Field
                        name="workers"
                        label="Workers"
                        symbol="W"
                        hint="The most tasks at once"
                        value=form.workers.clone()
                        numeric=true
                        refusal
                    />
                    <Field
                        name="fan_in"
                        label="Fan-in"
                        symbol="P"
                        hint="Files a task sums; or auto"
                        value=form.fan_in.clone()
                        refusal
                    />
                    <Field
                        name="name"
                        label="Name"
                        hint="To recognise it by; optional"
                        value=form.name.clone()
                        refusal
                    />
                </div>
                <AdvancedFields form refusal />
                <button type="submit" class="button primary" disabled=move || pending.get()>
                    {move || if pending.get() { "Starting…" } else { "Start job" }}
                </button>
            </ActionForm>
        </section>
    }
}

/// Whether a problem lies in a field that shows it.
fn is_beside_a_field(problem: &Problem) -> bool {
    const FIELDS: [&str; 10] = [
        "files",
        "count",
        "seed",
        "prefix",
        "workers",
        "fan_in",
        "name",
        "quantile",
        "multiplier",
        "raw",
    ];
    field_of(problem).is_some_and(|field| FIELDS.contains(&field))
}
