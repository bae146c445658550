//! All that a page asks the server, as server functions.
//!
//! They lie under `/app`, so that they never meet the JSON API under `/api`.
//! Pages call them while they are rendered, and forms post to them.

use std::fmt;

use leptos::prelude::*;
use leptos::server_fn::codec::GetUrl;
use leptos::server_fn::codec::JsonEncoding;
use leptos::server_fn::error::{FromServerFnError, ServerFnErrorErr};
use protocol::live::{JobPage, Overview};
use protocol::problem::ProblemKind;
use protocol::{JobId, JobSnapshot, Problem};
use serde::{Deserialize, Serialize};

use crate::backend::{answer_with_status, backend, now, wants_page};
use crate::clock::AsOf;
use crate::components::plan_figures::Planned;
use crate::form::JobForm;
use crate::paths::job_path;

/// A problem as a server function answers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Refusal(pub Problem);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Refusal(problem)
    }
}

impl FromServerFnError for Refusal {
    type Encoder = JsonEncoding;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        let problem = match error {
            ServerFnErrorErr::Request(detail) => {
                Problem::new(ProblemKind::Unavailable, detail).remedy("Try again in a moment.")
            }
            other => Problem::new(ProblemKind::Internal, other.to_string()),
        };
        Refusal(problem)
    }
}

/// How many jobs one page of the history shows.
pub const HISTORY_JOBS: usize = 50;

/// What the home page shows.
#[server(name = ReadOverview, prefix = "/app", endpoint = "overview", input = GetUrl)]
pub async fn overview() -> Result<AsOf<Overview>, Refusal> {
    let value = backend().overview().await;
    Ok(AsOf { at: now(), value })
}

/// A page of the history: the jobs older than `before`.
#[server(prefix = "/app", endpoint = "jobs", input = GetUrl)]
pub async fn jobs(
    /// The last job of the page before.
    before: Option<JobId>,
) -> Result<AsOf<JobPage>, Refusal> {
    let value = backend().jobs(before, HISTORY_JOBS).await;
    Ok(AsOf { at: now(), value })
}

/// One job, by the text that stands for it in a link.
#[server(prefix = "/app", endpoint = "job", input = GetUrl)]
pub async fn job(
    /// As it stands in the link.
    id: String,
) -> Result<AsOf<JobSnapshot>, Refusal> {
    let found = match id.parse() {
        Ok(id) => backend().job(id).await,
        Err(_) => Err(no_such_job(&id)),
    };
    match found {
        Ok(value) => Ok(AsOf { at: now(), value }),
        Err(problem) => {
            answer_with_status(problem.status);
            Err(problem.into())
        }
    }
}

/// How the job that is filled in would be computed, without running it.
#[server(prefix = "/app", endpoint = "preview")]
pub async fn preview(
    /// What was typed.
    form: JobForm,
) -> Result<Planned, Refusal> {
    let request = form.request()?;
    let preview = backend().preview(&request).await?;
    Ok(Planned::of_preview(preview, request.speculation))
}

/// Submits a job and goes to its page.
///
/// Without JavaScript a refusal goes back to the form with all that was typed.
#[server(prefix = "/app", endpoint = "submit")]
pub async fn submit(
    /// What was typed.
    form: JobForm,
) -> Result<(), Refusal> {
    let submitted = match form.request() {
        Ok(request) => backend().submit(request).await,
        Err(problem) => Err(problem),
    };
    match submitted {
        Ok(id) => {
            leptos_axum::redirect(&job_path(id));
            Ok(())
        }
        Err(problem) if wants_page() => {
            leptos_axum::redirect(&form.home_path_with(&problem));
            Ok(())
        }
        Err(problem) => Err(problem.into()),
    }
}

/// Cancels a job that is not over.
#[server(prefix = "/app", endpoint = "cancel")]
pub async fn cancel(
    /// Which.
    id: JobId,
) -> Result<(), Refusal> {
    backend().cancel(id).await?;
    leptos_axum::redirect(&job_path(id));
    Ok(())
}

/// Deletes a job that is over, and goes home.
#[server(prefix = "/app", endpoint = "delete")]
pub async fn delete(
    /// Which.
    id: JobId,
) -> Result<(), Refusal> {
    backend().delete(id).await?;
    leptos_axum::redirect("/");
    Ok(())
}

/// Submits a job's request again, and goes to the new job's page.
#[server(prefix = "/app", endpoint = "rerun")]
pub async fn rerun(
    /// Which.
    id: JobId,
) -> Result<(), Refusal> {
    let again = backend().rerun(id).await?;
    leptos_axum::redirect(&job_path(again));
    Ok(())
}

/// Asks for a number of workers by hand, or with `auto` lets it follow from
/// the jobs again.
#[server(prefix = "/app", endpoint = "workers")]
pub async fn set_desired_workers(
    /// A number, or `auto`.
    desired: String,
) -> Result<(), Refusal> {
    let by_hand = match desired.trim() {
        "auto" => None,
        number => Some(number.parse().map_err(|_| {
            Problem::new(
                ProblemKind::InvalidRequest,
                format!("The number of workers is a whole number, not {number:?}."),
            )
            .field("desired")
        })?),
    };
    backend().set_desired_workers(by_hand).await?;
    Ok(())
}

/// What is said of a link that leads to no job.
#[must_use]
pub fn no_such_job(id: &str) -> Problem {
    Problem::new(ProblemKind::NotFound, format!("There is no job {id}."))
        .remedy("Check the link; the job may also have been deleted.")
}
