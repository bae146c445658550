//! What the Deployment says of itself.

use k8s_openapi::api::apps::v1::Deployment;
use kube::core::Selector;

/// What the pool wants to know of its Deployment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    /// How many pods it is to have.
    pub(super) replicas: u32,
    /// Which pods are its own.
    pub(super) selector: String,
    /// Why the cluster cannot make its pods, if it cannot.
    pub(super) complaint: Option<String>,
}

impl Found {
    /// Reads a Deployment.
    pub(super) fn read(deployment: &Deployment) -> Found {
        let spec = deployment.spec.clone().unwrap_or_default();
        let conditions = deployment.status.iter().flat_map(|it| it.conditions.iter().flatten());
        let mut failures =
            conditions.filter(|it| it.type_ == "ReplicaFailure" && it.status == "True");
        Found {
            replicas: spec.replicas.and_then(|it| u32::try_from(it).ok()).unwrap_or(1),
            selector: Selector::try_from(spec.selector)
                // The API server takes no Deployment whose selector makes no sense.
                .unwrap_or_default()
                .to_string(),
            complaint: failures
                .next()
                .map(|it| it.message.clone().unwrap_or_else(|| "for an unknown reason".to_owned())),
        }
    }
}
