//! The plan of the job in the form as one line, which follows what is typed.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use protocol::{Problem, Role};

use crate::backend::caller_may;
use crate::calls;
use crate::components::plan_figures::{Planned, estimated};
use crate::form::JobForm;
use crate::format::{bytes, count, plural};

/// The line, as a page of its own: the form has it rendered for what is typed.
#[component]
pub fn PlanPage() -> impl IntoView {
    let form = use_query_map().with_untracked(JobForm::from_query);
    view! {
        <h1>"Plan"</h1>
        <PlanLine form />
    }
}

/// The line for a form; empty where the caller may not submit it. Of the demonstration the form
/// tells enough.
#[component]
pub fn PlanLine(
    /// The form.
    form: JobForm,
) -> impl IntoView {
    let is_shown = !form.is_demo() && caller_may(Role::Submit);
    let planned = Resource::new(
        || (),
        move |()| {
            let form = form.clone();
            async move {
                match is_shown {
                    true => Some(calls::preview(form).await),
                    false => None,
                }
            }
        },
    );
    view! {
        <Suspense>
            {move || Suspend::new(async move {
                let words = planned.await.map(|planned| match planned {
                    Ok(planned) => in_words(&planned),
                    Err(calls::CallError(Problem { detail, .. })) => detail,
                });
                view! {
                    <p class="plan-line hint" data-part="plan">
                        {words}
                    </p>
                }
            })}
        </Suspense>
    }
}

/// A plan in a line: `20 files × 64 × 64, 5 tasks in 2 levels, about 20 ms, 2.00 MB a worker`.
fn in_words(planned: &Planned) -> String {
    let Some(plan) = &planned.plan else {
        return String::new();
    };
    let inputs = &planned.inputs;
    let shape = inputs.shape.clone().unwrap_or_else(|| inputs.columns.into_iter().collect());
    let sides: String = shape.into_iter().map(|side| format!(" × {}", count(side))).collect();
    format!(
        "{}{sides}, {} in {}, {}, {} a worker",
        plural(plan.objects, "file", "files"),
        plural(plan.tasks(), "task", "tasks"),
        plural(plan.levels.len() as u64, "level", "levels"),
        estimated(&plan.estimate),
        bytes(plan.estimate.worker_memory_bytes)
    )
}

#[cfg(test)]
mod tests {
    use protocol::job::InputSummary;
    use protocol::plan::Estimate;
    use protocol::request::Speculation;
    use protocol::{Plan, PlanLevel};

    use super::*;

    #[test]
    fn a_plan_is_told_in_a_line() {
        let level = |nodes| PlanLevel { nodes, ranges: 1, range_segments: 1, fan_in: 5 };
        let plan = Plan {
            objects: 20,
            columns: Some(4096),
            fan_in: 5,
            segment_columns: 4096,
            partial_column_bytes: 16,
            levels: vec![level(4), level(1)],
            estimate: Estimate {
                worker_memory_bytes: 2_000_000,
                duration_ms: Some(20),
                learned_factor: Some(1.0),
                ..Estimate::default()
            },
        };
        let inputs = InputSummary { shape: Some(vec![64, 64]), ..InputSummary::default() };
        let mut planned =
            Planned { workers: 2, inputs, plan: Some(plan), speculation: Speculation::default() };
        let words = |planned: &Planned| in_words(planned).replace('\u{a0}', " ");
        assert_eq!(
            words(&planned),
            "20 files × 64 × 64, 5 tasks in 2 levels, about 20 ms, 2.00 MB a worker"
        );
        planned.inputs = InputSummary { columns: Some(7), ..InputSummary::default() };
        assert!(words(&planned).starts_with("20 files × 7, "));
        // Of text C is not known before it is read.
        planned.inputs = InputSummary::default();
        assert!(words(&planned).starts_with("20 files, 5 tasks"));
    }
}
