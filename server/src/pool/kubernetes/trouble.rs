//! What the cluster refuses, in words that say what to do.

use std::error::Error;
use std::time::Duration;

use kube::core::Status;
use kube::runtime::watcher;

/// What was asked of the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// To tell of the Deployment.
    WatchDeployment,
    /// To tell of its pods.
    WatchPods,
    /// To write on a pod what deleting it costs.
    PatchPods,
    /// To set the number of replicas.
    PatchScale,
}

impl Doing {
    /// Which verbs of which resource that takes.
    const fn needs(self) -> &'static str {
        match self {
            Doing::WatchDeployment => "list and watch on deployments",
            Doing::WatchPods => "list and watch on pods",
            Doing::PatchPods => "patch on pods",
            Doing::PatchScale => "patch on deployments/scale",
        }
    }

    const fn in_words(self) -> &'static str {
        match self {
            Doing::WatchDeployment => "watching the workers' Deployment",
            Doing::WatchPods => "watching the workers' pods",
            Doing::PatchPods => "marking pods that go first",
            Doing::PatchScale => "scaling the workers' Deployment",
        }
    }
}

/// Something that does not work now.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Trouble {
    /// What, why, and what to do.
    pub(super) words: String,
    /// How long to wait at least before it is tried again.
    pub(super) wait: Duration,
}

impl Trouble {
    /// The API server takes too long.
    pub(super) fn silent() -> Trouble {
        Trouble::soon("the Kubernetes API does not answer; it is asked again".to_owned())
    }

    /// There is no such Deployment.
    pub(super) fn no_deployment(name: &str, namespace: &str) -> String {
        format!(
            "there is no Deployment {name} in the namespace {namespace}: apply the manifests in \
             k8s/, or name another with --kubernetes-deployment"
        )
    }

    /// A watch does not work.
    pub(super) fn watching(
        doing: Doing,
        name: &str,
        namespace: &str,
        error: &watcher::Error,
    ) -> Trouble {
        match error {
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => Trouble::of(doing, name, namespace, error),
            watcher::Error::WatchError(status) => refused(doing, name, namespace, status),
            watcher::Error::NoResourceVersion => {
                Trouble::soon(format!("{}: {error}", doing.in_words()))
            }
        }
    }

    /// Whether a watch has only been away for so long that it begins anew,
    /// which it does by itself.
    pub(super) fn is_ordinary(error: &watcher::Error) -> bool {
        matches!(error, watcher::Error::WatchError(status) if status.code == 410)
    }

    /// A request has failed.
    pub(super) fn of(doing: Doing, name: &str, namespace: &str, error: &kube::Error) -> Trouble {
        match error {
            kube::Error::Api(status) => refused(doing, name, namespace, status),
            other => Trouble::soon(format!(
                "the Kubernetes API cannot be reached ({}); it is asked again, and workers that \
                 run go on",
                innermost(other)
            )),
        }
    }

    fn soon(words: String) -> Trouble {
        Trouble { words, wait: Duration::ZERO }
    }
}

/// The API server has answered, and not well.
fn refused(doing: Doing, name: &str, namespace: &str, status: &Status) -> Trouble {
    let said = status.message.trim();
    let words = match status.code {
        401 => format!(
            "the Kubernetes API does not know the server's account ({said}): see that its \
             ServiceAccount is there and its token not too old"
        ),
        403 => format!(
            "the server's account may not do all it should in the namespace {namespace}: its \
             Role needs {}; k8s/base/server/role.yaml has that ({said})",
            doing.needs()
        ),
        404 if doing == Doing::PatchScale => Trouble::no_deployment(name, namespace),
        429 => format!("the Kubernetes API is overloaded; it is asked again ({said})"),
        _ => format!("{}: {said}; it is tried again", doing.in_words()),
    };
    let wait = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
    Trouble { words, wait: Duration::from_secs(wait.into()) }
}

/// The cause that stands behind all others, which says most.
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
        let trouble = Trouble::of(Doing::PatchScale, "workers", "means", &error);
        assert_eq!(
            trouble.words,
            "the server's account may not do all it should in the namespace means: its Role needs \
             patch on deployments/scale; k8s/base/server/role.yaml has that (deployments.apps \
             \"workers\" is forbidden: User \"a\" cannot patch)"
        );
    }

    #[test]
    fn a_missing_deployment_is_named() {
        let trouble = Trouble::of(Doing::PatchScale, "workers", "means", &answer(404, "not found"));
        assert!(trouble.words.starts_with("there is no Deployment workers in the namespace means"));
        assert!(trouble.words.contains("--kubernetes-deployment"));
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
        let trouble = Trouble::of(Doing::WatchPods, "workers", "means", &error);
        assert_eq!(trouble.wait, Duration::from_secs(7));
    }

    #[test]
    fn an_unreachable_server_is_told_from_one_that_refuses() {
        let cause = std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "refused");
        let error = kube::Error::Service(Box::new(cause));
        let trouble = Trouble::of(Doing::WatchPods, "workers", "means", &error);
        assert!(trouble.words.contains("cannot be reached (refused)"), "{}", trouble.words);
    }
}
