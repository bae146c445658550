//! The paths of pages and event streams.

use protocol::JobId;
use serde::{Deserialize, Serialize};

/// The path of the event stream of all jobs and the workers.
pub const EVENTS: &str = "/api/events?alive=true";

/// The path of the page of a job.
#[must_use]
pub fn job_path(id: JobId) -> String {
    format!("/jobs/{id}")
}

/// The pages of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobTab {
    /// The result, and the progress until it is there.
    Result,
    /// The attempts over time.
    Run,
    /// The input files.
    Inputs,
    /// What happened.
    Log,
}

impl JobTab {
    /// All pages, in the order in which they are shown.
    pub const ALL: [JobTab; 4] = [JobTab::Result, JobTab::Run, JobTab::Inputs, JobTab::Log];

    /// The name of the page, shown and used in `data-tab`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            JobTab::Result => "Result",
            JobTab::Run => "Run",
            JobTab::Inputs => "Inputs",
            JobTab::Log => "Log",
        }
    }

    /// The path of the page.
    #[must_use]
    pub fn path(self, id: JobId) -> String {
        match self {
            JobTab::Result => job_path(id),
            JobTab::Run => format!("/jobs/{id}/run"),
            JobTab::Inputs => format!("/jobs/{id}/inputs"),
            JobTab::Log => format!("/jobs/{id}/log"),
        }
    }
}

/// The path of the page with the files of a folder of the store.
#[cfg(feature = "ssr")]
#[must_use]
pub fn files_path(prefix: &str) -> String {
    let mut query = leptos_router::params::ParamsMap::new();
    query.insert("prefix", prefix.to_owned());
    format!("/files{}", query.to_query_string())
}

/// The folder that an object or a folder lies in: empty, or ending in a slash.
#[must_use]
pub fn parent(key: &str) -> &str {
    let name = key.strip_suffix('/').unwrap_or(key);
    name.rfind('/').map_or("", |at| &key[..=at])
}

/// The path of the event stream of a job.
#[must_use]
pub fn job_events_path(id: JobId) -> String {
    format!("/api/jobs/{id}/events?tasks=true&alive=true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_lies_in_its_parent() {
        let parents = ["a.csv", "in/a.csv", "in/", "in/deep/", "in/deep/x"].map(parent);
        assert_eq!(parents, ["", "in/", "", "in/", "in/deep/"]);
    }
}
