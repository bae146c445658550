//! Bounds of what workers report, so that no report can fill the memory of the server,
//! overflow a number or break a page.

use protocol::problem::ProblemKind;
use protocol::task::{Joined, Outcome, Progress, Report, ReportBody};
use protocol::{AttemptId, Problem, WorkerId};

/// A name is shown on pages and in logs; those of Kubernetes have 253 bytes at most.
const NAME_BYTES_MAX: usize = 253;
/// Errors and reasons are kept for every attempt, and shown on pages.
const TEXT_BYTES_MAX: usize = 4 << 10;
/// More attempts at one task would take years.
const ATTEMPT_NUMBER_MAX: u32 = 1 << 20;
/// C in bytes of a partial sum with all statistics still fits in 64 bits.
const COLUMNS_MAX: u64 = 1 << 53;
/// What an attempt can read or write: a pebibyte.
const BYTES_MAX: u64 = 1 << 50;
/// Segments of a task.
const SEGMENTS_MAX: u64 = 1 << 32;
/// NumPy's arrays have 64 dimensions at most.
const DIMENSIONS_MAX: usize = 64;

/// Why a report is not believed at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Incredible {
    /// The name of the worker is empty, too long, or has control characters.
    #[error("the name of the worker is invalid")]
    Worker,
    /// The number of the attempt is 0 or too large.
    #[error("the number of the attempt is invalid")]
    Attempt,
    /// C is too large.
    #[error("the number of columns is invalid")]
    Columns,
}

/// The report with texts cut and figures limited to what is possible.
///
/// # Errors
///
/// If it cannot be of a worker of this program.
pub(super) fn bounded(mut report: Report) -> Result<Report, Incredible> {
    check_worker(&report.worker)?;
    match &mut report.body {
        ReportBody::Joined(joined) => limit_joined(joined),
        ReportBody::Alive { resident_bytes } => limit(resident_bytes, BYTES_MAX),
        ReportBody::Left { reason } => cut(reason, TEXT_BYTES_MAX),
        ReportBody::Started { attempt } => check_attempt(*attempt)?,
        ReportBody::Progressed { attempt, progress }
        | ReportBody::Stopped { attempt, progress, .. } => {
            check_attempt(*attempt)?;
            limit_progress(progress);
        }
        ReportBody::Completed { attempt, outcome } => {
            check_attempt(*attempt)?;
            limit_outcome(outcome)?;
        }
        ReportBody::Failed { attempt, failure, progress } => {
            check_attempt(*attempt)?;
            limit_progress(progress);
            limit_problem(&mut failure.problem);
        }
    }
    Ok(report)
}

fn check_worker(worker: &WorkerId) -> Result<(), Incredible> {
    let name = worker.as_str();
    let is_valid =
        (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control);
    is_valid.then_some(()).ok_or(Incredible::Worker)
}

fn check_attempt(attempt: AttemptId) -> Result<(), Incredible> {
    let is_valid = (1..=ATTEMPT_NUMBER_MAX).contains(&attempt.number);
    is_valid.then_some(()).ok_or(Incredible::Attempt)
}

fn limit_joined(joined: &mut Joined) {
    cut_if_any(&mut joined.node, NAME_BYTES_MAX);
    cut_if_any(&mut joined.faults, TEXT_BYTES_MAX);
    joined.address.take_if(|address| address.len() > NAME_BYTES_MAX);
    limit(&mut joined.resident_bytes, BYTES_MAX);
}

fn limit_progress(progress: &mut Progress) {
    // What is not a number is no progress.
    let is_number = !progress.fraction.is_nan();
    progress.fraction = if is_number { progress.fraction.clamp(0.0, 1.0) } else { 0.0 };
    for bytes in [
        &mut progress.input_read_bytes,
        &mut progress.partial_read_bytes,
        &mut progress.written_bytes,
        &mut progress.resident_bytes,
    ] {
        limit(bytes, BYTES_MAX);
    }
    limit(&mut progress.segments_written, SEGMENTS_MAX);
    limit(&mut progress.segments_reused, SEGMENTS_MAX);
}

