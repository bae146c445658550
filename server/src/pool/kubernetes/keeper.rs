//! Watches the Deployment and its pods, and asks the cluster for what is to be.

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

use super::deployments::Found;
use super::listing::Listing;
use super::pods::{DELETION_COST, Seen};
use super::scaling::{Scaling, Step};
use super::trouble::{Doing, Trouble};
use crate::pool::Observed;

/// How long the API server may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long after a change the next may follow that nobody has asked for: where
/// somebody else sets the replicas too, the two shall not keep the cluster busy.
const UNASKED_EVERY: Duration = Duration::from_secs(1);

/// What the pool is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ask {
    /// So many workers.
    Desired(u32),
    /// A worker has been told to drain.
    Drained(WorkerId),
}

type Events<K> = BoxStream<'static, watcher::Result<Event<K>>>;

/// Watches, and asks for one thing at a time.
pub(super) struct Keeper {
    client: Client,
    name: String,
    asks: mpsc::Receiver<Ask>,
    observing: watch::Sender<Observed>,
    scaling: Scaling,
    deployment: Listing<Found>,
    pods: Listing<Seen>,
    /// What went wrong last with each of the three, unless it has gone well since.
    not_scaled: Option<Trouble>,
    no_deployment: Option<Trouble>,
    no_pods: Option<Trouble>,
}

