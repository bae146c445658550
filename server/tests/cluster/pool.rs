//! The pool with only the token of the server's account, and with pods that fit on no
//! node; the tests set whether they run.

use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use protocol::WorkerId;
use protocol::worker::WorkerState;
use serde_json::{Value, json};
use server::pool::kubernetes::KubernetesPool;
use server::pool::{Observed, WorkerPool};
use testbed::{Disturbance, Proxy};

use crate::cluster::{Namespace, PATIENCE, apply, until};

const NAME: &str = "distributed-average-worker";

/// A namespace with the workers' Deployment, and a pool that scales it.
struct Scene {
    namespace: Namespace,
    deployments: Api<Deployment>,
    pods: Api<Pod>,
}

impl Scene {
    async fn new(purpose: &str) -> Scene {
        let namespace = Namespace::create(purpose);
        let kinds = ["ServiceAccount", "Role", "RoleBinding"];
        apply(&namespace.name, &namespace.objects(&kinds));
        let admin = namespace.admin().await;
        let deployments = Api::default_namespaced(admin.clone());
        Scene { namespace, deployments, pods: Api::default_namespaced(admin) }
    }

    /// The workers' Deployment, without a node that its pods would run on.
    fn deploy(&self) {
        let mut objects = self.namespace.objects(&["Deployment"]);
        objects.retain(|it| it["metadata"]["name"] == NAME);
        objects[0]["spec"]["replicas"] = json!(0);
        objects[0]["spec"]["template"]["spec"]["nodeSelector"] = json!({"is-there": "no"});
        apply(&self.namespace.name, &objects);
    }

    async fn pool(&self) -> KubernetesPool {
        KubernetesPool::start(self.namespace.servers_config().await, NAME).expect("a pool")
    }

    async fn replicas(&self) -> i32 {
        let deployment = self.deployments.get(NAME).await.expect("the Deployment");
        deployment.spec.and_then(|spec| spec.replicas).expect("replicas")
    }

    /// Waits for a number of replicas; returns how long that took.
    async fn until_replicas(&self, wanted: i32) -> Duration {
        let began = Instant::now();
        let what = format!("{wanted} replicas");
        until(&what, async || (self.replicas().await == wanted).then_some(())).await;
        began.elapsed()
    }

    /// Waits for a number of pods that are not being deleted; returns their names.
    async fn until_pods(&self, wanted: usize) -> Vec<String> {
        until(&format!("{wanted} pods"), async || {
            let pods = self.pods.list(&ListParams::default()).await.expect("pods");
            let stay = pods.items.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
            let names: Vec<String> = stay.filter_map(|pod| pod.metadata.name.clone()).collect();
            (names.len() == wanted).then_some(names)
        })
        .await
    }

    /// Sets the status of a pod to running and ready, as a kubelet would.
    async fn run(&self, pod: &str) {
        self.set_running(pod, true).await;
    }

    async fn set_running(&self, pod: &str, is_ready: bool) {
        let status: Value = json!({"status": {
            "phase": "Running",
            "conditions": [
                {"type": "PodScheduled", "status": "True"},
                {"type": "Ready", "status": if is_ready { "True" } else { "False" }},
            ],
            "containerStatuses": [{
                "name": "worker", "image": "a", "imageID": "", "ready": is_ready, "restartCount": 0,
                "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
            }],
        }});
        let how = PatchParams::default();
        self.pods.patch_status(pod, &how, &Patch::Merge(status)).await.expect("a status");
    }
}

/// Waits until the pool sees what is expected.
async fn until_observed(
    pool: &KubernetesPool,
    what: &str,
    is_so: impl Fn(&Observed) -> bool,
) -> Observed {
    let mut observed = pool.observed().expect("it observes");
    let seen = tokio::time::timeout(PATIENCE, observed.wait_for(is_so)).await;
    let seen = seen.map(|seen| seen.expect("it goes on observing").clone());
    seen.unwrap_or_else(|_| panic!("not seen in time: {what}; seen: {:?}", observed.borrow()))
}

fn running(observed: &Observed) -> usize {
    observed.members.values().filter(|it| it.instance.phase == "Running").count()
}

async fn release(pool: &KubernetesPool, pods: &[String]) {
    for pod in pods {
        pool.released(&WorkerId::from(pod.clone())).await.expect("it hears");
    }
}

