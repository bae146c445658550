//! The filter of the list of jobs: a text and a status.

use leptos_router::params::ParamsMap;
use protocol::{Inputs, JobSnapshot, Phase};
use serde::{Deserialize, Serialize};

use crate::format::job_title;

/// Which jobs a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFilter {
    /// A part of the name, the inputs, the id or the submitter, in capitals or not.
    pub text: String,
    /// The status.
    pub status: Status,
}

/// The status of a job, as lists are filtered by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Any.
    #[default]
    All,
    /// Not over.
    Active,
    /// Done.
    Done,
    /// Failed.
    Failed,
    /// Cancelled.
    Cancelled,
}

impl Status {
    /// All, in the order in which they are shown.
    pub const ALL: [Status; 5] =
        [Status::All, Status::Active, Status::Done, Status::Failed, Status::Cancelled];

    /// The name in addresses.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Status::All => "all",
            Status::Active => "active",
            Status::Done => "done",
            Status::Failed => "failed",
            Status::Cancelled => "cancelled",
        }
    }

    /// Whether a job in a phase has the status.
    #[must_use]
    pub const fn includes(self, phase: Phase) -> bool {
        match self {
            Status::All => true,
            Status::Active => !phase.is_over(),
            Status::Done => matches!(phase, Phase::Done),
            Status::Failed => matches!(phase, Phase::Failed),
            Status::Cancelled => matches!(phase, Phase::Cancelled),
        }
    }
}

/// The query parameter with the text.
pub const TEXT: &str = "q";
/// The query parameter with the status.
pub const STATUS: &str = "status";

impl JobFilter {
    /// Reads the filter from a query. Whatever is not a status is all.
    #[must_use]
    pub fn from_query(query: &ParamsMap) -> JobFilter {
        let word = query.get_str(STATUS).unwrap_or_default();
        let status = Status::ALL.into_iter().find(|status| status.word() == word);
        let text = query.get_str(TEXT).unwrap_or_default().trim().to_owned();
        JobFilter { text, status: status.unwrap_or_default() }
    }

    /// The query of the filter with further parameters: empty, or beginning with `?`.
    #[must_use]
    pub fn query(&self, more: &[(&'static str, String)]) -> String {
        let mut query = ParamsMap::new();
        if !self.text.is_empty() {
            query.insert(TEXT, self.text.clone());
        }
        if self.status != Status::All {
            query.insert(STATUS, self.status.word().to_owned());
        }
        for (name, value) in more {
            query.insert(*name, value.clone());
        }
        query.to_query_string()
    }

    /// Whether a job matches the filter.
    #[must_use]
    pub fn matches(&self, job: &JobSnapshot) -> bool {
        self.status.includes(job.phase) && self.matches_text(job)
    }

    /// Whether a job matches the text of the filter.
    #[must_use]
    pub fn matches_text(&self, job: &JobSnapshot) -> bool {
        let text = self.text.to_lowercase();
        let has = |field: &str| field.to_lowercase().contains(&text);
        text.is_empty()
            || has(&job_title(job))
            || has(&job.id.to_string())
            || job.submitted_by.as_deref().is_some_and(has)
            || match &job.request.inputs {
                Inputs::Prefix(name) | Inputs::Manifest(name) => has(name),
                Inputs::Objects(objects) => objects.iter().any(|object| has(object)),
                Inputs::Shortened(list) => list.first.iter().any(|object| has(object)),
                Inputs::Generate(_) => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use protocol::{JobId, JobRequest, Timestamp};

    use super::*;

    fn job(name: Option<&str>, prefix: &str, phase: Phase) -> JobSnapshot {
        let at = Timestamp::from_millis(1);
        let mut request = JobRequest::new(Inputs::Prefix(prefix.to_owned()));
        request.name = name.map(str::to_owned);
        let job = JobSnapshot::submitted(JobId::from_parts(at, 1), request, 1, at);
        JobSnapshot { phase, submitted_by: Some("Ada".to_owned()), ..job }
    }

    #[test]
    fn a_job_is_found_by_name_inputs_id_and_submitter() {
        let job = job(Some("Ensemble Mean"), "climate/", Phase::Running);
        let id = job.id.to_string();
        for text in ["", "ensemble", "MEAN", "mate/", "ada", &id[3..]] {
            let filter = JobFilter { text: text.to_owned(), ..JobFilter::default() };
            assert!(filter.matches(&job), "{text}");
        }
        let other = JobFilter { text: "weather".to_owned(), ..JobFilter::default() };
        assert!(!other.matches(&job));
    }

    #[test]
    fn each_phase_has_one_status_besides_all() {
        for phase in [Phase::Listing, Phase::Running, Phase::Done, Phase::Failed, Phase::Cancelled]
        {
            let statuses = Status::ALL.into_iter().filter(|status| status.includes(phase));
            assert_eq!(statuses.count(), 2, "{phase:?}");
        }
        let filter = JobFilter { status: Status::Failed, ..JobFilter::default() };
        assert!(filter.matches(&job(None, "a/", Phase::Failed)));
        assert!(!filter.matches(&job(None, "a/", Phase::Done)));
    }

    #[test]
    fn a_query_reads_back_what_it_says() {
        assert_eq!(JobFilter::default().query(&[]), "");
        let filter = JobFilter { text: "a&b".to_owned(), status: Status::Done };
        let query = filter.query(&[("before", "X".to_owned())]);
        assert!(query.starts_with('?') && query.contains("before=X"), "{query}");
        let mut read = ParamsMap::new();
        read.insert(TEXT, " a&b ".to_owned());
        read.insert(STATUS, "done".to_owned());
        assert_eq!(JobFilter::from_query(&read), filter);
        read.replace(STATUS, "nonsense".to_owned());
        assert_eq!(JobFilter::from_query(&read).status, Status::All);
    }
}
