//! Everything that is known of one attempt.

use leptos::prelude::*;
use protocol::detail::{AttemptSnapshot, AttemptState};
use protocol::timeline::TimedAttempt;
use protocol::{Role, Timestamp, WorkerId};

use crate::backend::caller_may;
use crate::format::{bytes, count, duration, percent, rfc3339, utc_exactly};
use crate::paths::worker_path;

/// The attempt that completed a task: its number and its worker.
pub type Completion = (u32, Option<WorkerId>);

/// The attempt that completed the task of these attempts.
#[must_use]
pub fn completion<'a>(attempts: impl Iterator<Item = &'a TimedAttempt>) -> Option<Completion> {
    let mut completed = attempts.filter(|it| it.attempt.state == AttemptState::Completed);
    completed.next().map(|it| (it.attempt.number, it.attempt.worker.clone()))
}

/// Everything that is known of one attempt: rows of a description list.
#[component]
pub fn AttemptFacts(
    /// The attempt.
    it: TimedAttempt,
    /// The attempt that completed the task.
    completed_by: Option<Completion>,
    /// The end of the job, or now.
    now: Timestamp,
) -> impl IntoView {
    let attempt = it.attempt;
    let reason = ended_because(&attempt, completed_by);
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
        ("Reason", reason),
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
    ]
    .into_iter()
    .filter_map(|(label, value)| Some((label, value?)))
    .collect();
    let rows =
        rows.into_iter().map(|(label, value)| view! { <Row label>{value}</Row> }).collect_view();
    view! {
        <Row label="Worker">
            <WorkerLink worker=attempt.worker />
        </Row>
        {time("Published", Some(attempt.published_at))}
        {time("Started", attempt.started_at)}
        {time("Ended", attempt.ended_at)}
        {rows}
    }
}

/// A worker, as a link to its page.
#[component]
pub fn WorkerLink(
    /// The worker; absent for an attempt that none has started.
    worker: Option<WorkerId>,
) -> impl IntoView {
    match worker {
        // A link to a single job shows no worker.
        Some(worker) if !caller_may(Role::View) => worker.to_string().into_any(),
        Some(worker) => view! { <a href=worker_path(&worker)>{worker.to_string()}</a> }.into_any(),
        None => "none yet".into_any(),
    }
}

/// A labelled value, as a row of a description list.
#[component]
pub fn Row(
    /// The label.
    label: &'static str,
    /// The value.
    children: Children,
) -> impl IntoView {
    view! {
        <div class="figure">
            <dt>{label}</dt>
            <dd>{children()}</dd>
        </div>
    }
}

fn time(label: &'static str, at: Option<Timestamp>) -> Option<impl IntoView> {
    at.map(|at| {
        view! {
            <Row label>
                <LocalTime at />
            </Row>
        }
    })
}

/// A point in time to the millisecond, in UTC until a script writes it in the reader's time zone.
#[component]
pub fn LocalTime(
    /// The time.
    at: Timestamp,
) -> impl IntoView {
    view! {
        <time class="local-time" datetime=rfc3339(at) data-ms=at.as_millis().to_string()>
            {utc_exactly(at)}
        </time>
    }
}

/// Why an attempt ended, if that is known.
fn ended_because(attempt: &AttemptSnapshot, completed_by: Option<Completion>) -> Option<String> {
    let by = completed_by.filter(|_| attempt.state == AttemptState::Superseded);
    let first = by.map(|(number, worker)| {
        let worker = worker.map_or_else(String::new, |worker| format!(" on {worker}"));
        format!("attempt {number}{worker} completed the task first")
    });
    match (first, attempt.reason.clone()) {
        (Some(first), Some(reason)) => Some(format!("{first}; {reason}")),
        (first, reason) => first.or(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_superseded_attempt_says_which_one_was_first() {
        let mut attempt = AttemptSnapshot {
            number: 1,
            speculative: false,
            state: AttemptState::Superseded,
            worker: Some(WorkerId::from("slow")),
            published_at: Timestamp::from_millis(1),
            started_at: None,
            ended_at: None,
            fraction: 0.5,
            segments_written: 0,
            segments_reused: 0,
            read_bytes: 0,
            written_bytes: 0,
            resident_bytes: 0,
            phases: None,
            left_ms: None,
            reason: None,
        };
        let by = Some((2, Some(WorkerId::from("fast"))));
        let told = ended_because(&attempt, by.clone()).unwrap();
        assert_eq!(told, "attempt 2 on fast completed the task first");
        attempt.state = AttemptState::Lost;
        assert_eq!(ended_because(&attempt, by.clone()), None);
        attempt.reason = Some("no heartbeat".to_owned());
        assert_eq!(ended_because(&attempt, by), Some("no heartbeat".to_owned()));
    }
}
