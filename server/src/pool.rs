//! What keeps workers.

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
/// - **Declarative.** The last number asked for is what counts; asking twice
///   for the same does nothing.
/// - **Never stops a worker that was not told to drain.** Fewer are asked for
///   only after as many have been drained.
/// - **Does not wait.** Workers come and go later, and say so themselves.
#[async_trait]
pub trait WorkerPool: Send + Sync + 'static {
    /// What keeps the workers, named by one word, and where.
    fn description(&self) -> Description;

    /// Hears that a worker has been told to drain, so that it counts no more
    /// and is the first to go.
    async fn drained(&self, worker: &WorkerId) -> anyhow::Result<()>;

    /// Sees to it that there are `desired` workers, not counting those told to drain.
    async fn ensure(&self, desired: u32) -> anyhow::Result<()>;

    /// What the pool sees of its workers, if it can see more than they say
    /// themselves.
    fn observed(&self) -> Option<watch::Receiver<Observed>> {
        None
    }

    /// Ends the pool's own work. Workers that would not outlive the server are
    /// stopped and waited for, and what they were at is handed back; workers
    /// that somebody else keeps go on, for the next server to find them.
    async fn stop(&self);
}

/// What a pool sees of its workers besides what they say themselves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// Those there are, by name, whether they have said anything yet or not.
    pub members: BTreeMap<WorkerId, Member>,
    /// What is the matter with the pool, and what to do.
    pub notice: Option<String>,
}

/// A worker as its pool sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// What to say of it as long as it has said nothing itself.
    pub state: WorkerState,
    /// The machine it runs on, once that is decided.
    pub node: Option<String>,
    /// What the pool sees of the instance that the worker runs in.
    pub instance: InstanceStatus,
    /// Why it is as it is, where that needs saying.
    pub reason: Option<String>,
}

impl Observed {
    /// The workers that have spoken with what is seen of them, and those that
    /// have not spoken yet: in the order of their names, no more than are shown.
    #[must_use]
    pub fn complete(&self, spoken: Vec<WorkerSnapshot>) -> Vec<WorkerSnapshot> {
        let mut workers: BTreeMap<WorkerId, WorkerSnapshot> =
            spoken.into_iter().map(|worker| (worker.id.clone(), worker)).collect();
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
        workers.into_values().take(SHOWN_WORKERS).collect()
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
    fn what_is_seen_completes_what_workers_say() {
        let id = |name: &str| WorkerId::from(name.to_owned());
        let observed = Observed {
            members: BTreeMap::from([
                (id("a"), member(WorkerState::Starting, "ErrImagePull")),
                (id("b"), member(WorkerState::Starting, "restarted")),
            ]),
            notice: None,
        };
        let alone = observed.complete(Vec::new());
        let spoken = |name: &str| {
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
        let all = observed.complete(vec![spoken("b"), spoken("c")]);
        let told = |worker: &WorkerSnapshot| {
            let restarts = worker.instance.as_ref().map(|instance| instance.restarts);
            (worker.id.to_string(), worker.state, worker.reason.clone(), restarts)
        };
        let told: Vec<_> = all.iter().map(told).collect();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            told,
            [
                ("a".to_owned(), WorkerState::Starting, some("ErrImagePull"), Some(2)),
                ("b".to_owned(), WorkerState::Busy, some("restarted"), Some(2)),
                ("c".to_owned(), WorkerState::Busy, None, None),
            ]
        );
        assert_eq!(all[1].node.as_deref(), Some("node-a"));
    }
}
