//! The server functions.
//!
//! Their paths begin with `/app`, so that they never collide with the JSON API
//! under `/api`. Pages call them while they are rendered, and forms post to them.

pub mod inspection;
mod result_view;
pub mod selection;

use std::fmt;

use leptos::prelude::*;
use leptos::server_fn::codec::GetUrl;
use leptos::server_fn::codec::JsonEncoding;
use leptos::server_fn::error::{FromServerFnError, ServerFnErrorErr};
use protocol::detail::InputPage;
use protocol::files::{FolderPage, ObjectContent};
use protocol::live::{JobPage, Overview};
use protocol::problem::ProblemKind;
use protocol::states::TaskStates;
use protocol::timeline::Timeline;
use protocol::{JobId, JobSnapshot, Problem, Timestamp};
use serde::{Deserialize, Serialize};

use crate::backend::{backend, caller_name, caller_or_nobody, now, set_response_status};
use crate::clock::AsOf;
use crate::components::plan_figures::Planned;
use crate::filter::{JobFilter, Status};
use crate::form::JobForm;
use crate::islands::history::{HistoryCounts, HistoryNews, StatusCount};
use crate::lately::Lately;
use crate::notices::refuse;
use crate::paths::{files_path, job_path, parent};

pub use self::inspection::{partial_result, task, task_files, tasks, worker};
pub use self::result_view::{Array, ImageView, Profile, ResultView, result_view};
pub use self::selection::{CancelJobs, DeleteJobs, cancel_jobs, delete_jobs, selected};

/// The error of a server function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallError(pub Problem);

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Problem> for CallError {
    fn from(problem: Problem) -> Self {
        CallError(problem)
    }
}

impl FromServerFnError for CallError {
    type Encoder = JsonEncoding;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        let problem = match error {
            ServerFnErrorErr::Request(detail) => {
                Problem::new(ProblemKind::Unavailable, detail).remedy("Try again later.")
            }
            ServerFnErrorErr::Args(detail) | ServerFnErrorErr::MissingArg(detail) => {
                #[cfg(feature = "ssr")]
                set_response_status(ProblemKind::InvalidRequest.status());
                Problem::new(ProblemKind::InvalidRequest, detail)
                    .remedy("Reload the page; programs use the JSON API, /api/openapi.json.")
            }
            other => Problem::new(ProblemKind::Internal, other.to_string()),
        };
        CallError(problem)
    }
}

/// The field with the desired number of workers, and the element that shows it.
pub const DESIRED: &str = "desired";
/// The element with everything that a page shows but its header.
const MAIN: &str = "main";

/// The maximum number of jobs on a page of the history.
pub const HISTORY_JOBS: usize = 50;

/// The state that the home page shows.
#[server(name = ReadOverview, prefix = "/app", endpoint = "overview", input = GetUrl)]
pub async fn overview() -> Result<AsOf<Overview>, CallError> {
    let value = backend().overview().await;
    Ok(AsOf { at: now(), value })
}

/// A page of the history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryPageData {
    /// The jobs that match the filter, newest first.
    pub jobs: Vec<JobSnapshot>,
    /// The job after which the next page begins; `None` on the last page.
    pub cursor: Option<JobId>,
    /// How many jobs there are of each status.
    pub counts: HistoryCounts,
    /// The newest job of all when the page was read: later ones are new.
    pub newest: JobId,
}

/// A page of the history: the jobs that match a filter and are older than `before`.
///
/// Only the page calls it, so it has no path of its own.
pub async fn history(
    filter: &JobFilter,
    before: Option<JobId>,
) -> Result<AsOf<HistoryPageData>, CallError> {
    let at = now();
    let newest = backend().newest_job().unwrap_or(JobId::from_parts(at, 0));
    let JobPage { jobs, cursor } = backend().history(filter, before, HISTORY_JOBS).await?;
    let counts = history_counts(filter, newest);
    Ok(AsOf { at, value: HistoryPageData { jobs, cursor, counts, newest } })
}

/// What a page of the history looks up again: the counts, and jobs by their ids, which
/// commas separate.
#[server(prefix = "/app", endpoint = "history-news", input = GetUrl)]
pub async fn look_up_history(
    /// The text of the filter.
    #[server(default)]
    q: String,
    /// The status of the filter.
    #[server(default)]
    status: Status,
    /// The newest job when the page was read.
    newest: JobId,
    /// The jobs to look up.
    #[server(default)]
    ids: String,
) -> Result<HistoryNews, CallError> {
    let ids: Vec<JobId> =
        ids.split(',').filter_map(|id| id.parse().ok()).take(HISTORY_JOBS).collect();
    let (mut jobs, mut deleted) = (Vec::new(), Vec::new());
    for id in ids {
        match backend().job_with_tasks(id).await {
            Ok((job, _)) => jobs.push(JobSnapshot { result: None, ..job }),
            Err(problem) if problem.kind == ProblemKind::NotFound => deleted.push(id),
            Err(problem) => return Err(problem.into()),
        }
    }
    let counts = history_counts(&JobFilter { text: q, status }, newest);
    Ok(HistoryNews { counts, jobs, deleted })
}

