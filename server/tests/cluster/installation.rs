//! The whole program in a cluster: the overlay `local`, in a namespace of its own.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::Client;
use crate::cluster::{Namespace, apply, kubectl, try_kubectl, until, until_seen};
use crate::exact;

pub(crate) const WORKER: &str = "deployment/distributed-average-worker";
/// For how long idle workers are kept.
pub(crate) const IDLE_SECS: u64 = 3;

/// The token of the overlay `local`.
pub(crate) const TOKEN: &str = "demo-token";

/// The kinds of all objects of the overlay except the namespace.
const KINDS: [&str; 12] = [
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ConfigMap",
    "Secret",
    "Service",
    "Deployment",
    "StatefulSet",
    "PodDisruptionBudget",
    "NetworkPolicy",
    "PersistentVolumeClaim",
    "Ingress",
];

/// The program in a cluster.
pub(crate) struct Installation {
    pub(crate) namespace: Namespace,
    volumes: Volumes,
}

impl Installation {
    /// Deploys the overlay with workers that are slowed down by this factor,
    /// and waits until it is ready.
    pub(crate) async fn start(purpose: &str, slowness: u32) -> Installation {
        Installation::start_with(purpose, slowness, "", &[]).await
    }

    /// The same with further lines in the overlay's kustomization, and further objects.
    pub(crate) async fn start_with(
        purpose: &str,
        slowness: u32,
        lines: &str,
        further: &[Value],
    ) -> Installation {
        let namespace = Namespace::create(purpose);
        let volumes = Volumes::make_if_needed(&namespace.name);
        let mut objects = namespace.objects_with(&KINDS, lines);
        let image = std::env::var("DISTRIBUTED_AVERAGE_TEST_IMAGE");
        for container in objects.iter_mut().filter_map(container) {
            let (settings, is_ours) = match container["name"].as_str() {
                Some("server") => {
                    (json!({"DISTRIBUTED_AVERAGE_IDLE_SECS": IDLE_SECS.to_string()}), true)
                }
                Some("worker") => {
                    (json!({"DISTRIBUTED_AVERAGE_SLOWNESS": slowness.to_string()}), true)
                }
                _ => (json!({}), false),
            };
            for (name, value) in settings.as_object().expect("settings") {
                container["env"]
                    .as_array_mut()
                    .expect("a list")
                    .push(json!({"name": name, "value": value}));
            }
            if let (Ok(image), true) = (&image, is_ours) {
                container["image"] = json!(image);
            }
        }
        let began = Instant::now();
        objects.extend_from_slice(further);
        apply(&namespace.name, &objects);
        let installation = Installation { namespace, volumes };
        for part in [
            "statefulset/distributed-average-rabbitmq",
            "statefulset/distributed-average-seaweedfs",
        ] {
            installation.settled(part);
        }
        installation.settled("deployment/distributed-average-server");
        println!("the overlay is up {} s after it was applied", began.elapsed().as_secs());
        installation
    }

    /// Waits until all pods of a part are as expected.
    pub(crate) fn settled(&self, part: &str) {
        self.namespace.kubectl(&["rollout", "status", part, "--timeout=240s"]);
    }

    /// Forwards a port to the server's pod, until that pod ends.
    pub(crate) async fn reach(&self) -> Reached {
        self.settled("deployment/distributed-average-server");
        // A ready pod may be one that is about to be deleted.
        until("a way to the server", async || {
            let reached = Reached::open(&self.namespace.name)?;
            let answer = reached.client.http.get(format!("{}/readyz", reached.client.url));
            let answer = answer.timeout(Duration::from_secs(5)).send().await.ok()?;
            answer.status().is_success().then_some(reached)
        })
        .await
    }

    /// The names of the workers' pods that are not being deleted.
    pub(crate) fn worker_pods(&self) -> Vec<String> {
        self.pods("worker")
    }

    /// The names of the pods of a component that are not being deleted.
    pub(crate) fn pods(&self, component: &str) -> Vec<String> {
        let label = format!("app.kubernetes.io/component={component}");
        let pods = self.namespace.kubectl(&["get", "pods", "-l", &label, "-o", "json"]);
        let pods: Value = serde_json::from_str(&pods).expect("JSON");
        let stay = pods["items"].as_array().expect("pods").iter();
        let stay = stay.filter(|it| it["metadata"]["deletionTimestamp"].is_null());
        stay.map(|it| it["metadata"]["name"].as_str().expect("a name").to_owned()).collect()
    }

    pub(crate) fn replicas(&self) -> u64 {
        let path = "jsonpath={.spec.replicas}";
        self.namespace.kubectl(&["get", WORKER, "-o", path]).parse().expect("a number")
    }

    pub(crate) async fn until_replicas(&self, wanted: u64) {
        let what = format!("{wanted} replicas");
        until_seen(&what, async || self.replicas(), |it| *it == wanted).await;
    }

    pub(crate) async fn until_worker_pods(&self, wanted: usize) {
        let what = format!("{wanted} pods of workers");
        until_seen(&what, async || self.worker_pods().len(), |it| *it == wanted).await;
    }

    /// Patches the workers' Deployment.
    pub(crate) fn patch_workers(&self, patch: &Value) {
        let patch = patch.to_string();
        self.namespace.kubectl(&["patch", WORKER, "--type=strategic", "-p", &patch]);
    }
}

fn container(object: &mut Value) -> Option<&mut Value> {
    object.pointer_mut("/spec/template/spec/containers/0")
}

/// The volumes for a cluster without a provisioner.
struct Volumes {
    names: Vec<String>,
    folder: Option<PathBuf>,
}

