//! The plan of a job.

use leptos::prelude::*;
use protocol::job::InputSummary;
use protocol::plan::Estimate;
use protocol::request::{Choice, Speculation};
use protocol::{JobSnapshot, Plan, Preview};
use serde::{Deserialize, Serialize};

use super::figure::Figure;
use crate::format::{bytes, count, duration};

/// The figures of a plan, of a job or of a preview.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// W, the number of workers.
    pub workers: u32,
    /// The properties of the inputs that are known so far.
    pub inputs: InputSummary,
    /// The plan; absent before the job is planned.
    pub plan: Option<Plan>,
    /// The settings of speculation.
    pub speculation: Speculation,
}

impl Planned {
    /// The figures of a job.
    #[must_use]
    pub fn of_job(job: &JobSnapshot) -> Planned {
        Planned {
            workers: job.workers,
            inputs: job.inputs.clone(),
            plan: job.plan.clone(),
            speculation: job.request.speculation,
        }
    }

    /// The figures of a preview.
    #[must_use]
    pub fn of_preview(preview: Preview, speculation: Speculation) -> Planned {
        let Preview { workers, inputs, plan } = preview;
        Planned { workers, inputs, plan: Some(plan), speculation }
    }
}

/// The plan of a job and its estimated cost.
#[component]
pub fn PlanFigures(
    /// The figures.
    planned: Signal<Planned>,
    /// What follows the figures.
    #[prop(optional)]
    children: Option<Children>,
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
                <Figure label="Numbers per file (C)" value=of_job(columns) />
                <Figure label="Format" value=of_job(format_words) />
                <Figure label="Workers (W)" value=of_job(|planned| count(planned.workers.into())) />
                <Figure label="Fan-in (P)" value=of_plan(|plan| plan.fan_in.to_string()) />
                <Figure label="Levels" value=of_plan(|plan| plan.levels.len().to_string()) />
                <Figure label="Tasks" value=of_plan(|plan| count(plan.tasks())) />
                <Figure
                    label="Columns per segment"
                    hint="Finished segments survive the loss of a worker"
                    value=of_plan(|plan| count(plan.segment_columns))
                />
                <Figure label="Speculation" value=of_job(speculation) />
                <Figure
                    label="Memory bound per worker"
                    value=of_plan(|plan| bytes(plan.estimate.worker_memory_bytes))
                />
                <Figure
                    label="Estimated reads"
                    value=of_plan(|plan| {
                        bytes(plan.estimate.input_bytes + plan.estimate.partial_read_bytes)
                    })
                />
                <Figure
                    label="Estimated writes"
                    value=of_plan(|plan| bytes(plan.estimate.written_bytes))
                />
                <Figure
                    label="Estimated duration"
                    hint="From the plan to the result, by what similar jobs took here"
                    value=of_plan(|plan| estimated(&plan.estimate))
                />
            </dl>
            {children.map(|children| children())}
        </section>
    }
}

/// The estimated duration. How long short jobs take on a machine is not known before some
/// have run on it.
#[must_use]
pub fn estimated(estimate: &Estimate) -> String {
    match (estimate.duration_ms, estimate.learned_factor) {
        (None, _) => unknown(),
        (Some(0..1000), None) => "a few seconds at most".to_owned(),
        (Some(ms), _) => format!("about {}", duration(ms)),
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn files(planned: &Planned) -> String {
    let objects = planned.plan.as_ref().map(|plan| plan.objects);
    let files = planned.inputs.objects.or(objects).map_or_else(unknown, count);
    let skipped = &planned.inputs.skipped;
    match skipped.count.checked_sub(skipped.first.len() as u64) {
        None | Some(0) if skipped.is_empty() => files,
        Some(more @ 1..) => {
            format!("{files}, without {} and {} more", skipped.first.join(", "), count(more))
        }
        _ => format!("{files}, without {}", skipped.first.join(", ")),
    }
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
