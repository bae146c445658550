//! Everything that is known of one attempt.

use leptos::prelude::*;
use protocol::timeline::TimedAttempt;
use protocol::{JobSnapshot, Plan, TaskId, Timestamp};

use crate::format::count;
use crate::pages::job::attempt_facts::{AttemptFacts, Completion, Row};
use crate::paths::{JobTab, task_path};
use crate::picture::run::attempt_name;

/// Everything that is known of one attempt.
#[component]
pub fn AttemptDrawer(
    /// The job.
    job: JobSnapshot,
    /// The attempt.
    it: TimedAttempt,
    /// The numbers of the attempts at the same task.
    at_task: Vec<u32>,
    /// The attempt that completed the task.
    completed_by: Option<Completion>,
    /// The end of the job, or now.
    now: Timestamp,
) -> impl IntoView {
    let attempt_number = it.attempt.number;
    let task = it.task;
    let run_path = JobTab::Run.path(job.id);
    let others = at_task
        .into_iter()
        .filter(|number| *number != attempt_number)
        .map(|number| {
            let href = format!("{run_path}?attempt={}#attempt", attempt_name(task, number));
            view! {
                <a href=href data-attempt=attempt_name(task, number)>
                    {format!("attempt {number}")}
                </a>
                " "
            }
        })
        .collect_view();
    let inputs = job.plan.as_ref().and_then(|plan| inputs_of(plan, task));
    let inputs = inputs.map(|inputs| view! { <Row label="Inputs">{inputs}</Row> });
    view! {
        <section class="card attempt" id="attempt" aria-labelledby="attempt-heading">
            <header class="card-header">
                <h2 id="attempt-heading" tabindex="-1">
                    {format!("Task {task}, attempt {attempt_number}")}
                </h2>
                {others}
                <a class="card-header-link" href=run_path data-close="true">
                    "Close"
                </a>
            </header>
            <dl class="figures">
                <AttemptFacts it completed_by now /> {inputs}
                <Row label="Task">
                    <a href=task_path(job.id, task)>"All attempts at task " {task.to_string()}</a>
                </Row>
            </dl>
        </section>
    }
}

/// The inputs of a task in words: `files 6 to 8`.
#[must_use]
pub fn inputs_of(plan: &Plan, task: TaskId) -> Option<String> {
    let level = plan.levels.get(usize::from(task.level))?;
    let inputs = plan.node_inputs(task.level, task.node);
    let last = inputs.end.checked_sub(1)?;
    let what = match task.level {
        0 => "files".to_owned(),
        level => format!("nodes of level {}", level - 1),
    };
    let columns = match level.ranges {
        0 | 1 => String::new(),
        ranges => format!(", range {} of {ranges} of the columns", task.range + 1),
    };
    Some(format!("{what} {} to {}{columns}", count(inputs.start), count(last)))
}
