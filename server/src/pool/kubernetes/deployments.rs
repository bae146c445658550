//! The state of the workers' Deployment.

use k8s_openapi::api::apps::v1::Deployment;
use kube::core::Selector;

/// What the pool reads of its Deployment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct DeploymentState {
    /// The number of replicas in its spec.
    pub(super) replicas: u32,
    /// The label selector of its pods.
    pub(super) selector: String,
    /// Why the cluster cannot create its pods, if it cannot.
    pub(super) failure: Option<String>,
}

impl DeploymentState {
    /// Reads a Deployment.
    pub(super) fn read(deployment: &Deployment) -> DeploymentState {
        let spec = deployment.spec.clone().unwrap_or_default();
        let conditions = deployment.status.iter().flat_map(|it| it.conditions.iter().flatten());
        let mut failures =
            conditions.filter(|it| it.type_ == "ReplicaFailure" && it.status == "True");
        DeploymentState {
            replicas: spec.replicas.and_then(|it| u32::try_from(it).ok()).unwrap_or(1),
            selector: Selector::try_from(spec.selector)
                // The API server rejects a Deployment with an invalid selector.
                .unwrap_or_default()
                .to_string(),
            failure: failures
                .next()
                .map(|it| it.message.clone().unwrap_or_else(|| "for an unknown reason".to_owned())),
        }
    }
}
