//! What is done with the jobs that are ticked in a list.

use leptos::prelude::*;
use protocol::problem::ProblemKind;
use protocol::{JobId, JobSnapshot, Problem};

use super::CallError;
use crate::backend::{backend, caller_or_nobody};
use crate::filter::{JobFilter, Status};
use crate::format::plural;
use crate::notices::refuse;
use crate::paths::{JOBS, compare_path};
use crate::selection::{Action, Selection, ids_of};

/// The element to which a message on the list leads.
const PART: &str = "main";

/// The jobs of a selection that exist, without their results. Where two results are to be
/// compared, the response leads to the page that does.
///
/// Only the page calls it, so it has no path of its own.
pub async fn selected(selection: &Selection) -> Result<Vec<JobSnapshot>, CallError> {
    if let (Action::Compare, [one, other]) = (selection.action, &selection.jobs[..]) {
        leptos_axum::redirect(&compare_path(*one, *other));
    }
    let mut jobs = Vec::new();
    for id in &selection.jobs {
        match backend().job_with_tasks(*id).await {
            Ok((job, _)) => jobs.push(JobSnapshot { result: None, ..job }),
            Err(problem) if problem.kind == ProblemKind::NotFound => {}
            Err(problem) => return Err(problem.into()),
        }
    }
    Ok(jobs)
}

/// Cancels the jobs whose ids commas separate, and redirects to the list that they were
/// ticked in.
#[server(prefix = "/app", endpoint = "cancel-jobs")]
pub async fn cancel_jobs(
    /// The ids.
    jobs: String,
    /// The text of the filter of the list.
    #[server(default)]
    q: String,
    /// The status of the filter.
    #[server(default)]
    status: Status,
) -> Result<(), CallError> {
    let mut refused = Refused::new("cancelled", &jobs);
    for id in refused.jobs.clone() {
        refused.note(id, backend().cancel(id).await);
    }
    refused.answer(&JobFilter { text: q, status })
}

/// Deletes the jobs whose ids commas separate, and redirects to the list that they were
/// ticked in.
#[server(prefix = "/app", endpoint = "delete-jobs")]
pub async fn delete_jobs(
    /// The ids.
    jobs: String,
    /// The text of the filter of the list.
    #[server(default)]
    q: String,
    /// The status of the filter.
    #[server(default)]
    status: Status,
) -> Result<(), CallError> {
    let (mut refused, by) = (Refused::new("deleted", &jobs), caller_or_nobody());
    for id in refused.jobs.clone() {
        refused.note(id, backend().delete(id, &by).await);
    }
    refused.answer(&JobFilter { text: q, status })
}

/// The jobs with which something could not be done.
struct Refused {
    what: &'static str,
    jobs: Vec<JobId>,
    problems: Vec<(JobId, Problem)>,
}

impl Refused {
    fn new(what: &'static str, jobs: &str) -> Refused {
        Refused { what, jobs: ids_of(jobs.split(',')), problems: Vec::new() }
    }

    /// Notes what came of one job. That it is gone already is no problem.
    fn note(&mut self, id: JobId, outcome: Result<(), Problem>) {
        let failed = outcome.err().filter(|problem| problem.kind != ProblemKind::NotFound);
        self.problems.extend(failed.map(|problem| (id, problem)));
    }

    /// Leads to the list, with the first problem if there is one.
    fn answer(self, filter: &JobFilter) -> Result<(), CallError> {
        let list = format!("{JOBS}{}", filter.query(&[]));
        let Some(problem) = self.problem() else {
            leptos_axum::redirect(&list);
            return Ok(());
        };
        let mark = if list.contains('?') { "&" } else { "" };
        refuse(problem, &format!("{list}{mark}"), PART)
    }

    fn problem(&self) -> Option<Problem> {
        let (id, first) = self.problems.first()?;
        let jobs = plural(self.problems.len() as u64, "job was", "jobs were");
        let detail = format!("{jobs} not {}; job {id}: {}", self.what, first.detail);
        Some(Problem { detail, ..first.clone() })
    }
}

#[cfg(test)]
mod tests {
    use protocol::Timestamp;

    use super::*;

    #[test]
    fn the_first_of_several_problems_is_told_with_their_number() {
        let ids = [1, 2, 3].map(|number| JobId::from_parts(Timestamp::from_millis(1), number));
        let mut refused = Refused::new("deleted", &format!("{},{},x", ids[0], ids[1]));
        assert_eq!(refused.jobs, ids[..2]);
        refused.note(ids[0], Ok(()));
        refused.note(ids[1], Err(Problem::no_such_job("x")));
        assert_eq!(refused.problem(), None, "what is gone needs not be deleted");
        let conflict = Problem::new(ProblemKind::Conflict, "the job is still running");
        for id in &ids[1..] {
            refused.note(*id, Err(conflict.clone()));
        }
        let problem = refused.problem().unwrap();
        assert_eq!(problem.kind, ProblemKind::Conflict);
        let detail = problem.detail.replace('\u{a0}', " ");
        let expected = format!("2 jobs were not deleted; job {}: the job is still running", ids[1]);
        assert_eq!(detail, expected);
    }
}
