//! The paths of pages and event streams.

use protocol::JobId;

/// The path of the event stream of all jobs and the workers.
pub const EVENTS: &str = "/api/events?alive=true";

/// The path of the page of a job.
#[must_use]
pub fn job_path(id: JobId) -> String {
    format!("/jobs/{id}")
}

/// The path of the page with the input files of a job.
#[must_use]
pub fn inputs_path(id: JobId) -> String {
    format!("/jobs/{id}/inputs")
}

/// The path of the event stream of a job.
#[must_use]
pub fn job_events_path(id: JobId) -> String {
    format!("/api/jobs/{id}/events?tasks=true&alive=true")
}
