//! Watches the Deployment and its pods, and brings the cluster to the desired state.

use std::time::Duration;

use futures::stream::{BoxStream, FuturesUnordered};
use futures::{FutureExt, StreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, Event, ExponentialBackoff, watcher};
use kube::{Api, Client};
use platform::retry;
use protocol::WorkerId;
use protocol::worker::WorkerState;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::deployments::DeploymentState;
use super::failure::{ClusterError, Operation};
use super::listing::Listing;
use super::pods::{DELETION_COST, PodState};
use super::scaling::{Scaling, Step};
use crate::pool::Observed;

/// How long the API server may take to answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
/// The least time between two changes that nobody requested: where something else
/// sets the replicas too, the two must not keep the cluster busy.
const UNREQUESTED_INTERVAL: Duration = Duration::from_secs(1);

/// A request to the pool.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Request {
    /// The number of workers to keep.
    Desired(u32),
    /// A worker has left, or was told to drain and is lost.
    Released(WorkerId),
    /// A released worker is at work again.
    Retained(WorkerId),
}

type Events<K> = BoxStream<'static, watcher::Result<Event<K>>>;

/// Watches the cluster, and performs one change at a time.
pub(super) struct Reconciler {
    client: Client,
    name: String,
    requests: mpsc::Receiver<Request>,
    observing: watch::Sender<Observed>,
    scaling: Scaling,
    deployment: Listing<DeploymentState>,
    pods: Listing<PodState>,
    /// The last error of each kind, until the next success.
    not_scaled: Option<ClusterError>,
    no_deployment: Option<ClusterError>,
    no_pods: Option<ClusterError>,
}

impl Reconciler {
    pub(super) fn new(
        client: Client,
        name: String,
        requests: mpsc::Receiver<Request>,
        observing: watch::Sender<Observed>,
    ) -> Reconciler {
        Reconciler {
            client,
            name,
            requests,
            observing,
            scaling: Scaling::default(),
            deployment: Listing::default(),
            pods: Listing::default(),
            not_scaled: None,
            no_deployment: None,
            no_pods: None,
        }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut deployments = self.watch_deployment();
        let mut pods: Events<Pod> = futures::stream::pending().boxed();
        // At most one.
        let mut steps = FuturesUnordered::new();
        let mut not_before = Instant::now();
        // Whether a request has arrived since the last step began.
        let mut is_requested = false;
        let mut pauses = pauses();
        loop {
            self.publish();
            let step = if steps.is_empty() { self.step() } else { None };
            let is_due = not_before <= Instant::now();
            let is_waiting = step.is_some() && !is_due;
            if let Some(step) = step.filter(|_| is_due) {
                is_requested = false;
                steps.push(perform(self.client.clone(), self.name.clone(), step).boxed());
            }
            tokio::select! {
                () = stop.cancelled() => return,
                request = self.requests.recv() => {
                    match request {
                        None => return,
                        Some(Request::Desired(desired)) => self.scaling.desired = Some(desired),
                        Some(Request::Released(worker)) => self.scaling.release(worker, &self.pods),
                        Some(Request::Retained(worker)) => self.scaling.retain(&worker),
                    }
                    is_requested = true;
                    not_before = Instant::now();
                }
                Some(finished) = steps.next() => {
                    let is_well = finished.is_ok();
                    let pause = self.finish_step(finished, &mut pauses);
                    not_before = Instant::now();
                    if !(is_well && is_requested) {
                        not_before += pause;
                    }
                }
                Some(event) = deployments.next() => {
                    if self.apply_deployment(event) {
                        pods = self.watch_pods();
                    }
                }
                Some(event) = pods.next() => self.apply_pod(event),
                () = sleep_until(not_before), if is_waiting => {}
            }
        }
    }

    fn watch_deployment(&self) -> Events<Deployment> {
        let this_one = watcher::Config::default().fields(&format!("metadata.name={}", self.name));
        let api = Api::default_namespaced(self.client.clone());
        watcher(api, this_one).backoff(pauses()).boxed()
    }

    fn watch_pods(&mut self) -> Events<Pod> {
        self.pods = Listing::default();
        let Some(found) = self.deployment.get(&self.name) else {
            return futures::stream::pending().boxed();
        };
        let its_own = watcher::Config::default().labels(&found.selector);
        let api = Api::default_namespaced(self.client.clone());
        watcher(api, its_own).backoff(pauses()).boxed()
    }

    /// The next change, as far as the cluster is known.
    fn step(&self) -> Option<Step> {
        let found = self.deployment.get(&self.name)?;
        self.scaling.step(found.replicas, self.pods.known()?)
    }

    /// Handles the end of a step; returns the pause before the next one that
    /// nobody requests.
    fn finish_step(
        &mut self,
        finished: Result<u32, ClusterError>,
        pauses: &mut ExponentialBackoff,
    ) -> Duration {
        match finished {
            Ok(replicas) => {
                if let Some(found) = self.deployment.get_mut(&self.name) {
                    found.replicas = replicas;
                }
                self.not_scaled = None;
                pauses.reset();
                UNREQUESTED_INTERVAL
            }
            Err(error) => {
                tracing::warn!(error = error.message, "Deployment not scaled yet");
                let pause = error.retry_after.max(pauses.next().unwrap_or_default());
                self.not_scaled = Some(error);
                pause
            }
        }
    }

