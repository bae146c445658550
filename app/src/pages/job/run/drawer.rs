//! Everything that is known of one attempt.

use leptos::prelude::*;
use protocol::timeline::TimedAttempt;
use protocol::{JobSnapshot, Plan, TaskId, Timestamp};

use crate::format::{bytes, count, duration, percent, rfc3339, utc};
use crate::paths::JobTab;
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
    /// The end of the job, or now.
    now: Timestamp,
) -> impl IntoView {
    let attempt = it.attempt.clone();
    let task = it.task;
    let run_path = JobTab::Run.path(job.id);
    let others = at_task
        .into_iter()
        .filter(|number| *number != attempt.number)
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
    let ms = |ms: u32| duration(ms.into());
    let phase = |of: fn(protocol::task::PhaseTimes) -> u32| {
        attempt.phases.map_or_else(|| "not told by the worker".to_owned(), |it| ms(of(it)))
    };
    let end = attempt.ended_at.unwrap_or(now);
    let queued = attempt.started_at.unwrap_or(end).millis_since(attempt.published_at);
    let ran = attempt.started_at.map(|started| duration(end.millis_since(started)));
    let speculative = match (attempt.speculative, it.beside) {
        (false, _) => "no".to_owned(),
        (true, None) => "yes".to_owned(),
        (true, Some(number)) => format!("yes, beside attempt {number}"),
    };
    let rows: Vec<(&'static str, String)> = [
        ("Outcome", Some(attempt.state.word().to_owned())),
        ("Reason", attempt.reason.clone()),
        (
            "Worker",
            Some(attempt.worker.as_ref().map_or("none yet".to_owned(), ToString::to_string)),
        ),
        ("Speculative", Some(speculative)),
        ("Waited in the queue", Some(duration(queued))),
        ("Ran", ran),
        ("Reading", Some(phase(|it| it.reading_ms))),
        ("Computing", Some(phase(|it| it.computing_ms))),
        ("Writing", Some(phase(|it| it.writing_ms))),
        ("Would have run on, estimated", attempt.left_ms.map(duration)),
        ("Done of its task", Some(percent(attempt.fraction))),
        ("Read", Some(bytes(attempt.read_bytes))),
        ("Written", Some(bytes(attempt.written_bytes))),
        ("Segments written", Some(count(attempt.segments_written))),
        ("Segments reused", Some(count(attempt.segments_reused))),
        ("Inputs", job.plan.as_ref().and_then(|plan| inputs_of(plan, task))),
    ]
    .into_iter()
    .filter_map(|(label, value)| Some((label, value?)))
    .collect();
    let rows =
        rows.into_iter().map(|(label, value)| view! { <Row label>{value}</Row> }).collect_view();
    let time = |label: &'static str, at: Option<Timestamp>| {
        at.map(|at| {
            view! {
                <Row label>
                    <time class="local-time" datetime=rfc3339(at) data-ms=at.as_millis().to_string()>
                        {utc(at)}
                    </time>
                </Row>
            }
        })
    };
    view! {
        <section class="card attempt" id="attempt" aria-labelledby="attempt-heading">
            <header class="card-header">
                <h2 id="attempt-heading" tabindex="-1">
                    {format!("Task {task}, attempt {}", attempt.number)}
                </h2>
                {others}
                <a class="card-header-link" href=run_path data-close="true">
                    "Close"
                </a>
            </header>
            <dl class="figures">
                {time("Published", Some(attempt.published_at))}
                {time("Started", attempt.started_at)}
                {time("Ended", attempt.ended_at)}
                {rows}
            </dl>
        </section>
    }
}

#[component]
fn Row(label: &'static str, children: Children) -> impl IntoView {
    view! {
        <div class="figure">
            <dt>{label}</dt>
            <dd>{children()}</dd>
        </div>
    }
}

/// The inputs of a task in words: `files 6 to 8`.
fn inputs_of(plan: &Plan, task: TaskId) -> Option<String> {
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