#[tokio::test]
async fn five_then_two_then_none_and_the_right_ones_go() {
    let scene = Scene::new("scale").await;
    scene.deploy();
    let pool = scene.pool().await;
    until_observed(&pool, "a Deployment", |it| it.notice.is_none()).await;
    pool.ensure(5).await.expect("it hears");
    let took = scene.until_replicas(5).await;
    println!("from asking for 5 workers to 5 replicas: {} ms", took.as_millis());
    assert!(took < Duration::from_secs(1), "{took:?}");
    let pods = scene.until_pods(5).await;
    for pod in &pods {
        scene.run(pod).await;
    }
    until_observed(&pool, "five that run", |it| running(it) == 5).await;

    pool.ensure(2).await.expect("it hears");
    let (go, stay) = (&pods[1..4], [pods[0].clone(), pods[4].clone()]);
    release(&pool, &go[..1]).await;
    scene.until_replicas(4).await;
    release(&pool, &go[1..]).await;
    scene.until_replicas(2).await;
    assert_eq!(scene.until_pods(2).await, stay, "those that were not released stay");

    pool.ensure(0).await.expect("it hears");
    release(&pool, &stay).await;
    scene.until_replicas(0).await;
    scene.until_pods(0).await;
    pool.stop().await;
}

#[tokio::test]
async fn a_worker_at_work_is_not_deleted_because_its_pod_is_not_ready_yet() {
    let scene = Scene::new("unready").await;
    scene.deploy();
    let pool = scene.pool().await;
    pool.ensure(3).await.expect("it hears");
    scene.until_replicas(3).await;
    let pods = scene.until_pods(3).await;
    let [at_work, ready, unready] = &pods[..] else { unreachable!("{pods:?}") };
    scene.set_running(at_work, false).await;
    scene.set_running(ready, true).await;
    scene.set_running(unready, false).await;
    until_observed(&pool, "three that run", |it| running(it) == 3).await;

    pool.ensure(1).await.expect("it hears");
    release(&pool, &pods[1..]).await;
    scene.until_replicas(2).await;
    let two = [at_work.clone(), ready.clone()];
    assert_eq!(scene.until_pods(2).await, two);
    scene.run(at_work).await;
    scene.until_replicas(1).await;
    assert_eq!(scene.until_pods(1).await, two[..1]);
    pool.stop().await;
}

#[tokio::test]
async fn a_new_server_stops_nobody_that_it_has_not_released() {
    let scene = Scene::new("again").await;
    scene.deploy();
    let first = scene.pool().await;
    first.ensure(3).await.expect("it hears");
    scene.until_replicas(3).await;
    let pods = scene.until_pods(3).await;
    for pod in &pods {
        scene.run(pod).await;
    }
    first.stop().await;
    assert_eq!(scene.replicas().await, 3, "workers outlive the server");

    let second = scene.pool().await;
    second.ensure(0).await.expect("it hears");
    until_observed(&second, "three that run", |it| running(it) == 3).await;
    release(&second, &pods[..1]).await;
    scene.until_replicas(2).await;
    assert_eq!(scene.until_pods(2).await, pods[1..]);
    second.stop().await;
}

#[tokio::test]
async fn somebody_elses_number_of_replicas_is_put_right() {
    let scene = Scene::new("else").await;
    scene.deploy();
    let pool = scene.pool().await;
    pool.ensure(3).await.expect("it hears");
    scene.until_replicas(3).await;
    for wrong in ["--replicas=1", "--replicas=6"] {
        scene.namespace.kubectl(&["scale", "deployment", NAME, wrong]);
        scene.until_replicas(3).await;
    }
    pool.stop().await;
}

#[tokio::test]
async fn a_pod_that_no_node_takes_says_why() {
    let scene = Scene::new("room").await;
    scene.deploy();
    let pool = scene.pool().await;
    pool.ensure(1).await.expect("it hears");
    let is_told = |it: &Observed| it.members.values().any(|it| it.reason.is_some());
    let began = Instant::now();
    let observed = until_observed(&pool, "a reason", is_told).await;
    let member = observed.members.values().next().expect("a member");
    let reason = member.reason.as_deref().expect("a reason");
    println!("told after {} ms: {reason}", began.elapsed().as_millis());
    assert!(reason.starts_with("Unschedulable: "), "{reason}");
    assert_eq!((member.state, member.instance.phase.as_str()), (WorkerState::Starting, "Pending"));
    pool.stop().await;
}

#[tokio::test]
async fn of_the_pods_that_were_thrown_out_the_last_is_shown() {
    let scene = Scene::new("evicted").await;
    scene.deploy();
    let pool = scene.pool().await;
    pool.ensure(1).await.expect("it hears");
    for _ in 0..2 {
        let is_there = |it: &Observed| it.members.values().any(|it| it.instance.phase == "Pending");
        let observed = until_observed(&pool, "a pod", is_there).await;
        let mut waiting = observed.members.iter().filter(|(_, it)| it.instance.phase == "Pending");
        let (name, _) = waiting.next().expect("a pod");
        let status =
            json!({"status": {"phase": "Failed", "reason": "Evicted", "message": "too full"}});
        let (how, patch) = (PatchParams::default(), Patch::Merge(status));
        scene.pods.patch_status(name.as_str(), &how, &patch).await.expect("a status");
        let is_out =
            |it: &Observed| it.members.get(name).is_none_or(|it| it.instance.phase == "Failed");
        until_observed(&pool, "it thrown out", is_out).await;
    }
    let one_of_each = |it: &Observed| {
        let mut phases: Vec<_> = it.members.values().map(|it| it.instance.phase.as_str()).collect();
        phases.sort_unstable();
        phases == ["Failed", "Pending"]
    };
    let observed = until_observed(&pool, "one thrown out, one in its place", one_of_each).await;
    let mut ended = observed.members.values().filter(|it| it.instance.phase == "Failed");
    assert_eq!(ended.next().and_then(|it| it.reason.as_deref()), Some("Evicted: too full"));
    assert_eq!(scene.pods.list(&ListParams::default()).await.expect("pods").items.len(), 3);
    pool.stop().await;
}