impl Volumes {
    fn make_if_needed(namespace: &str) -> Volumes {
        let classes = kubectl(&["get", "storageclasses", "-o", "json"]);
        if classes.contains("\"storageclass.kubernetes.io/is-default-class\": \"true\"") {
            return Volumes { names: Vec::new(), folder: None };
        }
        let folder = PathBuf::from("/var/tmp").join(namespace);
        // One for each node of a broker that has three.
        let claims = ["rabbitmq-0", "rabbitmq-1", "rabbitmq-2", "seaweedfs-0"];
        let volumes = claims.map(|part| {
            let path = folder.join(part);
            std::fs::create_dir_all(&path).expect("a folder");
            // Each part runs as a user of its own.
            let everybody = std::fs::Permissions::from_mode(0o777);
            std::fs::set_permissions(&path, everybody).expect("permissions");
            json!({
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": format!("{namespace}-{part}")},
                "spec": {
                    "capacity": {"storage": "20Gi"},
                    "accessModes": ["ReadWriteOnce"],
                    "persistentVolumeReclaimPolicy": "Retain",
                    "claimRef": {"namespace": namespace, "name": format!("data-distributed-average-{part}")},
                    "hostPath": {"path": path},
                },
            })
        });
        apply("default", &volumes);
        let names = claims.map(|part| format!("{namespace}-{part}"));
        Volumes { names: names.into(), folder: Some(folder) }
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        let namespace = &self.namespace.name;
        // No pod is created in a namespace that is being deleted. Its pods are killed:
        // stopping in good order they would wait half a minute for each other.
        try_kubectl(&["delete", "namespace", namespace, "--wait=false"], "");
        let at_once = ["--all", "--grace-period=1", "--timeout=120s"];
        try_kubectl(&[&["delete", "pods", "--namespace", namespace], &at_once[..]].concat(), "");
        for volume in &self.volumes.names {
            try_kubectl(&["delete", "persistentvolume", volume, "--wait=false"], "");
        }
        if let Some(folder) = &self.volumes.folder {
            // Leftovers are below /var/tmp.
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// A forwarded port of the server, until dropped.
pub(crate) struct Reached {
    pub(crate) client: Client,
    forwarding: Child,
    /// Kept open, because kubectl prints a line for every connection.
    _told: BufReader<ChildStdout>,
}

impl Reached {
    fn open(namespace: &str) -> Option<Reached> {
        let program = std::env::var_os("KUBECTL").unwrap_or_else(|| "kubectl".into());
        let mut forwarding = Command::new(program)
            .args(["--namespace", namespace, "port-forward", "--address=127.0.0.1"])
            .args(["service/distributed-average-server", ":http"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("kubectl can be started");
        let mut line = String::new();
        let stdout = forwarding.stdout.take().expect("its output");
        let mut told = BufReader::new(stdout);
        told.read_line(&mut line).expect("a line");
        let port =
            line.strip_prefix("Forwarding from 127.0.0.1:").and_then(|it| it.split(' ').next());
        match port {
            Some(port) => {
                let client = Client::with_token(format!("http://127.0.0.1:{port}"), TOKEN);
                Some(Reached { client, forwarding, _told: told })
            }
            None => {
                end(&mut forwarding);
                None
            }
        }
    }

    /// Waits until the pool is as expected.
    pub(crate) async fn until_pool(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let pool = async || self.client.get_json("/api/workers").await;
        until_seen(what, pool, is_so).await
    }

    /// Waits until a job is as expected.
    pub(crate) async fn until_job(
        &self,
        what: &str,
        job: &str,
        is_so: impl Fn(&Value) -> bool,
    ) -> Value {
        let job = async || {
            let job = self.client.get_json(&format!("/api/jobs/{job}")).await;
            assert_ne!(job["phase"], "failed", "{}", job["error"]);
            job
        };
        until_seen(what, job, is_so).await
    }

    /// Waits for the end of a job; returns the bits of its result.
    pub(crate) async fn bits(&self, job: &str) -> Vec<u64> {
        let done = self.until_job("the job to be done", job, |job| job["phase"] == "done").await;
        println!("done, attempts: {}", done["attempts"]);
        self.client.result(job).await.into_iter().map(f64::to_bits).collect()
    }
}

impl Drop for Reached {
    fn drop(&mut self) {
        end(&mut self.forwarding);
    }
}

fn end(child: &mut Child) {
    // An error says that it has ended by itself.
    let _ = child.kill();
    let _ = child.wait();
}

/// The test data of all jobs: small, and divided into many tasks.
pub(crate) fn request(workers: u32) -> Value {
    json!({"inputs": {"generate": {"files": 60, "count": 20_000, "format": "csv", "seed": 5}},
        "fan_in": 3, "workers": workers})
}

/// The bits of the mean of that data, computed by `mean` without a cluster.
pub(crate) fn expected() -> &'static [u64] {
    static BITS: OnceLock<Vec<u64>> = OnceLock::new();
    BITS.get_or_init(|| {
        let scratch = tempfile::tempdir().expect("a temporary folder");
        let program = env!("CARGO_BIN_EXE_distributed-average");
        let call = |arguments: &[&str]| {
            let mut command = Command::new(program);
            let output =
                command.args(arguments).current_dir(scratch.path()).output().expect("it runs");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        call(&["generate", "in", "--files=60", "--count=20000", "--format=csv", "--seed=5"]);
        call(&["mean", "in", "--output=mean.npy", "--workers=1"]);
        let bytes = std::fs::read(scratch.path().join("mean.npy")).expect("the mean");
        exact::parse_npy(&bytes).into_iter().map(f64::to_bits).collect()
    })
}
