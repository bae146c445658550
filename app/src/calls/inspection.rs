//! What is known of one worker, of the tasks of a job, and of its result while it runs.
//!
//! Only pages call these, so they have no paths of their own.

use protocol::detail::{InputPage, TaskPage};
use protocol::problem::ProblemKind;
use protocol::{JobSnapshot, Problem, TaskId, WorkerId};

use super::{CallError, no_such_job};
use crate::backend::{backend, now, set_response_status};
use crate::clock::AsOf;
use crate::inspection::{LookedAt, PartialResult, TaskHistory, WorkerHistory};

/// The number of tasks on a page.
pub const TASKS: usize = 100;

/// What is known of a worker, of its attempts those in some jobs.
pub async fn worker(name: &str, looked_at: LookedAt) -> Result<AsOf<WorkerHistory>, CallError> {
    let found = backend().worker(&WorkerId::from(name.to_owned()), looked_at).await;
    Ok(AsOf { at: now(), value: found.map_err(told)? })
}

/// What is known of a task, by its id as text, which may be invalid.
pub async fn task(id: &str, task: &str) -> Result<TaskHistory, CallError> {
    let id = id.parse().map_err(|_| told(no_such_job(id)))?;
    let Ok(task) = task.parse::<TaskId>() else {
        let detail = format!("{task:?} is not the id of a task");
        let problem = Problem::new(ProblemKind::NotFound, detail)
            .remedy("an id is level.node.range, such as 0.7.0; choose one in the Tasks tab");
        return Err(told(problem));
    };
    backend().task(id, task).await.map_err(told)
}

/// The input files of a job from the one at an index on, as far as they are on a page. An
/// error hides them: the list of files tells it.
pub async fn task_files(id: &str, first: u64) -> Option<InputPage> {
    backend().inputs(id.parse().ok()?, first, TASKS).await.ok()
}

/// A page of the tasks of a level of a job, from the one at index `start`.
pub async fn tasks(id: &str, level: u8, start: u64) -> Result<TaskPage, CallError> {
    let id = id.parse().map_err(|_| told(no_such_job(id)))?;
    Ok(backend().tasks(id, level, start, TASKS).await?)
}

/// The mean of a running job as far as it is known. An error hides it: the page shows what
/// it is for without it.
pub async fn partial_result(job: &JobSnapshot) -> Option<PartialResult> {
    match job.is_total_begun() {
        true => backend().partial_result(job.id).await.ok().flatten(),
        false => None,
    }
}

/// An error, which sets the status of the response.
fn told(problem: Problem) -> CallError {
    set_response_status(problem.status);
    problem.into()
}