    /// Applies an event of the Deployment; returns whether its selector has changed.
    fn apply_deployment(&mut self, event: watcher::Result<Event<Deployment>>) -> bool {
        let selector = |it: &Reconciler| it.deployment.get(&it.name).map(|it| it.selector.clone());
        match event {
            Ok(event) => {
                let before = selector(self);
                self.no_deployment = None;
                self.deployment.apply(event, DeploymentState::read);
                before != selector(self)
            }
            Err(error) if ClusterError::is_expired(&error) => false,
            Err(error) => {
                self.no_deployment = Some(self.watch_error(Operation::WatchDeployment, &error));
                false
            }
        }
    }

    fn apply_pod(&mut self, event: watcher::Result<Event<Pod>>) {
        match event {
            Ok(event) => {
                self.no_pods = None;
                self.pods.apply(event, PodState::read);
                if let Some(pods) = self.pods.known() {
                    self.scaling.forget_ended(pods);
                }
            }
            Err(error) if ClusterError::is_expired(&error) => {}
            Err(error) => self.no_pods = Some(self.watch_error(Operation::WatchPods, &error)),
        }
    }

    fn watch_error(&self, operation: Operation, error: &watcher::Error) -> ClusterError {
        let error =
            ClusterError::of_watch(operation, &self.name, self.client.default_namespace(), error);
        tracing::warn!(error = error.message, "watch of the cluster failed");
        error
    }

    /// Publishes what the pool sees, if it has changed.
    fn publish(&self) {
        let pods = || self.pods.known().into_iter().flatten();
        // Evicted pods stay in the cluster for long; the latest of them is enough.
        let ended = pods().filter(|(_, pod)| pod.has_ended);
        let last = ended.max_by_key(|(_, pod)| pod.made_at_secs).map(|(name, _)| name);
        let shown = pods().filter(|(name, pod)| !pod.has_ended || Some(*name) == last);
        let members = shown.map(|(name, pod)| {
            let mut member = pod.member.clone();
            if self.scaling.is_released(name) {
                member.state = WorkerState::Draining;
            }
            (WorkerId::from(name.clone()), member)
        });
        let observed = Observed { members: members.collect(), notice: self.notice() };
        self.observing.send_if_modified(|before| {
            let is_new = *before != observed;
            *before = observed;
            is_new
        });
    }

    fn notice(&self) -> Option<String> {
        let errors = [&self.no_deployment, &self.no_pods, &self.not_scaled];
        let message = errors.into_iter().flatten().map(|error| error.message.clone()).next();
        message.or_else(|| match (self.deployment.known(), self.deployment.get(&self.name)) {
            (Some(_), None) => {
                Some(ClusterError::no_deployment(&self.name, self.client.default_namespace()))
            }
            (_, found) => {
                let failure = found?.failure.as_ref()?;
                Some(format!("the cluster cannot create worker pods: {failure}"))
            }
        })
    }
}

/// Writes the deletion costs on pods, then sets the number of replicas; returns the
/// number that was set.
async fn perform(client: Client, name: String, step: Step) -> Result<u32, ClusterError> {
    let namespace = client.default_namespace().to_owned();
    let pods = Api::<Pod>::default_namespaced(client.clone());
    let ours = PatchParams::default();
    for (pod, cost) in step.costs {
        let cost = cost.map(|cost| cost.to_string());
        let patch = Patch::Merge(json!({"metadata": {"annotations": {DELETION_COST: cost}}}));
        let patched = timeout(ANSWER_TIME_MAX, pods.patch_metadata(&pod, &ours, &patch)).await;
        match patched.map_err(|_| ClusterError::timed_out())? {
            // The pod was deleted meanwhile.
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            Err(error) => {
                return Err(ClusterError::of_request(
                    Operation::PatchPods,
                    &name,
                    &namespace,
                    &error,
                ));
            }
            Ok(_) => {}
        }
    }
    let deployments = Api::<Deployment>::default_namespaced(client);
    let patch = Patch::Merge(json!({"spec": {"replicas": step.replicas}}));
    let patched = timeout(ANSWER_TIME_MAX, deployments.patch_scale(&name, &ours, &patch)).await;
    let scale = patched.map_err(|_| ClusterError::timed_out())?.map_err(|error| {
        ClusterError::of_request(Operation::PatchScale, &name, &namespace, &error)
    })?;
    let replicas = scale.spec.and_then(|spec| spec.replicas);
    let replicas = replicas.and_then(|it| u32::try_from(it).ok()).unwrap_or(step.replicas);
    tracing::info!(replicas, deployment = name, "Deployment scaled");
    Ok(replicas)
}

/// Between one trial and the next.
fn pauses() -> ExponentialBackoff {
    retry::ORCHESTRATOR.into()
}
