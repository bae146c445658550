//! The jobs that are ticked in a list, and what is to be done with them.

use leptos_router::params::ParamsMap;
use protocol::{Caller, JobId, JobSnapshot, Role};
use serde::{Deserialize, Serialize};

use crate::filter::JobFilter;

/// The query parameter that says what is to be done.
pub const ACTION: &str = "action";
/// The query parameter with the id of a job that is ticked, once for each.
pub const JOB: &str = "job";
/// The most jobs of a selection: more than a list shows.
pub const SELECTED_MAX: usize = 100;

/// What is to be done with jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Their results are compared; it changes nothing, so it is the default.
    #[default]
    Compare,
    /// Those that are not over are cancelled.
    Cancel,
    /// Those that are over are deleted.
    Delete,
}

impl Action {
    /// All, in the order in which they are shown.
    pub const ALL: [Action; 3] = [Action::Compare, Action::Cancel, Action::Delete];

    /// The name in addresses.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Action::Compare => "compare",
            Action::Cancel => "cancel",
            Action::Delete => "delete",
        }
    }

    /// The name on buttons.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Action::Compare => "Compare",
            Action::Cancel => "Cancel",
            Action::Delete => "Delete",
        }
    }

    /// Why it cannot be done with a job, for a caller; `None` if it can.
    #[must_use]
    pub fn obstacle(self, job: &JobSnapshot, caller: &Caller) -> Option<String> {
        let is_over = job.phase.is_over();
        let owner = job.submitted_by.as_deref();
        match self {
            Action::Compare => None,
            Action::Cancel if !caller.may(Role::Submit) => {
                Some("cancelling needs the role submit".to_owned())
            }
            Action::Cancel => is_over.then(|| format!("is {} already", job.phase.word())),
            Action::Delete if !caller.may_delete(owner) => {
                let owner = owner.unwrap_or("somebody without a name");
                Some(format!("was submitted by {owner}; deleting it needs the role admin"))
            }
            Action::Delete => (!is_over).then(|| "is not over; cancel it first".to_owned()),
        }
    }
}

/// The jobs that are ticked in a list, and what is to be done with them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// What is to be done.
    pub action: Action,
    /// The jobs, oldest first, each once; at most [`SELECTED_MAX`].
    pub jobs: Vec<JobId>,
    /// The filter of the list.
    pub filter: JobFilter,
}

impl Selection {
    /// Reads the selection from a query. What is no id is left out.
    #[must_use]
    pub fn from_query(query: &ParamsMap) -> Selection {
        let word = query.get_str(ACTION).unwrap_or_default();
        let action = Action::ALL.into_iter().find(|action| action.word() == word);
        let ids = query.get_all(JOB).unwrap_or_default();
        Selection {
            action: action.unwrap_or_default(),
            jobs: ids_of(ids.iter().map(String::as_str)),
            filter: JobFilter::from_query(query),
        }
    }
}

/// The jobs of a list of ids, oldest first, each once. What is no id is left out.
#[must_use]
pub fn ids_of<'a>(ids: impl Iterator<Item = &'a str>) -> Vec<JobId> {
    let mut jobs: Vec<JobId> =
        ids.filter_map(|id| id.trim().parse().ok()).take(SELECTED_MAX).collect();
    jobs.sort_unstable();
    jobs.dedup();
    jobs
}

#[cfg(test)]
mod tests {
    use protocol::{Inputs, JobRequest, Phase, Timestamp};

    use super::*;

    fn job(number: u128, phase: Phase, by: Option<&str>) -> JobSnapshot {
        let at = Timestamp::from_millis(1);
        let request = JobRequest::new(Inputs::Prefix("in/".to_owned()));
        let job = JobSnapshot::submitted(JobId::from_parts(at, number), request, 1, at);
        JobSnapshot { phase, submitted_by: by.map(str::to_owned), ..job }
    }

    fn caller(role: Role) -> Caller {
        Caller { role: Some(role), name: Some("ada".to_owned()), ..Caller::anybody() }
    }

    #[test]
    fn ticks_are_read_once_each_and_from_the_oldest() {
        let [one, two] = [1, 2].map(|number| job(number, Phase::Done, None).id);
        let mut query = ParamsMap::new();
        for id in [two.to_string(), "nonsense".to_owned(), one.to_string(), two.to_string()] {
            query.insert(JOB, id);
        }
        query.insert(ACTION, "delete".to_owned());
        query.insert("status", "done".to_owned());
        let read = Selection::from_query(&query);
        assert_eq!((read.action, read.jobs), (Action::Delete, vec![one, two]));
        assert_eq!(read.filter.query(&[]), "?status=done");
        // Whatever is not an action changes nothing.
        query.replace(ACTION, "drop".to_owned());
        assert_eq!(Selection::from_query(&query).action, Action::Compare);
    }

    #[test]
    fn each_job_says_why_something_cannot_be_done_with_it() {
        let told = |action: Action, job: &JobSnapshot, role| {
            action.obstacle(job, &caller(role)).unwrap_or_default()
        };
        let running = job(1, Phase::Running, Some("ada"));
        let done = job(2, Phase::Done, Some("ada"));
        let others = job(3, Phase::Done, Some("bob"));
        assert_eq!(told(Action::Cancel, &running, Role::Submit), "");
        assert_eq!(told(Action::Cancel, &done, Role::Submit), "is done already");
        assert!(told(Action::Cancel, &running, Role::View).contains("role submit"));
        assert_eq!(told(Action::Delete, &done, Role::Submit), "");
        assert_eq!(told(Action::Delete, &running, Role::Submit), "is not over; cancel it first");
        assert!(told(Action::Delete, &others, Role::Submit).contains("bob"));
        assert!(told(Action::Delete, &done, Role::View).contains("role admin"));
        assert_eq!(told(Action::Delete, &others, Role::Admin), "");
        assert_eq!(told(Action::Compare, &running, Role::View), "");
    }
}
