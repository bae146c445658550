//! The plan of a job.

use leptos::prelude::*;
use protocol::job::InputSummary;
use protocol::request::{Choice, Speculation};
use protocol::{JobSnapshot, Plan, Preview};
use serde::{Deserialize, Serialize};

use super::figure::Figure;
use crate::format::{bytes, count, duration};

/// What a plan is shown with, of a job or of one that is only filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// W.
    pub workers: u32,
    /// What has been found out about the inputs.
    pub inputs: InputSummary,
    /// The plan, once there is one.
    pub plan: Option<Plan>,
    /// What happens to stragglers.
    pub speculation: Speculation,
}

impl Planned {
    /// Of a job.
    #[must_use]
    pub fn of_job(job: &JobSnapshot) -> Planned {
        Planned {
            workers: job.workers,
            inputs: job.inputs.clone(),
            plan: job.plan.clone(),
            speculation: job.request.speculation,
        }
    }

    /// Of one that is only filled in.
    #[must_use]
    pub fn of_preview(preview: Preview, speculation: Speculation) -> Planned {
        let Preview { workers, inputs, plan } = preview;
        Planned { workers, inputs, plan: Some(plan), speculation }
    }
}

/// The plan of a job and what it is expected to cost.
#[component]
pub fn PlanFigures(
    /// The plan, and what belongs to it.
    planned: Signal<Planned>,
) -> impl IntoView {
    let of_job = move |figure: fn(&Planned) -> String| Signal::derive(move || planned.with(figure));
    let of_plan = move |figure: fn(&Plan) -> String| {
        Signal::derive(move || {
            planned.with(|planned| planned.plan.as_ref().map_or_else(unknown, figure))
        })
    };
    view! {
        <section class="card" aria-labelledby="plan-heading">
            <header class="card-header">
                <h2 id="plan-heading">"Plan"</h2>
            </header>
            <dl class="figures">
                <Figure label="Files (F)" value=of_job(files) />
                <Figure label="Numbers in each (C)" value=of_job(columns) />
                <Figure label="Format" value=of_job(format_words) />
                <Figure label="Workers (W)" value=of_job(|planned| count(planned.workers.into())) />
                <Figure label="Fan-in (P)" value=of_plan(|plan| plan.fan_in.to_string()) />
                <Figure
                    label="Levels, tasks"
                    value=of_plan(|plan| format!("{}, {}", plan.levels.len(), count(plan.tasks())))
                />
                <Figure
                    label="Columns in a segment"
                    hint="Segments are what survives a lost worker"
                    value=of_plan(|plan| count(plan.segment_columns))
                />
                <Figure label="Stragglers" value=of_job(speculation) />
                <Figure
                    label="Memory bound for a worker"
                    value=of_plan(|plan| bytes(plan.estimate.worker_memory_bytes))
                />
                <Figure
                    label="Expected to read and write"
                    value=of_plan(|plan| {
                        let estimate = plan.estimate;
                        let read = estimate.input_bytes + estimate.partial_read_bytes;
                        format!("{}, {}", bytes(read), bytes(estimate.written_bytes))
                    })
                />
                <Figure
                    label="Expected to take"
                    value=of_plan(|plan| plan.estimate.duration_ms.map_or_else(unknown, duration))
                />
            </dl>
        </section>
    }
}

fn unknown() -> String {
    "not known".to_owned()
}

fn files(planned: &Planned) -> String {
    let objects = planned.plan.as_ref().map(|plan| plan.objects);
    planned.inputs.objects.or(objects).map_or_else(unknown, count)
}

fn columns(planned: &Planned) -> String {
    let shape = planned.inputs.shape.as_ref().filter(|shape| shape.len() > 1);
    match (planned.inputs.columns, shape) {
        (None, _) => unknown(),
        (Some(columns), None) => count(columns),
        (Some(columns), Some(shape)) => {
            let sides: Vec<String> = shape.iter().map(|side| count(*side)).collect();
            format!("{} = {}", sides.join(" × "), count(columns))
        }
    }
}

fn format_words(planned: &Planned) -> String {
    planned.inputs.format.clone().unwrap_or_else(unknown)
}

fn speculation(planned: &Planned) -> String {
    planned.speculation.mode().title().to_owned()
}