impl Keeper {
    pub(super) fn new(
        client: Client,
        name: String,
        asks: mpsc::Receiver<Ask>,
        observing: watch::Sender<Observed>,
    ) -> Keeper {
        Keeper {
            client,
            name,
            asks,
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
        // One at most.
        let mut steps = FuturesUnordered::new();
        let mut not_before = Instant::now();
        // Whether something was asked for since the last step was begun.
        let mut is_asked = false;
        let mut pauses = pauses();
        loop {
            self.publish();
            let step = if steps.is_empty() { self.step() } else { None };
            let is_due = not_before <= Instant::now();
            let is_waiting = step.is_some() && !is_due;
            if let Some(step) = step.filter(|_| is_due) {
                is_asked = false;
                steps.push(perform(self.client.clone(), self.name.clone(), step).boxed());
            }
            tokio::select! {
                () = stop.cancelled() => return,
                ask = self.asks.recv() => {
                    match ask {
                        None => return,
                        Some(Ask::Desired(desired)) => self.scaling.desired = Some(desired),
                        Some(Ask::Drained(worker)) => self.scaling.drain(worker, &self.pods),
                    }
                    is_asked = true;
                    not_before = Instant::now();
                }
                Some(settled) = steps.next() => {
                    let is_well = settled.is_ok();
                    let pause = self.settle(settled, &mut pauses);
                    not_before = Instant::now();
                    if !(is_well && is_asked) {
                        not_before += pause;
                    }
                }
                Some(event) = deployments.next() => {
                    if self.take_deployment(event) {
                        pods = self.watch_pods();
                    }
                }
                Some(event) = pods.next() => self.take_pod(event),
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

    /// What there is to do, as far as the cluster is known.
    fn step(&self) -> Option<Step> {
        let found = self.deployment.get(&self.name)?;
        self.scaling.step(found.replicas, self.pods.known()?)
    }

    /// Takes in how a step ended; says how long to wait before the next that
    /// nobody asks for.
    fn settle(
        &mut self,
        settled: Result<u32, Trouble>,
        pauses: &mut ExponentialBackoff,
    ) -> Duration {
        match settled {
            Ok(replicas) => {
                if let Some(found) = self.deployment.get_mut(&self.name) {
                    found.replicas = replicas;
                }
                self.not_scaled = None;
                pauses.reset();
                UNASKED_EVERY
            }
            Err(trouble) => {
                tracing::warn!(trouble = trouble.words, "not scaled yet");
                let pause = trouble.wait.max(pauses.next().unwrap_or_default());
                self.not_scaled = Some(trouble);
                pause
            }
        }
    }

    /// Takes in what is told of the Deployment; says whether its pods are others now.
    fn take_deployment(&mut self, event: watcher::Result<Event<Deployment>>) -> bool {
        let selector = |it: &Keeper| it.deployment.get(&it.name).map(|it| it.selector.clone());
        match event {
            Ok(event) => {
                let before = selector(self);
                self.no_deployment = None;
                self.deployment.take(event, Found::read);
                before != selector(self)
            }
            Err(error) if Trouble::is_ordinary(&error) => false,
            Err(error) => {
                self.no_deployment = Some(self.trouble(Doing::WatchDeployment, &error));
                false
            }
        }
    }

    fn take_pod(&mut self, event: watcher::Result<Event<Pod>>) {
        match event {
            Ok(event) => {
                self.no_pods = None;
                self.pods.take(event, Seen::read);
                if let Some(pods) = self.pods.known() {
                    self.scaling.forget_the_gone(pods);
                }
            }
            Err(error) if Trouble::is_ordinary(&error) => {}
            Err(error) => self.no_pods = Some(self.trouble(Doing::WatchPods, &error)),
        }
    }

    fn trouble(&self, doing: Doing, error: &watcher::Error) -> Trouble {
        let trouble = Trouble::watching(doing, &self.name, self.client.default_namespace(), error);
        tracing::warn!(trouble = trouble.words, "not watching the cluster now");
        trouble
    }

    /// Tells those who want to know what is seen, if that has changed.
    fn publish(&self) {
        let pods = || self.pods.known().into_iter().flatten();
        // Pods that a node has thrown out stay in the cluster for long; the
        // last of them says enough.
        let ended = pods().filter(|(_, pod)| pod.has_ended);
        let last = ended.max_by_key(|(_, pod)| pod.made_at_secs).map(|(name, _)| name);
        let shown = pods().filter(|(name, pod)| !pod.has_ended || Some(*name) == last);
        let members = shown.map(|(name, pod)| {
            let mut member = pod.member.clone();
            if self.scaling.is_drained(name) {
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
        let troubles = [&self.no_deployment, &self.no_pods, &self.not_scaled];
        let words = troubles.into_iter().flatten().map(|trouble| trouble.words.clone()).next();
        words.or_else(|| match (self.deployment.known(), self.deployment.get(&self.name)) {
            (Some(_), None) => {
                Some(Trouble::no_deployment(&self.name, self.client.default_namespace()))
            }
            (_, found) => {
                let complaint = found?.complaint.as_ref()?;
                Some(format!("the cluster does not make the workers' pods: {complaint}"))
            }
        })
    }
}

/// Writes on pods what deleting them costs, then sets the number of replicas;
/// gives the number that was set.
async fn perform(client: Client, name: String, step: Step) -> Result<u32, Trouble> {
    let namespace = client.default_namespace().to_owned();
    let pods = Api::<Pod>::default_namespaced(client.clone());
    let ours = PatchParams::default();
    for (pod, cost) in step.costs {
        let cost = cost.map(|cost| cost.to_string());
        let patch = Patch::Merge(json!({"metadata": {"annotations": {DELETION_COST: cost}}}));
        let patched = timeout(ANSWER_WITHIN, pods.patch_metadata(&pod, &ours, &patch)).await;
        match patched.map_err(|_| Trouble::silent())? {
            // It has gone by itself.
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            Err(error) => return Err(Trouble::of(Doing::PatchPods, &name, &namespace, &error)),
            Ok(_) => {}
        }
    }
    let deployments = Api::<Deployment>::default_namespaced(client);
    let patch = Patch::Merge(json!({"spec": {"replicas": step.replicas}}));
    let patched = timeout(ANSWER_WITHIN, deployments.patch_scale(&name, &ours, &patch)).await;
    let scale = patched
        .map_err(|_| Trouble::silent())?
        .map_err(|error| Trouble::of(Doing::PatchScale, &name, &namespace, &error))?;
    let replicas = scale.spec.and_then(|spec| spec.replicas);
    let replicas = replicas.and_then(|it| u32::try_from(it).ok()).unwrap_or(step.replicas);
    tracing::info!(replicas, deployment = name, "scaled");
    Ok(replicas)
}

/// Between one trial and the next.
fn pauses() -> ExponentialBackoff {
    retry::ORCHESTRATOR.into()
}