fn history_counts(filter: &JobFilter, newest: JobId) -> HistoryCounts {
    let mut statuses: Vec<StatusCount> = Status::ALL
        .into_iter()
        .map(|status| StatusCount {
            word: status.word().to_owned(),
            jobs: 0,
            href: format!("/jobs{}", JobFilter { status, ..filter.clone() }.query(&[])),
            is_shown: status == filter.status,
        })
        .collect();
    let mut newer = 0;
    backend().visit_jobs(&mut |job| {
        if filter.matches_text(job) {
            for (status, counted) in Status::ALL.into_iter().zip(&mut statuses) {
                counted.jobs += u64::from(status.includes(job.phase));
            }
            newer += u64::from(job.id > newest && filter.matches(job));
        }
    });
    HistoryCounts { statuses, newer }
}

/// One job, by the id in its link, and the states of its tasks, if they are known.
#[server(prefix = "/app", endpoint = "job", input = GetUrl)]
pub async fn job(
    /// The id as text, which may be invalid.
    id: String,
) -> Result<AsOf<(JobSnapshot, Option<TaskStates>)>, CallError> {
    let found = match id.parse() {
        Ok(id) => backend().job_with_tasks(id).await,
        Err(_) => Err(no_such_job(&id)),
    };
    match found {
        Ok(value) => Ok(AsOf { at: now(), value }),
        Err(problem) => {
            set_response_status(problem.status);
            Err(problem.into())
        }
    }
}

/// What a page of the store shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FolderData {
    /// The folders and objects directly below the prefix.
    pub page: FolderPage,
    /// What is in each of the objects, where it is known.
    pub contents: Vec<Option<ObjectContent>>,
}

/// The folders and objects directly below a prefix, and what is in the objects.
///
/// Only the page calls it, so it has no path of its own.
pub async fn browse(prefix: &str) -> Result<AsOf<FolderData>, CallError> {
    let page = backend().browse(prefix).await?;
    let contents = backend().contents(&page.files).await;
    Ok(AsOf { at: now(), value: FolderData { page, contents } })
}

/// Deletes an object of the store, or a folder, and redirects to the folder that it was
/// in.
#[server(prefix = "/app", endpoint = "delete-files")]
pub async fn delete_files(
    /// The key; with a slash at its end that of a folder.
    key: String,
) -> Result<(), CallError> {
    let parent = files_path(parent(&key));
    match backend().delete_files(&key).await {
        Ok(()) => {
            leptos_axum::redirect(&parent);
            Ok(())
        }
        Err(problem) => refuse(problem, &format!("{parent}&"), MAIN),
    }
}

/// How many input files are on a page.
const INPUTS: usize = 100;

/// The index of the first input file of the page that the one at `index` is on. Pages do not
/// overlap, so that as few files as possible are looked into.
#[must_use]
pub const fn inputs_start(index: u64) -> u64 {
    index - index % INPUTS as u64
}

/// A page of the input files of a job, from the one at index `start`, and what is in each of
/// them, where it can be told.
///
/// Only the page calls it, so it has no path of its own.
pub async fn inputs(
    id: &str,
    start: u64,
) -> Result<(InputPage, Vec<Option<ObjectContent>>), CallError> {
    let found = match id.parse() {
        Ok(id) => backend().inputs_looked_into(id, start, INPUTS).await,
        Err(_) => Err(no_such_job(id)),
    };
    found.map_err(|problem| {
        set_response_status(problem.status);
        problem.into()
    })
}

/// The attempts of a job over time, between two times, of which an absent one is that of
/// the job.
///
/// Only the pages call it, so it has no path of its own.
pub async fn timeline(
    id: &str,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
) -> Result<Timeline, CallError> {
    let id = id.parse().map_err(|_| no_such_job(id))?;
    Ok(backend().timeline(id, from, to).await?)
}

/// What the workers have done in the last two minutes, for all jobs.
///
/// Only the pages call it, so it has no path of its own.
pub async fn lately() -> Result<Lately, CallError> {
    Ok(Lately::clone(&*backend().lately().await?))
}

/// The plan of the job in the form, without running it.
#[server(prefix = "/app", endpoint = "preview")]
pub async fn preview(
    /// The form as typed.
    form: JobForm,
) -> Result<Planned, CallError> {
    let request = form.request()?;
    let preview = backend().preview(&request).await?;
    Ok(Planned::of_preview(preview, request.speculation))
}

