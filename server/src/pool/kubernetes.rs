//! Workers as the pods of a Kubernetes Deployment.
//!
//! In reading order: `deployments` and `pods` read the state of the Deployment and
//! of a pod. `scaling` decides how many replicas to set and which pods to delete
//! first. `reconciler` watches the cluster and changes it, with `listing` for what
//! it has seen and `failure` for errors of the cluster.

mod deployments;
mod failure;
mod listing;
mod pods;
mod reconciler;
mod scaling;

use anyhow::Context;
use async_trait::async_trait;
use kube::{Client, Config};
use platform::Description;
use protocol::WorkerId;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::reconciler::{Reconciler, Request};
use super::{Observed, WorkerPool};

/// How many requests may wait for the reconciler, which handles each at once.
const REQUESTS_CAPACITY: usize = 64;

/// Workers as the pods of a Deployment. The pool sets the number of replicas, and
/// the cluster's own controllers keep them running. Image, resources and
/// environment of the workers are those of the Deployment. The name of a worker is
/// that of its pod.
///
/// A pod is deleted only once its worker has left, because deletion would stop an
/// attempt that the worker accepted before it heard that it is drained. If the cluster
/// deletes another pod than that of a released worker, the kubelet restarts the released
/// one, and it takes tasks again.
pub struct KubernetesPool {
    location: String,
    requests: mpsc::Sender<Request>,
    observed: watch::Receiver<Observed>,
    reconciler: TaskTracker,
    stop: CancellationToken,
}

impl KubernetesPool {
    /// A pool of the Deployment of this name, in the cluster and namespace of the
    /// kubeconfig or of the pod's service account. A cluster or Deployment that
    /// does not exist is no error here, but a notice on the dashboard.
    ///
    /// # Errors
    ///
    /// If there is neither a kubeconfig nor a service account, or it is invalid.
    pub async fn connect(deployment: &str) -> anyhow::Result<KubernetesPool> {
        let config = Config::infer().await.context(
            "locating the cluster: --pool kubernetes needs a pod with a service account, or a \
             kubeconfig",
        )?;
        KubernetesPool::start(config, deployment)
    }

    /// As [`KubernetesPool::connect`], with the cluster and namespace of `config`.
    ///
    /// # Errors
    ///
    /// If its certificates are invalid.
    pub fn start(config: Config, deployment: &str) -> anyhow::Result<KubernetesPool> {
        let client = Client::try_from(config).context("reading the cluster's configuration")?;
        let location = format!("Deployment {}/{deployment}", client.default_namespace());
        let (requests, requested) = mpsc::channel(REQUESTS_CAPACITY);
        let (observing, observed) = watch::channel(Observed::default());
        let stop = CancellationToken::new();
        let reconciler = TaskTracker::new();
        let running = Reconciler::new(client, deployment.to_owned(), requested, observing);
        reconciler.spawn(running.run(stop.clone()));
        reconciler.close();
        Ok(KubernetesPool { location, requests, observed, reconciler, stop })
    }

    async fn request(&self, request: Request) -> anyhow::Result<()> {
        self.requests.send(request).await.context("the pool has stopped")
    }
}

#[async_trait]
impl WorkerPool for KubernetesPool {
    fn description(&self) -> Description {
        Description::at("kubernetes", self.location.clone())
    }

    async fn drained(&self, _: &WorkerId) -> anyhow::Result<()> {
        Ok(())
    }

    async fn released(&self, worker: &WorkerId) -> anyhow::Result<()> {
        self.request(Request::Released(worker.clone())).await
    }

    async fn retained(&self, worker: &WorkerId) -> anyhow::Result<()> {
        self.request(Request::Retained(worker.clone())).await
    }

    async fn ensure(&self, desired: u32) -> anyhow::Result<()> {
        self.request(Request::Desired(desired)).await
    }

    fn observed(&self) -> Option<watch::Receiver<Observed>> {
        Some(self.observed.clone())
    }

    async fn stop(&self) {
        self.stop.cancel();
        self.reconciler.wait().await;
    }
}
