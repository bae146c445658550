//! What a worker has done: its jobs and its attempts.

use leptos::prelude::*;
use protocol::timeline::{LaneCounts, TimedAttempt};
use protocol::{JobId, Timestamp};

use crate::format::{bytes, count, duration, job_title, plural, rate};
use crate::inspection::WorkerJob;
use crate::pages::job::attempt_facts::{LocalTime, Row};
use crate::pages::table::Table;
use crate::paths::{JobTab, task_path};
use crate::picture::run::attempt_name;

/// The most attempts that are listed: the latest ones.
const ATTEMPTS_SHOWN: usize = 50;
/// What is listed of an attempt.
const ATTEMPT_COLUMNS: [&str; 7] =
    ["Started", "Task", "Attempt", "Outcome", "Ran", "Read", "Reason"];
/// What is listed of a job.
const JOB_COLUMNS: [&str; 7] =
    ["Job", "Attempts", "Completed", "Superseded", "Failed, lost", "Busy", "Throughput"];

/// What a worker has done, job by job.
#[component]
pub fn Jobs(
    /// The jobs, newest first.
    jobs: Vec<WorkerJob>,
) -> impl IntoView {
    if jobs.is_empty() {
        return view! {
            <p class="empty">"No attempts of it are recorded in the jobs that were looked at."</p>
        }
        .into_any();
    }
    let mut sum = LaneCounts::default();
    let mut busy_ms = 0;
    for work in &jobs {
        busy_ms += work.lane.busy_ms;
        sum.add_all(&work.lane.counts.unwrap_or_default());
    }
    let attempts: u64 = jobs.iter().map(|work| work.lane.total).sum();
    let lost = sum.failed + sum.lost;
    let words = format!(
        "{} in {}, busy for {}",
        plural(attempts, "attempt", "attempts"),
        plural(jobs.len() as u64, "job", "jobs"),
        duration(busy_ms)
    );
    let listed = jobs.clone();
    let rows = jobs.into_iter().map(|work| view! { <WorkRow work /> }).collect_view();
    view! {
        <section class="card" aria-labelledby="work-heading">
            <header class="card-header">
                <h2 id="work-heading">"Jobs"</h2>
                <span class="hint">{words}</span>
            </header>
            <dl class="figures">
                <Row label="Completed their task">{count(sum.completed)}</Row>
                <Row label="Superseded: another was first">{count(sum.superseded)}</Row>
                <Row label="Failed or lost">{count(lost)}</Row>
                <Row label="Stopped">{count(sum.stopped)}</Row>
                <Row label="Read">{bytes(sum.read_bytes)}</Row>
                <Row label="Throughput while busy">{throughput(sum.read_bytes, busy_ms)}</Row>
            </dl>
            <Table label="Jobs of the worker" columns=JOB_COLUMNS.to_vec() stacked=true>
                {rows}
            </Table>
        </section>
        <section class="card" aria-labelledby="latest-heading">
            <header class="card-header">
                <h2 id="latest-heading">"Latest attempts"</h2>
            </header>
            <Attempts label="Latest attempts" jobs=listed most=ATTEMPTS_SHOWN />
        </section>
    }
    .into_any()
}

/// The latest attempts of a worker, in all jobs, newest first.
#[component]
pub fn Attempts(
    /// What is listed, for screen readers.
    label: &'static str,
    /// The jobs.
    jobs: Vec<WorkerJob>,
    /// The most attempts that are listed.
    most: usize,
) -> impl IntoView {
    let rows = latest_attempts(&jobs, most)
        .into_iter()
        .map(|(job, it, end)| view! { <AttemptRow job it end /> })
        .collect_view();
    view! {
        <Table label columns=ATTEMPT_COLUMNS.to_vec() stacked=true>
            {rows}
        </Table>
    }
}

#[component]
fn WorkRow(work: WorkerJob) -> impl IntoView {
    let WorkerJob { job, lane, .. } = work;
    let counted = |of: fn(&LaneCounts) -> u64| lane.counts.as_ref().map(|counts| count(of(counts)));
    let pace = lane.counts.map(|counts| throughput(counts.read_bytes, lane.busy_ms));
    view! {
        <tr data-job=job.id.to_string()>
            <td data-label="Job">
                <a href=JobTab::Run.path(job.id)>{job_title(&job)}</a>
            </td>
            <td data-label="Attempts" class="number">{count(lane.total)}</td>
            <td data-label="Completed" class="number">{counted(|it| it.completed)}</td>
            <td data-label="Superseded" class="number">{counted(|it| it.superseded)}</td>
            <td data-label="Failed, lost" class="number">{counted(|it| it.failed + it.lost)}</td>
            <td data-label="Busy" class="number">{duration(lane.busy_ms)}</td>
            <td data-label="Throughput" class="number">{pace}</td>
        </tr>
    }
}

#[component]
fn AttemptRow(job: JobId, it: TimedAttempt, end: Timestamp) -> impl IntoView {
    let attempt = it.attempt;
    let name = attempt_name(it.task, attempt.number);
    let ran = attempt
        .started_at
        .map(|started| duration(attempt.ended_at.unwrap_or(end).millis_since(started)));
    let kind = if attempt.speculative { ", speculative" } else { "" };
    view! {
        <tr data-attempt=name.clone() data-state=attempt.state.word()>
            <td data-label="Started">
                <LocalTime at=attempt.started_at.unwrap_or(attempt.published_at) />
            </td>
            <td data-label="Task">
                <a href=task_path(job, it.task)>
                    <code>{it.task.to_string()}</code>
                </a>
            </td>
            <td data-label="Attempt">
                <a href=format!("{}?attempt={name}#attempt", JobTab::Run.path(job))>
                    {format!("{}{kind}", attempt.number)}
                </a>
            </td>
            <td data-label="Outcome">{attempt.state.word()}</td>
            <td data-label="Ran" class="number">{ran}</td>
            <td data-label="Read" class="number">{bytes(attempt.read_bytes)}</td>
            <td data-label="Reason">{attempt.reason}</td>
        </tr>
    }
}

/// The latest attempts of all jobs, newest first, each with its job and the end of that.
fn latest_attempts(jobs: &[WorkerJob], most: usize) -> Vec<(JobId, TimedAttempt, Timestamp)> {
    let attempts = jobs
        .iter()
        .flat_map(|work| work.lane.attempts.iter().map(|it| (work.job.id, it.clone(), work.end)));
    let mut attempts: Vec<_> = attempts.collect();
    let begin = |it: &TimedAttempt| it.attempt.started_at.unwrap_or(it.attempt.published_at);
    attempts.sort_by_key(|(_, it, _)| std::cmp::Reverse(begin(it)));
    attempts.truncate(most);
    attempts
}

/// Bytes in a time as a rate; a dash if there was no time.
fn throughput(read_bytes: u64, busy_ms: u64) -> String {
    match busy_ms {
        0 => "–".to_owned(),
        busy_ms => rate(read_bytes as f64 * 1000.0 / busy_ms as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throughput_is_of_the_time_that_the_worker_was_busy() {
        assert_eq!(throughput(0, 0), "–");
        assert_eq!(throughput(3_000_000, 1_500), rate(2_000_000.0));
    }
}