/// Submits a job and redirects to its page.
///
/// An error redirects to the form, which keeps what was typed.
#[server(prefix = "/app", endpoint = "submit")]
pub async fn submit(
    /// The form as typed.
    form: JobForm,
) -> Result<(), CallError> {
    let submitted = match form.request() {
        Ok(request) => backend().submit(request, caller_name()).await,
        Err(problem) => Err(problem),
    };
    match submitted {
        Ok(id) => {
            leptos_axum::redirect(&job_path(id));
            Ok(())
        }
        Err(problem) => refuse(problem, &form.home_path(), "new-job"),
    }
}

/// Cancels a job that is not over.
#[server(prefix = "/app", endpoint = "cancel")]
pub async fn cancel(
    /// The id of the job.
    id: JobId,
) -> Result<(), CallError> {
    match backend().cancel(id).await {
        Ok(()) => {
            leptos_axum::redirect(&job_path(id));
            Ok(())
        }
        Err(problem) => refuse(problem, &job_path(id), MAIN),
    }
}

/// Deletes a job that is over, and redirects to the home page.
#[server(prefix = "/app", endpoint = "delete")]
pub async fn delete(
    /// The id of the job.
    id: JobId,
) -> Result<(), CallError> {
    match backend().delete(id, &caller_or_nobody()).await {
        Ok(()) => {
            leptos_axum::redirect("/");
            Ok(())
        }
        Err(problem) => refuse(problem, &job_path(id), MAIN),
    }
}

/// Submits the request of a job as a new job, and redirects to its page.
#[server(prefix = "/app", endpoint = "rerun")]
pub async fn rerun(
    /// The id of the job.
    id: JobId,
) -> Result<(), CallError> {
    match backend().rerun(id, caller_name()).await {
        Ok(again) => {
            leptos_axum::redirect(&job_path(again));
            Ok(())
        }
        Err(problem) => refuse(problem, &job_path(id), MAIN),
    }
}

/// Resumes a job that has failed or was cancelled, and redirects to its page.
#[server(prefix = "/app", endpoint = "resume")]
pub async fn resume(
    /// The id of the job.
    id: JobId,
) -> Result<(), CallError> {
    match backend().resume(id).await {
        Ok(()) => {
            leptos_axum::redirect(&job_path(id));
            Ok(())
        }
        Err(problem) => refuse(problem, &job_path(id), MAIN),
    }
}

/// Makes the link that shows a job to anybody, and redirects to the job's page.
#[server(prefix = "/app", endpoint = "share")]
pub async fn share(
    /// The id of the job.
    id: JobId,
) -> Result<(), CallError> {
    match backend().share(id, caller_name()).await {
        Ok(()) => {
            leptos_axum::redirect(&job_path(id));
            Ok(())
        }
        Err(problem) => refuse(problem, &job_path(id), MAIN),
    }
}

/// Withdraws the link to a job, and redirects to the job's page.
#[server(prefix = "/app", endpoint = "withdraw")]
pub async fn withdraw(
    /// The id of the job.
    id: JobId,
) -> Result<(), CallError> {
    match backend().withdraw(id).await {
        Ok(()) => {
            leptos_axum::redirect(&job_path(id));
            Ok(())
        }
        Err(problem) => refuse(problem, &job_path(id), MAIN),
    }
}

/// The path of the link that shows a job to anybody, for those who may make one.
///
/// Only the page calls it, so it has no path of its own.
pub async fn share_link(id: JobId) -> Result<Option<String>, CallError> {
    Ok(backend().share_path(id).await?)
}

/// Sets the desired number of workers; `auto` derives it from the jobs again.
#[server(prefix = "/app", endpoint = "workers")]
pub async fn set_desired_workers(
    /// A whole number, or `auto`.
    desired: String,
) -> Result<(), CallError> {
    let by_hand = match desired.trim() {
        "auto" => Ok(None),
        number => number.parse().map(Some).map_err(|_| {
            Problem::new(
                ProblemKind::InvalidRequest,
                format!("The number of workers must be a whole number, not {number:?}."),
            )
            .field(DESIRED)
        }),
    };
    let set = match by_hand {
        Ok(by_hand) => backend().set_desired_workers(by_hand).await,
        Err(problem) => Err(problem),
    };
    match set {
        Ok(()) => {
            // Not back to where the form was, whose address may name an earlier message.
            leptos_axum::redirect("/");
            Ok(())
        }
        Err(problem) => refuse(problem.field(DESIRED), "/", DESIRED),
    }
}

/// The error for a link to a job that does not exist.
#[must_use]
pub fn no_such_job(id: &str) -> Problem {
    Problem::new(ProblemKind::NotFound, format!("Job {id} not found."))
        .remedy("Check the link; the job may have been deleted.")
}
