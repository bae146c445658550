//! A job on real parts is one trace, of the server and of workers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use testbed::kill_9;

use super::installation::Installation;
use crate::traces::{Received, Receiver};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_one_trace_of_server_queue_and_workers_also_of_a_server_that_takes_over() {
    let receiver = Receiver::start().await;
    let (name, endpoint) = receiver.variable();
    let installation = Installation::shared().await.with_variable(name, endpoint);
    let mut first = installation.server(&["--pool", "external", "--workers", "1"]).await;
    let inputs = json!({"generate": {"files": 6, "count": 5_000, "format": "csv", "seed": 3}});
    let request = json!({"inputs": inputs, "fan_in": 3, "speculation": {"enabled": false}});
    let submitted = first
        .http
        .post(format!("{}/api/jobs", first.url))
        .header("traceparent", format!("00-{TRACE}-{CALLER}-01"))
        .json(&request)
        .send()
        .await
        .expect("an answer");
    assert_eq!(submitted.status(), 201);
    let job: Value = submitted.json().await.expect("JSON");
    let job = job["id"].as_str().expect("an id").to_owned();
    // Published and not taken: there is no worker yet. Its spans end in the next server.
    first.until(&job, |job| job["phase"] == "running").await;
    // The request has ended, and a batch is sent every five seconds.
    while !receiver.spans().iter().any(|span| span.name == "POST /api/jobs") {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    kill_9(first.id());
    first.kill();
    let server = installation.server(&["--pool", "external", "--workers", "1"]).await;
    let worker = installation.worker("tracer", &[]);
    let ended = server.follow(&job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    worker.stop().await;
    server.stop().await;

    let spans: Vec<Received> =
        receiver.spans().into_iter().filter(|span| span.trace == TRACE).collect();
    let by_id: BTreeMap<&str, &Received> = spans.iter().map(|it| (it.id.as_str(), it)).collect();
    assert_eq!(by_id.len(), spans.len(), "no id is used twice: {spans:#?}");
    // The names of the spans above one, up to the caller's.
    let above = |span: &Received| {
        let (mut names, mut id) = (Vec::new(), span.parent.clone());
        while id != CALLER {
            let parent = by_id
                .get(id.as_str())
                .unwrap_or_else(|| panic!("the parent {id} of {span:#?} is missing in {spans:#?}"));
            names.push(parent.name.clone());
            id.clone_from(&parent.parent);
        }
        names
    };
    let named = |name: &str| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    for span in &spans {
        above(span);
        assert!(!span.is_error || span.name.starts_with("S3."), "{span:#?}");
    }
    let [request] = named("POST /api/jobs")[..] else { panic!("{spans:#?}") };
    assert_eq!(request.attribute("http.request.method"), "POST");
    assert_eq!(request.attribute("http.route"), "/api/jobs");
    assert_eq!(request.attribute("http.response.status_code"), "201");
    let [of_job] = named("job")[..] else { panic!("{spans:#?}") };
    assert_eq!(above(of_job), ["POST /api/jobs"]);
    assert_eq!(of_job.attribute("distributed_average.job.id"), job);
    assert_eq!(of_job.attribute("distributed_average.job.objects"), "6");
    // The tree of 6 objects with fan-in 3 has 2 + 1 tasks.
    let tasks: BTreeSet<_> =
        named("task").iter().map(|it| it.attribute("distributed_average.task.id")).collect();
    assert_eq!(tasks.into_iter().collect::<Vec<_>>(), ["0.0.0", "0.1.0", "1.0.0"]);
    let attempts = named("process assignments");
    for attempt in &attempts {
        assert_eq!(attempt.service, "distributed-average-worker");
        assert_eq!(attempt.attribute("messaging.system"), "rabbitmq");
        assert!(by_id[attempt.parent.as_str()].began_ns <= attempt.began_ns, "{attempt:#?}");
        assert!(attempt.began_ns < attempt.ended_ns, "{attempt:#?}");
        assert_eq!(attempt.attribute("distributed_average.worker.id"), "tracer");
        assert_eq!(above(attempt), ["send assignments", "task", "job", "POST /api/jobs"]);
    }
    assert!(attempts.len() >= 3, "{spans:#?}");
    let calls = |method: &str, service: &str| {
        let name = format!("S3.{method}");
        let is_it = |span: &&Received| span.name == name && span.service == service;
        spans.iter().filter(is_it).collect::<Vec<_>>()
    };
    let of_worker = |method| calls(method, "distributed-average-worker");
    let reads = of_worker("GetObject");
    let is_input = |span: &&&Received| span.attribute("aws.s3.key").contains(".csv");
    assert!(reads.iter().filter(is_input).count() >= 6, "{reads:#?}");
    for call in reads.iter().chain(&of_worker("PutObject")) {
        assert_eq!(call.attribute("rpc.system"), "aws-api");
        assert_eq!(call.attribute("aws.s3.bucket"), "testbed");
        assert!(call.attribute("aws.s3.key").starts_with(installation.name()), "{call:#?}");
        assert_eq!(above(call)[0], "process assignments");
    }
    assert!(of_worker("PutObject").len() >= 3, "{spans:#?}");
    // The server divides the total, and the first one has listed the inputs.
    let of_server = calls("GetObject", "distributed-average");
    assert!(of_server.iter().any(|call| above(call)[0] == "write result"), "{spans:#?}");
}
