//! The limits of jobs: how large one may be, how many wait, and how long they are kept.
//!
//! Each error names the limit and the flag that sets it.

use std::time::Duration;

use platform::ObjectStore;
use protocol::job::InputSummary;
use protocol::problem::ProblemKind;
use protocol::request::Statistic;
use protocol::{Inputs, JobRequest, JobSnapshot, Plan, Problem};

/// The limit of what a job writes in relation to its inputs: narrow numbers, statistics
/// and a small fan-in take up to about 16 times the size of the inputs. So only what
/// compression has made small is bounded by `--max-job-bytes`.
const WRITTEN_PER_INPUT: u64 = 16;
/// A job whose number of columns was not known when it was planned is stopped when the
/// store has less free space than this, in bytes: others can go on.
const RESERVED_BYTES: u64 = 256 << 20;
/// How many bytes such a job writes between two looks at the free space.
pub const SPACE_STEP_BYTES: u64 = 64 << 20;

/// All limits.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The limits of one job.
    pub job: JobLimits,
    /// The maximum number of jobs that are listed, and that are generated, at once.
    pub planning_jobs: usize,
    /// The maximum number of jobs that wait to run.
    pub queued_jobs: usize,
    /// The maximum number of jobs of one user that run or wait; `None` for any number.
    pub jobs_per_user: Option<usize>,
    /// The maximum size of the test data of all jobs, in bytes.
    pub generated_bytes: u64,
    /// The maximum number of finished jobs in memory.
    pub jobs_in_memory: usize,
    /// The age at which finished jobs are deleted; `None` for never.
    pub keep_jobs: Option<Duration>,
    /// How long the partial sums of failed and cancelled jobs are kept.
    pub keep_resumable: Duration,
    /// The maximum size of the parts of all uploads that are not finished, in bytes.
    pub upload_bytes: u64,
    /// How long uploads that nobody continues are kept.
    pub keep_uploads: Duration,
}

/// The limits of one job.
#[derive(Clone, Copy, Debug)]
pub struct JobLimits {
    /// The maximum of F, the number of input objects.
    pub objects: u64,
    /// The maximum of C, the number of columns.
    pub columns: u64,
    /// The maximum number of tasks.
    pub tasks: u64,
    /// The maximum size of partial sums and results in bytes, unless the inputs are
    /// large too.
    pub written_bytes: u64,
}

impl Limits {
    /// No limits but those of memory, for the jobs of the user of this machine.
    #[must_use]
    pub fn of_own_machine() -> Limits {
        Limits {
            job: JobLimits {
                objects: u64::MAX,
                columns: u64::MAX,
                tasks: u64::MAX,
                written_bytes: u64::MAX,
            },
            planning_jobs: 1,
            queued_jobs: 1,
            jobs_per_user: None,
            generated_bytes: u64::MAX,
            jobs_in_memory: 1,
            keep_jobs: None,
            keep_resumable: Duration::ZERO,
            upload_bytes: 0,
            keep_uploads: Duration::from_hours(24),
        }
    }

    /// The error for a job that would be one too many of those that wait.
    #[must_use]
    pub fn too_many_queued(&self) -> Problem {
        let detail = format!(
            "{} jobs wait to run already; that is the limit of --max-queued-jobs",
            self.queued_jobs
        );
        Problem::new(ProblemKind::TooManyRequests, detail)
            .remedy("submit the job again once others have begun to run")
    }
}

impl JobLimits {
    /// Checks what a request tells before anything is listed.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::LimitExceeded`] if it names or generates too many objects.
    pub fn check_request(&self, request: &JobRequest) -> Result<(), Problem> {
        match &request.inputs {
            Inputs::Objects(locations) => self.check_objects(locations.len() as u64),
            Inputs::Generate(data) => {
                self.check_objects(data.files)?;
                self.check_columns(data.count)
            }
            Inputs::Prefix(_) | Inputs::Manifest(_) | Inputs::Shortened(_) => Ok(()),
        }
        .map_err(|problem| problem.field("inputs"))
    }

    /// Checks a number of objects: F, or a part of it.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::LimitExceeded`].
    pub fn check_objects(&self, objects: u64) -> Result<(), Problem> {
        check("input objects", objects, self.objects, "--max-objects")
    }

    /// Checks C.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::LimitExceeded`].
    pub fn check_columns(&self, columns: u64) -> Result<(), Problem> {
        check("columns", columns, self.columns, "--max-columns")
    }

    /// Checks what is known once a job is planned: its tasks, and, where C is known, its
    /// columns and what it will write.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::LimitExceeded`].
    pub fn check_plan(
        &self,
        plan: &Plan,
        inputs: &InputSummary,
        statistics: &[Statistic],
    ) -> Result<(), Problem> {
        check("tasks", plan.tasks(), self.tasks, "--max-tasks")
            .map_err(|problem| problem.remedy("choose a larger fan-in, or raise --max-tasks"))?;
        let Some(columns) = inputs.columns else {
            return Ok(());
        };
        self.check_columns(columns)?;
        let is_typed = inputs.is_typed();
        self.check_written(written_bytes(plan, columns, statistics, is_typed), inputs.bytes)
    }

    /// Checks a job that runs: C, once a task has found it out, and what it has written.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::LimitExceeded`].
    pub fn check_running(&self, job: &JobSnapshot) -> Result<(), Problem> {
        if let Some(columns) = job.inputs.columns {
            self.check_columns(columns)?;
        }
        self.check_written(job.bytes.written, job.inputs.bytes)
    }

