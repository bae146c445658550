//! The API server stopped in the middle of a job: only where the cluster is
//! one of `scripts/cluster`.

use std::process::Command;

use serde_json::{Value, json};

use crate::client::Client;
use crate::cluster::{apply, root, try_kubectl, until};
use crate::installation::{Installation, TOKEN, expected, request};

/// Stops or starts the API server.
fn api_server(what: &str) {
    let status = Command::new(root().join("scripts/cluster")).args([what, "api"]).status();
    assert!(status.expect("scripts/cluster can be called").success(), "scripts/cluster {what} api");
}

/// An outage of the API server, which ends with this value, also when a test fails.
struct Outage;

impl Outage {
    fn begin() -> Outage {
        api_server("stop");
        Outage
    }
}

impl Drop for Outage {
    fn drop(&mut self) {
        api_server("start");
    }
}

/// A NodePort of the server: the rules of kube-proxy remain
/// while the API server is stopped.
async fn way_around_the_api_server(installation: &Installation) -> Client {
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "direct"},
        "spec": {
            "type": "NodePort",
            "selector": {"app.kubernetes.io/component": "server"},
            "ports": [{"port": 80, "targetPort": "http"}],
        },
    });
    apply(&installation.namespace.name, &[service]);
    let ask = |arguments: &[&str]| installation.namespace.kubectl(arguments);
    let port = ask(&["get", "service", "direct", "-o", "jsonpath={.spec.ports[0].nodePort}"]);
    let address = "jsonpath={.items[0].status.addresses[?(@.type=='InternalIP')].address}";
    let address = ask(&["get", "nodes", "-o", address]);
    let client = Client::with_token(format!("http://{address}:{port}"), TOKEN);
    let answers = async || {
        let answer = client.http.get(format!("{}/readyz", client.url)).send().await.ok()?;
        answer.status().is_success().then_some(())
    };
    until("the port to lead there", answers).await;
    client
}

#[tokio::test]
async fn a_job_goes_on_while_the_api_server_is_away() {
    // So slow that the job lasts longer than it takes to see that the API server is away.
    let installation = Installation::start("away", 300).await;
    let server = installation.reach().await;
    let direct = way_around_the_api_server(&installation).await;
    let job = server.client.submit(&request(3)).await;
    let completed = |job: &Value| job["attempts"]["completed"].as_u64().unwrap_or(0);
    server.until_job("some tasks to be done", &job, |job| completed(job) > 3).await;
    let outage = Outage::begin();
    let is_away = || !try_kubectl(&["get", "--raw", "/readyz"], "").2;
    until("the API server to be away", async || is_away().then_some(())).await;
    // The forwarded port went through the API server.
    drop(server);
    let job_now = async || direct.get_json(&format!("/api/jobs/{job}")).await;
    let before = job_now().await;
    assert_eq!(before["phase"], "running", "the API server went away in the middle");
    let went_on = async || {
        let now = job_now().await;
        (completed(&now) > completed(&before) + 3).then_some(now)
    };
    let after = until("further tasks to be done meanwhile", went_on).await;
    assert!(is_away(), "the API server was away all the time");
    println!("attempts completed in the outage: {} to {}", completed(&before), completed(&after));
    drop(outage);
    let is_back = async || (!is_away()).then_some(());
    until("the API server to be back", is_back).await;
    let server = installation.reach().await;
    assert_eq!(server.bits(&job).await, expected());
    server.until_pool("no notice", |pool| pool["notice"].is_null()).await;
    installation.until_replicas(0).await;
}
