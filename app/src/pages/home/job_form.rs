//! The form of a new job.

pub mod advanced_fields;
pub mod field;
pub mod form_snippets;
pub mod source_fields;

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use protocol::Problem;

use self::advanced_fields::{AdvancedFields, StatisticFields};
use self::field::Fields;
use self::form_snippets::FormSnippets;
use self::source_fields::SourceFields;
use super::plan_line::PlanLine;
use crate::calls::{DESIRED, Submit};
use crate::components::problem_card::ProblemCard;
use crate::form::fields::{Section, section_of};
use crate::form::{JobForm, PLAN_WORD, field_of};
use crate::islands::plan::FollowedPlan;
use crate::notices;

/// The form of a new job. If it was refused, the query of the page contains what was
/// typed, and names the message.
#[component]
pub fn JobFormCard() -> impl IntoView {
    let submit = ServerAction::<Submit>::new();
    let form = use_query_map().with_untracked(JobForm::from_query);
    let problem = notices::shown().filter(|problem| problem.field.as_deref() != Some(DESIRED));
    let problems = all_problems(&form, problem.as_ref());
    // Looking for stored files may take longer than the page.
    let at_first = if form.is_from_prefix() { JobForm::default() } else { form.clone() };
    // Errors that belong to no field.
    let general_error = problem
        .clone()
        .filter(|problem| !has_field(problem))
        .map(|problem| view! { <ProblemCard problem=Some(problem) /> });
    view! {
        <section class="card new-job" id="new-job" aria-labelledby="new-job-heading">
            <header class="card-header">
                <h2 id="new-job-heading">"New job"</h2>
            </header>
            <ActionForm action=submit>
                {general_error}
                <SourceFields form=form.clone() problems=problems.clone() />
                <div class="fields not-demo">
                    <Fields section=Section::Job form=form.clone() problems=problems.clone() />
                </div>
                <div class="not-demo">
                    <StatisticFields form=form.clone() />
                    <AdvancedFields form=form.clone() problems />
                    <FollowedPlan>
                        <PlanLine form=at_first />
                    </FollowedPlan>
                </div>
                <div class="buttons">
                    <button type="submit" class="button primary">
                        "Start job"
                    </button>
                    <button
                        type="submit"
                        class="button"
                        formmethod="get"
                        formaction="/#plan"
                        name=PLAN_WORD
                        value="shown"
                    >
                        "Show plan"
                    </button>
                </div>
                <FormSnippets form />
            </ActionForm>
        </section>
    }
}

/// Whether a field of the form shows the error.
fn has_field(problem: &Problem) -> bool {
    field_of(problem).and_then(section_of).is_some()
}

/// All errors of a form that was refused: that for which it was, and those of its other
/// fields.
fn all_problems(form: &JobForm, refused: Option<&Problem>) -> Vec<Problem> {
    let Some(refused) = refused else {
        return Vec::new();
    };
    let others = form.problems().into_iter().filter(|problem| problem.field != refused.field);
    std::iter::once(refused.clone()).chain(others).collect()
}
