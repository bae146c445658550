//! The plan of a job.

use leptos::prelude::*;
use protocol::job::SpeculationPolicy;
use protocol::{JobSnapshot, Plan};

use super::figure::Figure;
use crate::format::{bytes, count, duration};

/// The plan of a job and what it is expected to cost.
#[component]
pub fn PlanFigures(
    /// The job.
    job: RwSignal<JobSnapshot>,
) -> impl IntoView {
    let of_job = move |figure: fn(&JobSnapshot) -> String| Signal::derive(move || job.with(figure));
    let of_plan = move |figure: fn(&Plan) -> String| {
        Signal::derive(move || job.with(|job| job.plan.as_ref().map_or_else(unknown, figure)))
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
                <Figure label="Workers (W)" value=of_job(|job| count(job.workers.into())) />
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

fn files(job: &JobSnapshot) -> String {
    let planned = job.plan.as_ref().map(|plan| plan.objects);
    job.inputs.objects.or(planned).map_or_else(unknown, count)
}

fn columns(job: &JobSnapshot) -> String {
    let shape = job.inputs.shape.as_ref().filter(|shape| shape.len() > 1);
    match (job.inputs.columns, shape) {
        (None, _) => unknown(),
        (Some(columns), None) => count(columns),
        (Some(columns), Some(shape)) => {
            let sides: Vec<String> = shape.iter().map(|side| count(*side)).collect();
            format!("{} = {}", sides.join(" × "), count(columns))
        }
    }
}

fn format_words(job: &JobSnapshot) -> String {
    job.inputs.format.clone().unwrap_or_else(unknown)
}

fn speculation(job: &JobSnapshot) -> String {
    let speculation = job.request.speculation;
    match (speculation.enabled, speculation.policy) {
        (false, _) => "waited for".to_owned(),
        (true, SpeculationPolicy::Resume) => "taken up where they stand".to_owned(),
        (true, SpeculationPolicy::Original) => "begun again".to_owned(),
    }
}
