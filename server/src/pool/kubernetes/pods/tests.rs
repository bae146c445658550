//! Pods as a cluster tells of them, in the parts that matter.

use serde_json::{Value, json};

use super::*;

/// A pod with this status, on `node-a`.
fn pod(status: Value) -> Pod {
    serde_json::from_value(json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "workers-7c9d-x2x4f"},
        "spec": {"nodeName": "node-a", "containers": [{"name": "worker"}]},
        "status": status,
    }))
    .unwrap()
}

/// A pod whose worker's container is in such a state, and was in such a one before.
fn with_container(phase: &str, state: &Value, before: &Value, restarts: u32) -> PodState {
    PodState::read(&pod(json!({
        "phase": phase,
        "containerStatuses": [{
            "name": "worker",
            "image": "distributed-average:dev",
            "imageID": "",
            "ready": state.get("running").is_some(),
            "restartCount": restarts,
            "state": state,
            "lastState": before,
        }],
    })))
}

fn running() -> Value {
    json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}})
}

fn terminated(exit_code: i32, reason: &str, message: &str) -> Value {
    json!({"terminated": {"exitCode": exit_code, "reason": reason, "message": message}})
}

#[test]
fn a_pod_that_runs_has_a_worker_and_needs_no_words() {
    let seen = with_container("Running", &running(), &json!({}), 0);
    assert!(seen.is_working && seen.counts);
    assert_eq!(seen.member.reason, None);
    assert_eq!(seen.member.node.as_deref(), Some("node-a"));
    assert_eq!(seen.member.instance, InstanceStatus { phase: "Running".to_owned(), restarts: 0 });
}

#[test]
fn a_pod_is_ready_when_the_cluster_says_so() {
    let ready = |status: &str| {
        let conditions = json!([{"type": "Initialized", "status": "True"},
            {"type": "Ready", "status": status}]);
        PodState::read(&pod(json!({"phase": "Running", "conditions": conditions}))).is_ready
    };
    assert!(ready("True"));
    assert!(!ready("False"));
    assert!(!PodState::read(&pod(json!({"phase": "Pending"}))).is_ready);
}

#[test]
fn a_pod_that_no_node_has_room_for_says_so_in_the_schedulers_words() {
    let seen = PodState::read(&pod(json!({
        "phase": "Pending",
        "conditions": [{
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": "0/3 nodes are available: 3 Insufficient memory.",
        }],
    })));
    let reason = seen.member.reason.unwrap();
    assert_eq!(reason, "Unschedulable: 0/3 nodes are available: 3 Insufficient memory.");
    assert_eq!(seen.member.state, WorkerState::Starting);
    assert!(!seen.is_working && seen.counts);
}

#[test]
fn an_image_that_cannot_be_pulled_is_named() {
    let message = "Back-off pulling image \"distributed-average:typo\"";
    let state = json!({"waiting": {"reason": "ImagePullBackOff", "message": message}});
    let seen = with_container("Pending", &state, &json!({}), 0);
    assert_eq!(
        seen.member.reason.as_deref(),
        Some("ImagePullBackOff: Back-off pulling image \"distributed-average:typo\"")
    );
    assert!(!seen.is_working);
}

#[test]
fn a_container_that_is_being_made_is_nothing_to_speak_of() {
    let state = json!({"waiting": {"reason": "ContainerCreating"}});
    assert_eq!(with_container("Pending", &state, &json!({}), 0).member.reason, None);
}

#[test]
fn a_worker_that_dies_again_and_again_says_what_its_last_words_were() {
    let state = json!({"waiting": {
        "reason": "CrashLoopBackOff",
        "message": "back-off 40s restarting failed container",
    }});
    let words = "2026-01-01 INFO starting\nerror: connecting to the queue at rabbitmq:5672\n";
    let seen = with_container("Running", &state, &terminated(1, "Error", words), 3);
    assert_eq!(
        seen.member.reason.as_deref(),
        Some(
            "CrashLoopBackOff: back-off 40s restarting failed container; before: Error, exit \
             code 1: error: connecting to the queue at rabbitmq:5672"
        )
    );
    assert_eq!(seen.member.instance.restarts, 3);
    assert!(!seen.is_working);
}

#[test]
fn a_worker_that_was_killed_for_its_memory_is_still_seen_to_have_been() {
    let seen = with_container("Running", &running(), &terminated(137, "OOMKilled", ""), 1);
    assert_eq!(seen.member.reason.as_deref(), Some("restarted after OOMKilled, exit code 137"));
    assert!(seen.is_working);
}

#[test]
fn a_drained_worker_that_is_started_again_needs_no_words() {
    let seen = with_container("Running", &running(), &terminated(0, "Completed", ""), 1);
    assert_eq!(seen.member.reason, None);
}

#[test]
fn a_pod_that_a_node_has_thrown_out_says_why_and_counts_no_more() {
    let seen = PodState::read(&pod(json!({
        "phase": "Failed",
        "reason": "Evicted",
        "message": "The node was low on resource: memory. ",
    })));
    let reason = seen.member.reason.unwrap();
    assert_eq!(reason, "Evicted: The node was low on resource: memory.");
    assert_eq!(seen.member.state, WorkerState::Lost);
    assert!(!seen.is_working && !seen.counts);
}

#[test]
fn a_pod_that_is_being_deleted_counts_no_more() {
    let mut leaving = pod(json!({"phase": "Running", "containerStatuses": [{
        "name": "worker", "image": "", "imageID": "", "ready": true, "restartCount": 0,
        "state": running(),
    }]}));
    assert!(PodState::read(&leaving).is_working);
    leaving.metadata.deletion_timestamp =
        serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
    let seen = PodState::read(&leaving);
    assert_eq!(seen.member.instance.phase, "Terminating");
    assert_eq!(seen.member.state, WorkerState::Draining);
    assert!(!seen.is_working && !seen.counts);
}

#[test]
fn what_deleting_a_pod_costs_is_read_back() {
    let mut pod = pod(json!({"phase": "Running"}));
    assert_eq!(PodState::read(&pod).deletion_cost, None);
    let cost = (DELETION_COST.to_owned(), "-1000".to_owned());
    pod.metadata.annotations = Some([cost].into());
    assert_eq!(PodState::read(&pod).deletion_cost, Some(-1000));
}
