//! The state of a worker's pod.

use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};
use protocol::worker::{InstanceStatus, WorkerState};

use crate::pool::Member;

/// The annotation by which a ReplicaSet chooses which pods to delete first.
pub(super) const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
/// The reasons for which a container waits while nothing is wrong.
const ORDINARY_WAITS: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// What the pool reads of a pod.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PodState {
    /// The worker as the dashboard shows it until it reports.
    pub(super) member: Member,
    /// Whether all its containers run, so that the worker may execute a task.
    pub(super) is_working: bool,
    /// Whether the cluster takes it for ready: a ReplicaSet deletes others first, whatever
    /// the deletion costs.
    pub(super) is_ready: bool,
    /// Whether it counts among the Deployment's replicas.
    pub(super) counts: bool,
    /// Whether it has ended for good, so that another pod replaces it.
    pub(super) has_ended: bool,
    /// Its time of creation, in seconds since 1970.
    pub(super) made_at_secs: i64,
    /// The value of its annotation [`DELETION_COST`].
    pub(super) deletion_cost: Option<i32>,
}

impl PodState {
    /// Reads a pod.
    pub(super) fn read(pod: &Pod) -> PodState {
        let status = pod.status.as_ref();
        let containers = status.and_then(|it| it.container_statuses.as_deref()).unwrap_or_default();
        let is_leaving = pod.metadata.deletion_timestamp.is_some();
        let phase = match status.and_then(|it| it.phase.as_deref()) {
            _ if is_leaving => "Terminating",
            Some(phase) => phase,
            None => "Pending",
        };
        let has_ended = matches!(phase, "Succeeded" | "Failed");
        let runs = !containers.is_empty()
            && containers.iter().all(|it| it.state.as_ref().is_some_and(|s| s.running.is_some()));
        let restarts = containers.iter().map(|it| it.restart_count).sum::<i32>();
        let restarts = u32::try_from(restarts).unwrap_or(0);
        let annotations = pod.metadata.annotations.as_ref();
        PodState {
            is_working: runs && !is_leaving && !has_ended,
            is_ready: is_ready(pod),
            counts: !is_leaving && !has_ended,
            has_ended,
            made_at_secs: pod.metadata.creation_timestamp.as_ref().map_or(0, |at| at.0.as_second()),
            deletion_cost: annotations
                .and_then(|it| it.get(DELETION_COST))
                .and_then(|cost| cost.parse().ok()),
            member: Member {
                state: match phase {
                    "Terminating" => WorkerState::Draining,
                    "Succeeded" | "Failed" | "Unknown" => WorkerState::Lost,
                    _ => WorkerState::Starting,
                },
                node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
                reason: reason(pod),
                instance: InstanceStatus { phase: phase.to_owned(), restarts },
            },
        }
    }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|it| it.type_ == "Ready" && it.status == "True")
}

/// Why a pod does not run, or was restarted. The first of: the reason of the whole
/// pod, the scheduler's reason, what a container waits for, and why the previous
/// run of a container ended.
fn reason(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    if let Some(reason) = &status.reason {
        return Some(said(reason, status.message.as_deref()));
    }
    let conditions = status.conditions.iter().flatten();
    let mut unscheduled =
        conditions.filter(|it| it.type_ == "PodScheduled" && it.status == "False");
    if let Some(condition) = unscheduled.next() {
        let reason = condition.reason.as_deref().unwrap_or("Unschedulable");
        return Some(said(reason, condition.message.as_deref()));
    }
    let containers = || {
        let first = status.init_container_statuses.iter().flatten();
        first.chain(status.container_statuses.iter().flatten())
    };
    containers().find_map(held_up).or_else(|| containers().find_map(restarted))
}

/// What keeps a container from running.
fn held_up(container: &ContainerStatus) -> Option<String> {
    let state = container.state.as_ref()?;
    if let Some(waiting) = &state.waiting {
        let reason = waiting.reason.as_deref().unwrap_or("Waiting");
        if ORDINARY_WAITS.contains(&reason) {
            return None;
        }
        let why = said(reason, waiting.message.as_deref());
        let before = container.last_state.as_ref().and_then(ended);
        return Some(before.map_or(why.clone(), |before| format!("{why}; before: {before}")));
    }
    ended(state)
}

/// Why the previous run of a container ended.
fn restarted(container: &ContainerStatus) -> Option<String> {
    let ended = container.last_state.as_ref().and_then(ended)?;
    Some(format!("restarted after {ended}"))
}

/// The reason and exit code of a container that failed.
fn ended(state: &ContainerState) -> Option<String> {
    let ended = state.terminated.as_ref().filter(|ended| ended.exit_code != 0)?;
    let reason = ended.reason.as_deref().unwrap_or("Error");
    let how = format!("{reason}, exit code {}", ended.exit_code);
    // The message may be many lines of the log; the last one names the error.
    let message = ended.message.as_deref().unwrap_or_default().trim();
    Some(said(&how, message.lines().last()))
}

fn said(reason: &str, message: Option<&str>) -> String {
    match message.map(str::trim) {
        Some(message) if !message.is_empty() => format!("{reason}: {message}"),
        _ => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests;
