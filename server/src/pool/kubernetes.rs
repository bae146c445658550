//! Workers as the pods of a Kubernetes Deployment.
//!
//! In reading order: `deployments` and `pods` say what the Deployment tells of
//! itself and a pod of the worker in it, `scaling` decides how many replicas
//! there are to be and which pods go first, `keeper` watches and asks the
//! cluster, with `listing` for what it has heard and `trouble` for what the
//! cluster refuses.

mod deployments;
mod keeper;
mod listing;
mod pods;
mod scaling;
mod trouble;

use anyhow::Context;
use async_trait::async_trait;
use kube::{Client, Config};
use platform::Description;
use protocol::WorkerId;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::keeper::{Ask, Keeper};
use super::{Observed, WorkerPool};

/// How many asks may wait for the keeper, which takes each at once.
const ASKS_CAPACITY: usize = 64;

/// Workers as the pods of a Deployment: the pool sets how many replicas it has,
/// and the cluster's own controllers keep them alive. Image, resources and
/// environment of the workers are the Deployment's. A worker is called like its
/// pod.
///
/// A worker that was drained and whose pod stays, because something else went
/// instead, is started again by its kubelet and works on.
pub struct KubernetesPool {
    location: String,
    asks: mpsc::Sender<Ask>,
    observed: watch::Receiver<Observed>,
    keeper: TaskTracker,
    stop: CancellationToken,
}

impl KubernetesPool {
    /// A pool of the Deployment of this name, in the cluster and namespace
    /// that the kubeconfig or the pod's service account name. Whether they are
    /// there is found out later, and shown.
    ///
    /// # Errors
    /// If neither a kubeconfig nor a service account is there, or they make no sense.
    pub async fn connect(deployment: &str) -> anyhow::Result<KubernetesPool> {
        let config = Config::infer().await.context(
            "finding the cluster: --pool kubernetes needs a pod with a service account, \
             or a kubeconfig",
        )?;
        KubernetesPool::start(config, deployment)
    }

    /// The same with the cluster and namespace of `config`.
    ///
    /// # Errors
    /// If its certificates make no sense.
    pub fn start(config: Config, deployment: &str) -> anyhow::Result<KubernetesPool> {
        let client = Client::try_from(config).context("reading the cluster's configuration")?;
        let location = format!("Deployment {}/{deployment}", client.default_namespace());
        let (asks, asked) = mpsc::channel(ASKS_CAPACITY);
        let (observing, observed) = watch::channel(Observed::default());
        let stop = CancellationToken::new();
        let keeper = TaskTracker::new();
        let keep = Keeper::new(client, deployment.to_owned(), asked, observing).run(stop.clone());
        keeper.spawn(keep);
        keeper.close();
        Ok(KubernetesPool { location, asks, observed, keeper, stop })
    }

    async fn ask(&self, ask: Ask) -> anyhow::Result<()> {
        self.asks.send(ask).await.context("the pool has ended")
    }
}

#[async_trait]
impl WorkerPool for KubernetesPool {
    fn description(&self) -> Description {
        Description::at("kubernetes", self.location.clone())
    }

    async fn drained(&self, worker: &WorkerId) -> anyhow::Result<()> {
        self.ask(Ask::Drained(worker.clone())).await
    }

    async fn ensure(&self, desired: u32) -> anyhow::Result<()> {
        self.ask(Ask::Desired(desired)).await
    }

    fn observed(&self) -> Option<watch::Receiver<Observed>> {
        Some(self.observed.clone())
    }

    async fn stop(&self) {
        self.stop.cancel();
        self.keeper.wait().await;
    }
}
