//! The cluster, and namespaces in it.

use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use kube::config::{AuthInfo, KubeConfigOptions};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::time::sleep;

/// Timeout of everything that must happen: containers of several images start on
/// one busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// The checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a folder above").to_owned()
}

/// Runs kubectl; returns its output.
pub(crate) fn kubectl(arguments: &[&str]) -> String {
    let (stdout, stderr, succeeded) = try_kubectl(arguments, "");
    assert!(succeeded, "kubectl {arguments:?}: {stderr}");
    stdout
}

/// Runs kubectl with an input; returns its output, its errors, and whether it
/// succeeded.
pub(crate) fn try_kubectl(arguments: &[&str], input: &str) -> (String, String, bool) {
    let program = std::env::var_os("KUBECTL").unwrap_or_else(|| "kubectl".into());
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kubectl can be started");
    let mut stdin = child.stdin.take().expect("its input");
    stdin.write_all(input.as_bytes()).expect("it reads its input");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.success())
}

/// All objects of an overlay.
pub(crate) fn overlay(name: &str) -> Vec<Value> {
    overlay_with(name, "")
}

/// All objects of an overlay, with more lines in its kustomization.
pub(crate) fn overlay_with(name: &str, lines: &str) -> Vec<Value> {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    for part in ["base", "components", "overlays"] {
        copy(&root().join("k8s").join(part), &scratch.path().join(part));
    }
    // As docs/kubernetes.md describes.
    let secret = "url=amqp://u:p@distributed-average-rabbitmq:5672\n\
                  worker-url=amqp://w:p@distributed-average-rabbitmq:5672\n";
    let overlays = scratch.path().join("overlays");
    std::fs::write(overlays.join("aws/queue.env"), secret).expect("a file");
    let users = |overlay: &str| overlays.join(overlay).join("definitions.json");
    std::fs::copy(users("local"), users("aws")).expect("a file");
    let tokens =
        "ada admin sha256:0000000000000000000000000000000000000000000000000000000000000000\n";
    std::fs::write(overlays.join("aws/tokens"), tokens).expect("a file");
    let folder = overlays.join(name);
    let kustomization = folder.join("kustomization.yaml");
    let mut text = std::fs::read_to_string(&kustomization).expect("a kustomization");
    text.push_str(lines);
    std::fs::write(&kustomization, text).expect("a file");
    let yaml = kubectl(&["kustomize", folder.to_str().expect("a path of UTF-8")]);
    let convert = ["create", "--dry-run=client", "--validate=false", "-o", "json", "-f", "-"];
    let (stdout, stderr, succeeded) = try_kubectl(&convert, &yaml);
    assert!(succeeded, "{stderr}");
    let parsed = serde_json::Deserializer::from_str(&stdout).into_iter::<Value>();
    let all: Vec<Value> = parsed.map(|it| it.expect("JSON")).collect();
    let parts = |it: &Value| it["items"].as_array().cloned().unwrap_or_else(|| vec![it.clone()]);
    all.iter().flat_map(parts).collect()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

/// Applies objects in a namespace.
pub(crate) fn apply(namespace: &str, objects: &[Value]) {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    let arguments = ["apply", "--namespace", namespace, "--validate=strict", "-f", "-"];
    let (_, stderr, succeeded) = try_kubectl(&arguments, &list.to_string());
    assert!(succeeded, "{stderr}");
}

/// A namespace with the restricted pod security standard, as in the overlays.
pub(crate) struct Namespace {
    pub(crate) name: String,
}

impl Namespace {
    pub(crate) fn create(purpose: &str) -> Namespace {
        // A namespace that is being deleted accepts no new objects.
        static CREATED: AtomicU32 = AtomicU32::new(0);
        let (process, turn) = (std::process::id(), CREATED.fetch_add(1, Ordering::Relaxed));
        let name = format!("distributed-average-{purpose}-{process}-{turn}");
        let labels = json!({
            "distributed-average-test": "true",
            "pod-security.kubernetes.io/enforce": "restricted",
        });
        let metadata = json!({"name": name, "labels": labels});
        apply("default", &[json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})]);
        Namespace { name }
    }

    /// Runs kubectl in the namespace.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        kubectl(&[&["--namespace", &self.name], arguments].concat())
    }

    /// The objects of the overlay `local` of these kinds, in this namespace.
    pub(crate) fn objects(&self, kinds: &[&str]) -> Vec<Value> {
        self.objects_with(kinds, "")
    }

    /// The same with further lines in the overlay's kustomization.
    pub(crate) fn objects_with(&self, kinds: &[&str], lines: &str) -> Vec<Value> {
        let mut objects = overlay_with("local", lines);
        objects.retain(|it| kinds.contains(&it["kind"].as_str().unwrap_or_default()));
        for object in &mut objects {
            object["metadata"]["namespace"] = json!(self.name);
            for subject in object["subjects"].as_array_mut().into_iter().flatten() {
                subject["namespace"] = json!(self.name);
            }
        }
        objects
    }

    /// The server's access to the cluster: with only the token of its
    /// service account.
    pub(crate) async fn servers_config(&self) -> Config {
        let mut config = admin_config().await;
        let account = "distributed-average-server";
        let token = self.kubectl(&["create", "token", account, "--duration=1h"]);
        let token = Some(token.trim().to_owned().into());
        config.auth_info = AuthInfo { token, ..AuthInfo::default() };
        config.default_namespace.clone_from(&self.name);
        config
    }

    /// An administrator's access to the cluster, for this namespace.
    pub(crate) async fn admin(&self) -> Client {
        let mut config = admin_config().await;
        config.default_namespace.clone_from(&self.name);
        Client::try_from(config).expect("a client")
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        try_kubectl(&["delete", "namespace", &self.name, "--wait=false"], "");
    }
}

async fn admin_config() -> Config {
    let options = KubeConfigOptions::default();
    Config::from_kubeconfig(&options).await.expect("KUBECONFIG names a cluster")
}

/// Polls until there is an answer.
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "not in time: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Polls until the value is as expected.
pub(crate) async fn until_seen<T: Display>(
    what: &str,
    mut look: impl AsyncFnMut() -> T,
    is_so: impl Fn(&T) -> bool,
) -> T {
    let began = Instant::now();
    loop {
        let seen = look().await;
        if is_so(&seen) {
            return seen;
        }
        assert!(began.elapsed() < PATIENCE, "not in time: {what}; seen last: {seen}");
        sleep(Duration::from_millis(20)).await;
    }
}
