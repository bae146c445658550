//! The paths of pages and event streams.

use protocol::{JobId, TaskId, WorkerId};
use serde::{Deserialize, Serialize};

/// The path of the event stream of all jobs and the workers.
pub const EVENTS: &str = "/api/events?alive=true";

/// The path of the list of all jobs.
#[cfg(feature = "ssr")]
pub const JOBS: &str = "/jobs";

/// The path of the page of a job.
#[must_use]
pub fn job_path(id: JobId) -> String {
    format!("/jobs/{id}")
}

/// The path of a small picture of the result of a job.
#[must_use]
pub fn thumbnail_path(id: JobId) -> String {
    format!("/jobs/{id}/thumbnail")
}

/// The path of the report of a job.
#[cfg(feature = "ssr")]
#[must_use]
pub fn report_path(id: JobId) -> String {
    format!("/api/jobs/{id}/report.html")
}

/// The path of the page that compares the results of two jobs.
#[cfg(feature = "ssr")]
#[must_use]
pub fn compare_path(id: JobId, other: JobId) -> String {
    format!("/jobs/{id}/compare/{other}")
}

/// The path of the page of a task.
#[must_use]
pub fn task_path(id: JobId, task: TaskId) -> String {
    format!("/jobs/{id}/tasks/{task}")
}

/// The path of the page with the tasks of a level of a job, from the one at an index.
#[must_use]
pub fn tasks_path(id: JobId, level: usize, start: u64) -> String {
    format!("/jobs/{id}/tasks?level={level}&start={start}")
}

/// The path of the page of a worker.
#[must_use]
pub fn worker_path(worker: &WorkerId) -> String {
    let mut path = "/workers/".to_owned();
    // Not a dot: a name such as `..` would lead elsewhere.
    push_encoded(&mut path, worker.as_str(), false);
    path
}

/// The address of what a worker does now.
#[cfg(feature = "ssr")]
#[must_use]
pub fn worker_now_path(worker: &WorkerId) -> String {
    format!("{}?{NOW}=shown", worker_path(worker))
}

/// The query parameter of the page of a worker that asks only for what it does now.
#[cfg(feature = "ssr")]
pub const NOW: &str = "now";

/// Appends a text to a path, in which only letters, digits, `-` and `_`, and slashes and
/// dots if they are kept, stay as they are.
fn push_encoded(path: &mut String, text: &str, keeps_dots: bool) {
    const DIGITS: [u8; 16] = *b"0123456789ABCDEF";
    for byte in text.bytes() {
        let is_kept = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'_')
            || keeps_dots && matches!(byte, b'/' | b'.');
        if is_kept {
            path.push(char::from(byte));
        } else {
            path.push('%');
            path.push(char::from(DIGITS[usize::from(byte >> 4)]));
            path.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

/// The pages of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobTab {
    /// The result, and the progress until it is there.
    Result,
    /// The attempts over time.
    Run,
    /// The tasks, level by level.
    Tasks,
    /// The input files.
    Inputs,
    /// What happened.
    Log,
}

impl JobTab {
    /// All pages, in the order in which they are shown.
    pub const ALL: [JobTab; 5] =
        [JobTab::Result, JobTab::Run, JobTab::Tasks, JobTab::Inputs, JobTab::Log];

    /// The name of the page, shown and used in `data-tab`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            JobTab::Result => "Result",
            JobTab::Run => "Run",
            JobTab::Tasks => "Tasks",
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
            JobTab::Tasks => format!("/jobs/{id}/tasks"),
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

/// The path at which an object of the store is uploaded and downloaded.
#[must_use]
pub fn object_path(key: &str) -> String {
    let mut path = "/api/files/".to_owned();
    push_encoded(&mut path, key, true);
    path
}

/// The path of the list of the jobs whose name or inputs contain a text.
#[cfg(feature = "ssr")]
#[must_use]
pub fn search_path(text: &str) -> String {
    let mut query = leptos_router::params::ParamsMap::new();
    query.insert(crate::filter::TEXT, text.to_owned());
    format!("{JOBS}{}", query.to_query_string())
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
    fn the_name_of_a_worker_stays_one_part_of_its_path() {
        let path = |name: &str| worker_path(&WorkerId::from(name.to_owned()));
        assert_eq!(path("worker-1"), "/workers/worker-1");
        assert_eq!(path("host/7 #1?"), "/workers/host%2F7%20%231%3F");
        assert_eq!(path(".."), "/workers/%2E%2E");
        assert_eq!(path("w\u{e9}"), "/workers/w%C3%A9");
    }

    #[cfg(feature = "ssr")]
    #[test]
    fn an_object_is_downloaded_by_its_key() {
        assert_eq!(object_path("in/a b.npy"), "/api/files/in/a%20b.npy");
        assert_eq!(object_path("50%?#\u{e9}"), "/api/files/50%25%3F%23%C3%A9");
    }

    #[test]
    fn a_folder_lies_in_its_parent() {
        let parents = ["a.csv", "in/a.csv", "in/", "in/deep/", "in/deep/x"].map(parent);
        assert_eq!(parents, ["", "in/", "", "in/", "in/deep/"]);
    }
}