fn limit_outcome(outcome: &mut Outcome) -> Result<(), Incredible> {
    if outcome.columns > COLUMNS_MAX {
        return Err(Incredible::Columns);
    }
    let fits = |shape: &Vec<u64>| {
        let numbers = shape.iter().try_fold(1_u64, |numbers, &side| numbers.checked_mul(side));
        shape.len() <= DIMENSIONS_MAX && numbers == Some(outcome.columns)
    };
    outcome.shape = outcome.shape.take().filter(fits);
    cut_if_any(&mut outcome.columns_of, TEXT_BYTES_MAX);
    cut_if_any(&mut outcome.format, TEXT_BYTES_MAX);
    limit_progress(&mut outcome.progress);
    Ok(())
}

/// Title and status follow from the kind.
fn limit_problem(problem: &mut Problem) {
    let kind: ProblemKind = problem.kind;
    kind.title().clone_into(&mut problem.title);
    problem.status = kind.status();
    cut(&mut problem.detail, TEXT_BYTES_MAX);
    cut(&mut problem.remedy, TEXT_BYTES_MAX);
    cut_if_any(&mut problem.object, TEXT_BYTES_MAX);
    cut_if_any(&mut problem.field, NAME_BYTES_MAX);
}

fn limit(figure: &mut u64, most: u64) {
    *figure = (*figure).min(most);
}

fn cut_if_any(text: &mut Option<String>, bytes: usize) {
    if let Some(text) = text {
        cut(text, bytes);
    }
}

