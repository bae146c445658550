//! What each request needs.
//!
//! A request that changes something and is not in the table needs the role with the
//! most rights, so that a new route that was forgotten here is not open.

use axum::http::{Method, Uri};
use protocol::{JobId, Role};

/// What a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: probes, the sign-in, and what all pages download.
    Nothing,
    /// A role.
    Role(Role),
    /// The role to view, or a link to this job.
    ViewOf(JobId),
}

/// The paths that are open to anybody.
const OPEN: [&str; 4] = ["/healthz", "/readyz", SIGN_IN, SIGN_OUT];
/// The path of the sign-in: a page, and what its form posts to.
pub const SIGN_IN: &str = "/sign-in";
/// The path that a form posts to in order to sign out.
pub const SIGN_OUT: &str = "/sign-out";

/// What a request needs.
#[must_use]
pub fn need(method: &Method, uri: &Uri) -> Need {
    let path = uri.path();
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    if OPEN.contains(&path) || is_read && path.starts_with("/pkg/") {
        return Need::Nothing;
    }
    // Whoever has the link can pass it on.
    if is_read && path.ends_with("/share") && path.starts_with("/api/jobs/") {
        return Need::Role(Role::Submit);
    }
    if is_read {
        return job_shown(path, uri.query()).map_or(Need::Role(Role::View), Need::ViewOf);
    }
    let parts: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
    let role = match (method.as_str(), &parts[..]) {
        // Planning reads inputs, and changes nothing.
        ("POST", ["api", "plan" | "jobs"] | ["api", "jobs", _, "rerun" | "resume"]) => Role::Submit,
        ("POST" | "DELETE", ["api", "jobs", _, "share"]) => Role::Submit,
        // Of jobs of others, the engine lets only an admin delete them.
        ("DELETE", ["api", "jobs", _]) => Role::Submit,
        ("POST", ["api", "uploads"] | ["api", "uploads", _, "finish"])
        | ("PUT" | "DELETE", ["api", "uploads", _]) => Role::Submit,
        ("PUT", ["api", "files", ..]) | ("POST", ["api", "files"] | ["files", "upload"]) => {
            Role::Submit
        }
        (
            "POST",
            [
                "app",
                "preview" | "submit" | "cancel" | "cancel-jobs" | "delete" | "delete-jobs"
                | "rerun" | "resume" | "share" | "withdraw",
            ],
        ) => Role::Submit,
        _ => Role::Admin,
    };
    Need::Role(role)
}

/// The job that a path shows, with its result and its events, if it shows one.
#[must_use]
pub fn job_shown(path: &str, query: Option<&str>) -> Option<JobId> {
    let parts: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
    match parts[..] {
        ["jobs", id]
        | ["jobs", id, "run" | "tasks" | "inputs" | "log" | "view" | "thumbnail"]
        | ["jobs", id, "tasks", _]
        | ["api", "jobs", id]
        | [
            "api",
            "jobs",
            id,
            "result" | "values" | "envelope" | "image.png" | "report.html" | "events" | "tasks"
            | "timeline" | "trace.json" | "inputs",
        ] => id.parse().ok(),
        // The page's own read of its job.
        ["app", "job"] => parameter(query?, "id")?.parse().ok(),
        _ => None,
    }
}

/// The value of a parameter that needs no decoding.
#[must_use]
pub fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

    fn needed(method: &str, path: &str) -> Need {
        let uri = path.replace("JOB", JOB).parse().unwrap();
        need(&Method::from_bytes(method.as_bytes()).unwrap(), &uri)
    }

    #[test]
    fn each_request_needs_what_the_documents_say() {
        let job = Need::ViewOf(JOB.parse().unwrap());
        let [view, submit, admin] = Role::ALL.map(Need::Role);
        for (expected, requests) in [
            (Need::Nothing, &["GET /healthz", "GET /readyz", "GET /sign-in", "POST /sign-in"][..]),
            (Need::Nothing, &["POST /sign-out", "GET /pkg/a.js", "HEAD /pkg/a.wasm"]),
            (job, &["GET /jobs/JOB", "GET /api/jobs/JOB", "GET /api/jobs/JOB/result?format=npy"]),
            (job, &["GET /jobs/JOB/tasks?level=1", "GET /jobs/JOB/tasks/0.1.0"]),
            (view, &["GET /workers/worker-1", "GET /jobs/JOB/tasks/0.1.0/more"]),
            (job, &["GET /jobs/JOB/run", "GET /jobs/JOB/log", "GET /api/jobs/JOB/timeline?from=1"]),
            (job, &["GET /api/jobs/JOB/report.html"]),
            (job, &["GET /api/jobs/JOB/trace.json", "GET /jobs/JOB/view?from=1"]),
            (job, &["GET /jobs/JOB/thumbnail"]),
            (
                job,
                &[
                    "GET /api/jobs/JOB/values?columns=0..9",
                    "GET /api/jobs/JOB/envelope",
                    "GET /api/jobs/JOB/image.png",
                ],
            ),
            (job, &["GET /jobs/JOB/inputs", "GET /api/jobs/JOB/inputs?cursor=1"]),
            (job, &["GET /api/jobs/JOB/events", "HEAD /jobs/JOB?share=x", "GET /app/job?id=JOB"]),
            (view, &["GET /", "GET /jobs", "GET /api/jobs", "GET /api/events", "GET /metrics"]),
            (view, &["GET /api/files/a", "GET /api/workers", "GET /app/overview", "GET /jobs/x"]),
            (view, &["GET /pkg", "GET /api/openapi.json"]),
            (submit, &["POST /api/jobs", "POST /api/plan", "POST /api/jobs/JOB/rerun"]),
            (submit, &["POST /api/jobs/JOB/resume", "POST /app/resume"]),
            (submit, &["POST /api/uploads", "PUT /api/uploads/a?offset=1"]),
            (submit, &["POST /api/uploads/a/finish", "DELETE /api/uploads/a"]),
            (
                submit,
                &[
                    "DELETE /api/jobs/JOB",
                    "PUT /api/files/a/b",
                    "POST /app/submit",
                    "POST /files/upload",
                    "POST /api/files?prefix=in/",
                ],
            ),
            (
                submit,
                &[
                    "POST /api/jobs/JOB/share",
                    "GET /api/jobs/JOB/share",
                    "DELETE /api/jobs/JOB/share",
                ],
            ),
            (submit, &["DELETE /api/jobs/JOB?purge=true", "POST /app/delete"]),
            (submit, &["POST /app/cancel-jobs", "POST /app/delete-jobs"]),
            (view, &["GET /jobs/selected?action=delete&job=JOB"]),
            (admin, &["PUT /api/workers", "DELETE /api/files/a", "DELETE /api/jobs/JOB/x"]),
            (admin, &["POST /app/delete-files", "DELETE /api/files/in/"]),
            (view, &["GET /files?prefix=in/", "GET /api/folders"]),
            (admin, &["POST /app/workers", "POST /app/new", "PATCH /api/jobs", "POST /pkg/a"]),
            (admin, &["POST //api/jobs", "POST /api/jobs/", "OPTIONS /api/jobs", "POST /metrics"]),
        ] {
            for request in requests {
                let (method, path) = request.split_once(' ').unwrap();
                assert_eq!(needed(method, path), expected, "{request}");
            }
        }
    }
}
