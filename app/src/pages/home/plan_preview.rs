//! The plan of a job before it runs.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use crate::calls;
use crate::components::plan_figures::PlanFigures;
use crate::components::problem_card::ProblemCard;
use crate::form::{JobForm, PLAN_WORD};
use crate::pages::tensor_list::{TensorList, parts_of};

/// The plan of the job in the form, if the query requests it.
#[component]
pub fn PlanPreview() -> impl IntoView {
    let query = use_query_map();
    let requested =
        move || query.with(|query| query.get(PLAN_WORD).map(|_| JobForm::from_query(query)));
    let preview = Resource::new(requested, async |form| match form {
        Some(form) => Some(calls::preview(form).await),
        None => None,
    });
    view! {
        <Suspense>
            {move || Suspend::new(async move {
                let form = requested();
                preview
                    .await
                    .map(|preview| {
                        let shown = match preview {
                            Ok(planned) => {
                                let tensors = parts_of(&planned.inputs)
                                    .map(|(kind, tensors)| {
                                        view! { <TensorList kind tensors form /> }
                                    });
                                view! {
                                    <PlanFigures planned=Signal::stored(
                                        planned,
                                    )>{tensors}</PlanFigures>
                                }
                                    .into_any()
                            }
                            Err(error) => {
                                view! { <ProblemCard problem=Some(error.0) /> }.into_any()
                            }
                        };
                        view! {
                            <div class="plan-preview" id="plan">
                                {shown}
                            </div>
                        }
                    })
            })}
        </Suspense>
    }
}
