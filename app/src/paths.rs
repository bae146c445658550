//! Where things are on the site.

use protocol::JobId;

/// The events of all jobs and of the workers.
pub const EVENTS: &str = "/api/events";

/// The page of a job.
#[must_use]
pub fn job_path(id: JobId) -> String {
    format!("/jobs/{id}")
}

/// The events of a job.
#[must_use]
pub fn job_events_path(id: JobId) -> String {
    format!("/api/jobs/{id}/events")
}
