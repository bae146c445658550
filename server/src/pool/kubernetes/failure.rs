//! What the cluster refuses, in sentences that say what to do.

use std::error::Error;
use std::time::Duration;

use kube::core::Status;
use kube::runtime::watcher;

/// A request to the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Watch the workers' Deployment.
    WatchDeployment,
    /// Watch the pods of the Deployment.
    WatchPods,
    /// Write the deletion cost on a pod.
    PatchPods,
    /// Set the number of replicas.
    PatchScale,
}

impl Operation {
    /// The verbs and the resource that the server's Role needs for it.
    const fn required_permission(self) -> &'static str {
        match self {
            Operation::WatchDeployment => "list and watch on deployments",
            Operation::WatchPods => "list and watch on pods",
            Operation::PatchPods => "patch on pods",
            Operation::PatchScale => "patch on deployments/scale",
        }
    }

    const fn describe(self) -> &'static str {
        match self {
            Operation::WatchDeployment => "watching the workers' Deployment",
            Operation::WatchPods => "watching the workers' pods",
            Operation::PatchPods => "setting the deletion cost of pods",
            Operation::PatchScale => "scaling the workers' Deployment",
        }
    }
}

/// An error of the cluster. What failed is retried.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ClusterError {
    /// What failed, why, and what to do; shown on the dashboard.
    pub(super) message: String,
    /// The least time to wait before the next try.
    pub(super) retry_after: Duration,
}

impl ClusterError {
    /// The API server did not answer in time.
    pub(super) fn timed_out() -> ClusterError {
        ClusterError::now("the Kubernetes API does not answer; retrying".to_owned())
    }

    /// The message for a Deployment that does not exist.
    pub(super) fn no_deployment(name: &str, namespace: &str) -> String {
        format!(
            "there is no Deployment {name} in the namespace {namespace}: apply the manifests in \
             k8s/, or name another Deployment with --kubernetes-deployment"
        )
    }

    /// A watch has failed.
    pub(super) fn of_watch(
        operation: Operation,
        name: &str,
        namespace: &str,
        error: &watcher::Error,
    ) -> ClusterError {
        match error {
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => {
                ClusterError::of_request(operation, name, namespace, error)
            }
            watcher::Error::WatchError(status) => refused(operation, name, namespace, status),
            watcher::Error::NoResourceVersion => {
                ClusterError::now(format!("{}: {error}", operation.describe()))
            }
        }
    }

    /// Whether the watch only fell behind the cluster's history (410 Gone). It
    /// then lists everything again by itself.
    pub(super) fn is_expired(error: &watcher::Error) -> bool {
        matches!(error, watcher::Error::WatchError(status) if status.code == 410)
    }

    /// A request has failed.
    pub(super) fn of_request(
        operation: Operation,
        name: &str,
        namespace: &str,
        error: &kube::Error,
    ) -> ClusterError {
        match error {
            kube::Error::Api(status) => refused(operation, name, namespace, status),
            other => ClusterError::now(format!(
                "the Kubernetes API cannot be reached ({}); retrying, and running workers \
                 continue",
                innermost(other)
            )),
        }
    }

    /// An error after which the next try may follow at once.
    fn now(message: String) -> ClusterError {
        ClusterError { message, retry_after: Duration::ZERO }
    }
}

/// The API server answered with an error.
fn refused(operation: Operation, name: &str, namespace: &str, status: &Status) -> ClusterError {
    let said = status.message.trim();
    let message = match status.code {
        401 => format!(
            "the Kubernetes API does not accept the server's account ({said}): check that its \
             ServiceAccount exists and that its token has not expired"
        ),
        403 => format!(
            "the server's account lacks a permission in the namespace {namespace}: its Role \
             needs {}, see k8s/base/server/role.yaml ({said})",
            operation.required_permission()
        ),
        404 if operation == Operation::PatchScale => ClusterError::no_deployment(name, namespace),
        429 => format!("the Kubernetes API is overloaded; retrying ({said})"),
        _ => format!("{}: {said}; retrying", operation.describe()),
    };
    let seconds = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
    ClusterError { message, retry_after: Duration::from_secs(seconds.into()) }
}

/// The innermost cause of an error, which says most.
fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(code: u16, message: &str) -> kube::Error {
        let status = Status { code, message: message.to_owned(), ..Status::default() };
        kube::Error::Api(Box::new(status))
    }

    #[test]
    fn a_missing_verb_is_named() {
        let error =
            answer(403, "deployments.apps \"workers\" is forbidden: User \"a\" cannot patch");
        let error = ClusterError::of_request(Operation::PatchScale, "workers", "means", &error);
        assert_eq!(
            error.message,
            "the server's account lacks a permission in the namespace means: its Role needs patch \
             on deployments/scale, see k8s/base/server/role.yaml (deployments.apps \"workers\" is \
             forbidden: User \"a\" cannot patch)"
        );
    }

    #[test]
    fn a_missing_deployment_is_named() {
        let error = ClusterError::of_request(
            Operation::PatchScale,
            "workers",
            "means",
            &answer(404, "not found"),
        );
        assert!(error.message.starts_with("there is no Deployment workers in the namespace means"));
        assert!(error.message.contains("--kubernetes-deployment"));
    }

    #[test]
    fn an_overloaded_server_says_when_to_come_back() {
        let status = Status {
            code: 429,
            message: "too many requests".to_owned(),
            details: serde_json::from_value(json!({"retryAfterSeconds": 7})).unwrap(),
            ..Status::default()
        };
        let error = kube::Error::Api(Box::new(status));
        let error = ClusterError::of_request(Operation::WatchPods, "workers", "means", &error);
        assert_eq!(error.retry_after, Duration::from_secs(7));
    }

    #[test]
    fn an_unreachable_server_is_told_from_one_that_refuses() {
        let cause = std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "refused");
        let error = kube::Error::Service(Box::new(cause));
        let error = ClusterError::of_request(Operation::WatchPods, "workers", "means", &error);
        assert!(error.message.contains("cannot be reached (refused)"), "{}", error.message);
    }
}
