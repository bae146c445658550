//! RabbitMQ with three nodes, of which one dies, and two servers, of which the leader dies.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cluster::{try_kubectl, until};
use crate::installation::{Installation, expected, request};

/// Ten seconds, and those that it takes to ask.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(12);

/// The pod of the server that leads, as its log says, without these.
fn leader(installation: &Installation, except: &[&str]) -> Option<String> {
    let pods = installation.pods("server");
    let mut others = pods.into_iter().filter(|pod| !except.contains(&pod.as_str()));
    others.find(|pod| {
        // One that is not there yet has no log.
        let (said, ..) =
            try_kubectl(&["--namespace", &installation.namespace.name, "logs", pod], "");
        // The last word counts: it may have led before.
        let mut told = said.lines().rev().filter(|line| line.contains("this server leads"));
        told.next().is_some_and(|line| !line.contains("no longer"))
    })
}

#[tokio::test]
async fn a_job_moves_on_while_a_node_of_the_broker_and_the_leader_die() {
    // As docs/kubernetes.md says.
    let cookie = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "distributed-average-queue-cookie"},
        "stringData": {"cookie": "a-cookie-of-the-test"},
    });
    let components = "components: [../../components/broker-nodes, ../../components/standby]\n";
    let installation = Installation::start_with("nodes", 30, components, &[cookie]).await;
    let broker = |number: u32, expression: &str| {
        let pod = format!("distributed-average-rabbitmq-{number}");
        let arguments = ["exec", &pod, "--container=rabbitmq", "--", "rabbitmqctl"];
        let asked = [&arguments[..], &["--longnames", "eval", expression]].concat();
        installation.namespace.kubectl(&asked).trim().to_owned()
    };
    until("three nodes", async || {
        (broker(0, "length(rabbit_nodes:all_running()).") == "3").then_some(())
    })
    .await;
    let server = installation.reach().await;
    let job = server.client.submit(&request(3)).await;
    let completed = |job: &Value| job["attempts"]["completed"].as_u64().unwrap_or(0);
    let before = server.until_job("some tasks to be done", &job, |job| completed(job) > 3).await;
    // Without a farewell, as when a machine loses its power.
    installation.namespace.kubectl(&[
        "delete",
        "pod",
        "distributed-average-rabbitmq-0",
        "--grace-period=0",
        "--force",
    ]);
    let done = completed(&before) + 3;
    server.until_job("further tasks to be done", &job, |job| completed(job) > done).await;

    let leader = leader(&installation, &[]).expect("one of them leads");
    installation.namespace.kubectl(&[
        "delete",
        "pod",
        &leader,
        "--grace-period=0",
        "--force",
        "--wait=false",
    ]);
    let killed = Instant::now();
    drop(server);
    until("another leader", async || self::leader(&installation, &[&leader])).await;
    let taken_over = killed.elapsed();
    println!("another server led {taken_over:?} after the leader was killed");
    assert!(taken_over < TAKEN_OVER_WITHIN, "{taken_over:?}");
    let server = installation.reach().await;
    let ended = server.until_job("the job to be over", &job, |job| job["phase"] == "done").await;
    assert_eq!(ended["attempts"]["failed"], 0, "{ended}");
    assert_eq!(server.bits(&job).await, expected());
    installation.settled("statefulset/distributed-average-rabbitmq");
}