/// Cuts a text that is longer than `bytes`, between two characters, and marks it.
fn cut(text: &mut String, bytes: usize) {
    const MARK: char = '…';
    if text.len() > bytes {
        text.truncate(text.floor_char_boundary(bytes - MARK.len_utf8()));
        text.push(MARK);
        text.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use protocol::task::{Failure, Fault, StopReason};
    use protocol::{JobId, TaskId, Timestamp};

    use super::*;

    fn report(body: ReportBody) -> Report {
        let at = Timestamp::from_millis(1);
        Report { version: protocol::VERSION, worker: WorkerId::from("worker-1"), at, body }
    }

    fn attempt(number: u32) -> AttemptId {
        let task = TaskId { level: 0, node: 0, range: 0 };
        AttemptId { job: JobId::from_parts(Timestamp::default(), 1), task, number }
    }

    fn everything(progress: u64) -> Progress {
        Progress {
            fraction: 0.5,
            input_read_bytes: progress,
            partial_read_bytes: progress,
            written_bytes: progress,
            segments_written: progress,
            segments_reused: progress,
            open_objects_max: 5,
            resident_bytes: progress,
            phases: None,
        }
    }

    #[test]
    fn an_honest_report_stays_as_it_is() {
        let (attempt, progress) = (attempt(7), everything(1 << 30));
        let outcome = Outcome {
            columns: 6,
            columns_of: Some("a.npy".to_owned()),
            shape: Some(vec![2, 3]),
            format: Some("npy f8".to_owned()),
            took_ms: Some(7),
            progress,
        };
        let problem = Problem::input_changed("a", "it was deleted");
        let failure = Failure { problem, fault: Fault::Input };
        for body in [
            ReportBody::Joined(Joined { node: Some("n".to_owned()), ..Joined::default() }),
            ReportBody::Alive { resident_bytes: 1 },
            ReportBody::Left { reason: "drained".to_owned() },
            ReportBody::Started { attempt },
            ReportBody::Progressed { attempt, progress },
            ReportBody::Completed { attempt, outcome },
            ReportBody::Failed { attempt, failure, progress },
            ReportBody::Stopped { attempt, reason: StopReason::JobOver, progress },
        ] {
            assert_eq!(bounded(report(body.clone())), Ok(report(body)));
        }
    }

    #[test]
    fn what_no_worker_can_mean_is_refused() {
        for name in ["", "a\nb", &"w".repeat(254)] {
            let alive = report(ReportBody::Alive { resident_bytes: 1 });
            let worker = WorkerId::from(name);
            assert_eq!(bounded(Report { worker, ..alive }), Err(Incredible::Worker), "{name:?}");
        }
        for number in [0, u32::MAX] {
            let (attempt, progress) = (attempt(number), everything(1));
            let failure = Failure { problem: Problem::no_numbers("a"), fault: Fault::Program };
            for body in [
                ReportBody::Started { attempt },
                ReportBody::Progressed { attempt, progress },
                ReportBody::Completed { attempt, outcome: Outcome::default() },
                ReportBody::Failed { attempt, failure, progress },
                ReportBody::Stopped { attempt, reason: StopReason::NotHere, progress },
            ] {
                assert_eq!(bounded(report(body)), Err(Incredible::Attempt));
            }
        }
        let outcome = Outcome { columns: u64::MAX, ..Outcome::default() };
        let completed = ReportBody::Completed { attempt: attempt(1), outcome };
        assert_eq!(bounded(report(completed)), Err(Incredible::Columns));
    }

    #[test]
    fn figures_are_limited_to_what_is_possible() {
        for (fraction, expected) in [(f64::NAN, 0.0), (-1.0, 0.0), (f64::INFINITY, 1.0)] {
            let progress = Progress { fraction, ..everything(u64::MAX) };
            let body = ReportBody::Progressed { attempt: attempt(1), progress };
            let ReportBody::Progressed { progress, .. } = bounded(report(body)).unwrap().body
            else {
                panic!("another report");
            };
            assert_eq!(progress.fraction, expected);
            assert_eq!(progress.input_read_bytes, BYTES_MAX);
            assert_eq!(progress.segments_reused, SEGMENTS_MAX);
        }
        for shape in [vec![2, 2], vec![1; 65], vec![u64::MAX; 3], Vec::new()] {
            let outcome = Outcome { columns: 5, shape: Some(shape), ..Outcome::default() };
            let body = ReportBody::Completed { attempt: attempt(1), outcome };
            let ReportBody::Completed { outcome, .. } = bounded(report(body)).unwrap().body else {
                panic!("another report");
            };
            assert_eq!(outcome.shape, None);
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let long = "ä".repeat(1 << 20);
        let mut problem = Problem::new(ProblemKind::Internal, long.clone())
            .remedy(long.clone())
            .object(long.clone())
            .field(long.clone());
        (problem.title, problem.status) = (long.clone(), 9999);
        let failure = Failure { problem, fault: Fault::Program };
        let body = ReportBody::Failed { attempt: attempt(1), failure, progress: everything(1) };
        let ReportBody::Failed { failure, .. } = bounded(report(body)).unwrap().body else {
            panic!("another report");
        };
        let problem = failure.problem;
        assert!(problem.detail.ends_with('…') && problem.detail.len() <= TEXT_BYTES_MAX);
        assert!(problem.remedy.len() <= TEXT_BYTES_MAX);
        assert!(problem.object.unwrap().len() <= TEXT_BYTES_MAX);
        assert!(problem.field.unwrap().len() <= NAME_BYTES_MAX);
        assert_eq!((problem.title.as_str(), problem.status), ("Internal error", 500));
        let joined = Joined { node: Some(long.clone()), faults: Some(long), ..Joined::default() };
        let ReportBody::Joined(joined) = bounded(report(ReportBody::Joined(joined))).unwrap().body
        else {
            panic!("another report");
        };
        assert!(joined.node.unwrap().len() <= NAME_BYTES_MAX);
        assert!(joined.faults.unwrap().len() <= TEXT_BYTES_MAX);
    }
}