    fn check_written(&self, bytes: u64, input_bytes: Option<u64>) -> Result<(), Problem> {
        let by_inputs = input_bytes.unwrap_or(0).saturating_mul(WRITTEN_PER_INPUT);
        let most = self.written_bytes.max(by_inputs);
        check("bytes of partial sums and results", bytes, most, "--max-job-bytes")
    }
}

/// The bytes that a job writes at least, if it has `columns` columns: the partial sums
/// of all nodes, and the results.
#[must_use]
pub fn written_bytes(plan: &Plan, columns: u64, statistics: &[Statistic], is_typed: bool) -> u64 {
    let nodes: u64 = plan.levels.iter().map(|level| u64::from(level.nodes)).sum();
    let sums = columns.saturating_mul(plan.partial_column_bytes).saturating_mul(nodes);
    sums.saturating_add(result_bytes(columns, statistics, is_typed))
}

/// The bytes of the mean and the statistics, at most; twice where they are also stored as
/// numbers of the types of the inputs.
#[must_use]
pub fn result_bytes(columns: u64, statistics: &[Statistic], is_typed: bool) -> u64 {
    let files = (1 + statistics.len() as u64) * (1 + u64::from(is_typed));
    columns.saturating_mul(8 * files)
}

/// Checks that the store has room for `bytes` more. `writer` is what writes them, such
/// as "the result".
///
/// # Errors
///
/// [`ProblemKind::InsufficientStorage`] with both numbers, and as the store.
pub async fn check_free_space(
    store: &dyn ObjectStore,
    writer: &str,
    bytes: u64,
) -> Result<(), Problem> {
    match free_bytes(store).await? {
        Some(free) if free < bytes => {
            let detail = format!(
                "no space left: {writer} takes about {bytes} bytes, but the store has {free} \
                 bytes free"
            );
            Err(Problem::new(ProblemKind::InsufficientStorage, detail)
                .remedy("free space in the store, or delete jobs that are no longer needed"))
        }
        _ => Ok(()),
    }
}

/// Checks that a job which has written `written` bytes, and may write any number more,
/// leaves enough free space.
///
/// # Errors
///
/// [`ProblemKind::InsufficientStorage`] with both numbers, and as the store.
pub async fn check_reserve(store: &dyn ObjectStore, written: u64) -> Result<(), Problem> {
    match free_bytes(store).await? {
        Some(free) if free < RESERVED_BYTES => {
            let detail = format!(
                "no space left: the job has written {written} bytes of partial sums, and the \
                 store has {free} bytes free; {RESERVED_BYTES} must remain"
            );
            Err(Problem::new(ProblemKind::InsufficientStorage, detail).remedy(
                "free space in the store, or check whether the inputs have as many numbers as \
                 you expect",
            ))
        }
        _ => Ok(()),
    }
}

/// Checks that a part of an upload, which may stay for long, leaves enough free space for jobs.
///
/// # Errors
///
/// As [`check_reserve`].
pub async fn check_part_reserve(store: &dyn ObjectStore, bytes: u64) -> Result<(), Problem> {
    match free_bytes(store).await? {
        Some(free) if free < RESERVED_BYTES.saturating_add(bytes) => {
            let detail = format!(
                "no space left: the store has {free} bytes free; {RESERVED_BYTES} must remain"
            );
            Err(Problem::new(ProblemKind::InsufficientStorage, detail).remedy(
                "free space in the store, or finish or delete uploads: what has arrived is kept",
            ))
        }
        _ => Ok(()),
    }
}

async fn free_bytes(store: &dyn ObjectStore) -> Result<Option<u64>, Problem> {
    let free = store.free_bytes().await;
    free.map_err(|error| error.problem("reading the free space of the store"))
}

/// Whether a job failed because it is too large. Its partial sums are of no use then.
#[must_use]
pub fn is_too_large(job: &JobSnapshot) -> bool {
    job.error.as_ref().is_some_and(|problem| {
        matches!(problem.kind, ProblemKind::LimitExceeded | ProblemKind::InsufficientStorage)
    })
}

fn check(what: &str, count: u64, most: u64, flag: &str) -> Result<(), Problem> {
    if count <= most {
        return Ok(());
    }
    let detail = format!("the job has {count} {what}; the limit is {most} ({flag})");
    let remedy = format!("make the job smaller, or start the server with a larger {flag}");
    Err(Problem::new(ProblemKind::LimitExceeded, detail).remedy(remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: JobLimits = JobLimits { objects: 3, columns: 10, tasks: 5, written_bytes: 1000 };

    #[test]
    fn what_is_within_the_limits_passes_and_an_error_names_limit_and_flag() {
        assert_eq!(SMALL.check_objects(3), Ok(()));
        let problem = SMALL.check_objects(4).unwrap_err();
        assert_eq!(problem.detail, "the job has 4 input objects; the limit is 3 (--max-objects)");
        assert!(problem.remedy.contains("--max-objects"), "{problem}");
        let listed = JobRequest::new(Inputs::Objects(vec!["a".to_owned(); 4]));
        assert_eq!(SMALL.check_request(&listed).unwrap_err().field.as_deref(), Some("inputs"));
    }

    #[test]
    fn a_job_may_write_more_if_its_inputs_are_large() {
        assert_eq!(SMALL.check_written(1000, Some(1)), Ok(()));
        assert!(SMALL.check_written(1001, Some(1)).is_err());
        assert_eq!(SMALL.check_written(1600, Some(100)), Ok(()));
        assert!(SMALL.check_written(1601, Some(100)).is_err());
    }
}
