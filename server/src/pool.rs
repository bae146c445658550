//! Worker pools: the trait, and what a pool sees of its workers.

pub mod embedded;
pub mod external;
pub mod kubernetes;
mod local;
pub mod process;

use std::collections::BTreeMap;

use async_trait::async_trait;
use platform::Description;
use protocol::WorkerId;
use protocol::worker::{InstanceStatus, SHOWN_WORKERS, WorkerSnapshot, WorkerState};
use tokio::sync::watch;

/// Keeps a number of workers running.
///
/// # Guarantees
///
/// - **Declarative.** Only the last number passed to `ensure` counts; repeating
///   it does nothing.
/// - **Never stops a worker that was not released.** The scheduler drains workers
///   before it lowers the number, and releases each once it has left.
/// - **Does not wait.** Workers start and stop later, and report it themselves.
#[async_trait]
pub trait WorkerPool: Send + Sync + 'static {
    /// The kind of the pool in one word, and its location.
    fn description(&self) -> Description;

    /// Notes that a worker has been told to drain: it is not restarted once it ends. It may
    /// have accepted an attempt before it was told, which it completes.
    async fn drained(&self, worker: &WorkerId) -> anyhow::Result<()>;

    /// Notes that a worker has left, or was told to drain and is lost: where its instance
    /// does not end with it, it may be stopped now.
    async fn released(&self, _worker: &WorkerId) -> anyhow::Result<()> {
        Ok(())
    }

    /// Notes that a released worker is at work again: it is back, or another process has its
    /// name now.
    async fn retained(&self, _worker: &WorkerId) -> anyhow::Result<()> {
        Ok(())
    }

    /// Sets the number of workers to keep, not counting those told to drain. A pool whose
    /// instances do not end with their workers counts these until they are released.
    ///
    /// # Errors
    ///
    /// If the pool cannot start workers; the error is shown on the dashboard.
    async fn ensure(&self, desired: u32) -> anyhow::Result<()>;

    /// Whether its workers run inside the server, and share its memory.
    fn is_inside(&self) -> bool {
        false
    }

    /// What the pool sees of its workers, if that is more than they report
    /// themselves.
    fn observed(&self) -> Option<watch::Receiver<Observed>> {
        None
    }

    /// Stops the pool. Workers that cannot outlive the server are stopped and
    /// waited for, and hand their tasks back. Other workers continue, and the next
    /// server finds them.
    async fn stop(&self);
}

/// What a pool sees of its workers besides what they report themselves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The workers by name, whether they have reported yet or not.
    pub members: BTreeMap<WorkerId, Member>,
    /// What is wrong with the pool and what to do; `None` if nothing is wrong.
    pub notice: Option<String>,
}

/// A worker as its pool sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The state to show until the worker has reported one.
    pub state: WorkerState,
    /// The machine that the worker runs on, once it is chosen.
    pub node: Option<String>,
    /// The instance that the worker runs in, such as a pod.
    pub instance: InstanceStatus,
    /// Why the worker does not run, or was restarted.
    pub reason: Option<String>,
}

impl Observed {
    /// Adds to the workers that have reported what the pool sees of them, and the
    /// workers that have not reported yet. Sorted naturally, `worker-2` before `worker-10`,
    /// and at most [`SHOWN_WORKERS`].
    #[must_use]
    pub fn complete(&self, reported: Vec<WorkerSnapshot>) -> Vec<WorkerSnapshot> {
        let mut workers: BTreeMap<WorkerId, WorkerSnapshot> =
            reported.into_iter().map(|worker| (worker.id.clone(), worker)).collect();
        for (id, member) in &self.members {
            let worker = workers.entry(id.clone()).or_insert_with(|| WorkerSnapshot {
                id: id.clone(),
                state: member.state,
                node: None,
                attempt: None,
                completed: 0,
                resident_bytes: 0,
                bytes_per_sec: 0.0,
                faults: None,
                reason: None,
                instance: None,
            });
            worker.node = member.node.clone().or(worker.node.take());
            worker.reason = worker.reason.take().or_else(|| member.reason.clone());
            worker.instance = Some(member.instance.clone());
        }
        let mut workers: Vec<WorkerSnapshot> = workers.into_values().collect();
        workers.sort_by(|one, other| one.id.natural_cmp(&other.id));
        workers.truncate(SHOWN_WORKERS);
        workers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(state: WorkerState, reason: &str) -> Member {
        Member {
            state,
            node: Some("node-a".to_owned()),
            instance: InstanceStatus { phase: "Pending".to_owned(), restarts: 2 },
            reason: Some(reason.to_owned()),
        }
    }

    #[test]
    fn what_the_pool_sees_completes_what_workers_report() {
        let id = |name: &str| WorkerId::from(name.to_owned());
        let observed = Observed {
            members: BTreeMap::from([
                (id("a"), member(WorkerState::Starting, "ErrImagePull")),
                (id("b"), member(WorkerState::Starting, "restarted")),
            ]),
            notice: None,
        };
        let alone = observed.complete(Vec::new());
        let reported = |name: &str| {
            let like = alone[0].clone();
            WorkerSnapshot {
                id: id(name),
                state: WorkerState::Busy,
                reason: None,
                node: None,
                instance: None,
                ..like
            }
        };
        let all = observed.complete(vec![reported("b"), reported("c")]);
        let summary = |worker: &WorkerSnapshot| {
            let restarts = worker.instance.as_ref().map(|instance| instance.restarts);
            (worker.id.to_string(), worker.state, worker.reason.clone(), restarts)
        };
        let summaries: Vec<_> = all.iter().map(summary).collect();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            summaries,
            [
                ("a".to_owned(), WorkerState::Starting, some("ErrImagePull"), Some(2)),
                ("b".to_owned(), WorkerState::Busy, some("restarted"), Some(2)),
                ("c".to_owned(), WorkerState::Busy, None, None),
            ]
        );
        assert_eq!(all[1].node.as_deref(), Some("node-a"));
        let numbered = ["worker-1", "worker-10", "worker-2"].map(reported);
        let sorted = Observed::default().complete(numbered.to_vec());
        let names: Vec<&str> = sorted.iter().map(|worker| worker.id.as_str()).collect();
        assert_eq!(names, ["worker-1", "worker-2", "worker-10"]);
    }
}