#[tokio::test]
async fn a_missing_deployment_is_told_and_waited_for() {
    let scene = Scene::new("missing").await;
    let pool = scene.pool().await;
    pool.ensure(2).await.expect("it hears");
    let observed = until_observed(&pool, "a notice", |it| it.notice.is_some()).await;
    let expected =
        format!("there is no Deployment {NAME} in the namespace {}", scene.namespace.name);
    assert!(observed.notice.as_ref().is_some_and(|it| it.starts_with(&expected)), "{observed:?}");
    scene.deploy();
    scene.until_replicas(2).await;
    until_observed(&pool, "all well", |it| it.notice.is_none()).await;
    pool.stop().await;
}

#[tokio::test]
async fn a_missing_verb_is_told_and_waited_for() {
    let scene = Scene::new("verb").await;
    scene.deploy();
    let allowed = scene.namespace.objects(&["Role"]);
    for (index, needs) in [
        (0, "list and watch on deployments"),
        (1, "patch on deployments/scale"),
        (2, "list and watch on pods"),
    ] {
        let mut role = allowed.clone();
        role[0]["rules"].as_array_mut().expect("rules").remove(index);
        apply(&scene.namespace.name, &role);
        let pool = scene.pool().await;
        pool.ensure(u32::try_from(index).expect("small") + 1).await.expect("it hears");
        let observed = until_observed(&pool, needs, |it| it.notice.is_some()).await;
        let notice = observed.notice.expect("a notice");
        assert!(notice.contains(&format!("its Role needs {needs}, ")), "{notice}");
        println!("{notice}");
        apply(&scene.namespace.name, &allowed);
        scene.until_replicas(i32::try_from(index).expect("small") + 1).await;
        until_observed(&pool, "all well", |it| it.notice.is_none()).await;
        pool.stop().await;
    }
}

#[tokio::test]
async fn pods_that_the_cluster_does_not_allow_are_told() {
    let scene = Scene::new("quota").await;
    scene.namespace.kubectl(&["create", "quota", "small", "--hard=pods=1"]);
    scene.deploy();
    let pool = scene.pool().await;
    pool.ensure(2).await.expect("it hears");
    let is_told =
        |it: &Observed| it.notice.as_ref().is_some_and(|it| it.contains("exceeded quota"));
    until_observed(&pool, "the quota", is_told).await;
    scene.namespace.kubectl(&["delete", "quota", "small"]);
    scene.until_pods(2).await;
    until_observed(&pool, "all well", |it| it.notice.is_none()).await;
    pool.stop().await;
}

#[tokio::test]
async fn an_api_server_that_is_away_is_told_and_asked_again() {
    let scene = Scene::new("away").await;
    scene.deploy();
    let mut config = scene.namespace.servers_config().await;
    let host = config.cluster_url.host().expect("a host").to_owned();
    let port = config.cluster_url.port_u16().unwrap_or(443);
    let address = tokio::net::lookup_host((host.clone(), port)).await.expect("an address").next();
    let proxy = Proxy::start_before(address.expect("an address")).await;
    config.tls_server_name.get_or_insert(host);
    config.cluster_url = format!("https://127.0.0.1:{}/", proxy.port()).parse().expect("a URL");
    let pool = KubernetesPool::start(config, NAME).expect("a pool");
    pool.ensure(1).await.expect("it hears");
    until_observed(&pool, "its pod", |it| it.members.len() == 1).await;

    for (disturbance, told, desired) in [
        (Disturbance::Refuse, "the Kubernetes API cannot be reached", 4),
        (Disturbance::Silence, "the Kubernetes API does not answer", 6),
    ] {
        proxy.disturb(disturbance);
        pool.ensure(desired).await.expect("it hears");
        let is_told = |it: &Observed| it.notice.as_ref().is_some_and(|it| it.contains(told));
        let observed = until_observed(&pool, told, is_told).await;
        println!("{}", observed.notice.expect("a notice"));
        assert!(!observed.members.is_empty(), "what was seen last is still shown");
        assert!(proxy.disturbed() > 0);
        proxy.disturb(Disturbance::None);
        let took = scene.until_replicas(i32::try_from(desired).expect("small")).await;
        println!("scaled {} ms after the API server was back", took.as_millis());
        until_observed(&pool, "all well", |it| it.notice.is_none()).await;
    }
    pool.stop().await;
}
