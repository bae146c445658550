//! How many replicas to set, and which pods to delete first.

use std::collections::BTreeMap;

use protocol::WorkerId;

use super::listing::Listing;
use super::pods::PodState;

/// The deletion cost of the pod of a drained worker, below that of pods without
/// the annotation, which is 0.
const DRAINED_COST: i32 = -1000;
/// The deletion cost of the pod of a working worker, above that of a pod that
/// starts while the cluster chooses.
const AT_WORK_COST: i32 = 1000;

/// The desired state.
#[derive(Debug, Default)]
pub(super) struct Scaling {
    /// The number of workers; nothing is changed until one is requested.
    pub(super) desired: Option<u32>,
    /// The drained workers, with the number of container restarts at that time:
    /// after one more restart, another worker runs in the pod.
    drained: BTreeMap<WorkerId, u32>,
}

/// The next change to the cluster.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    /// The deletion costs to write on pods first; `None` removes the annotation.
    pub(super) costs: Vec<(String, Option<i32>)>,
    /// The number of replicas to set.
    pub(super) replicas: u32,
}

impl Scaling {
    /// Notes that a worker has been told to drain.
    pub(super) fn drain(&mut self, worker: WorkerId, pods: &Listing<PodState>) {
        let restarts = pods.get(worker.as_str()).map_or(0, |pod| pod.member.instance.restarts);
        self.drained.insert(worker, restarts);
    }

    /// Forgets drained workers that have ended.
    pub(super) fn forget_ended(&mut self, pods: &BTreeMap<String, PodState>) {
        self.drained.retain(|worker, restarts| {
            pods.get(worker.as_str()).is_some_and(|pod| pod.member.instance.restarts <= *restarts)
        });
    }

    /// The next change for a Deployment with this number of replicas and these
    /// pods; `None` if there is nothing to change.
    ///
    /// The number of replicas is raised at once. It is lowered only to the number
    /// of working workers that were not told to drain. A ReplicaSet deletes pods
    /// that do not run first, then those of the lowest deletion cost, so none of
    /// those workers is stopped. They follow once they have been drained.
    pub(super) fn step(&self, replicas: u32, pods: &BTreeMap<String, PodState>) -> Option<Step> {
        let desired = self.desired?;
        if desired >= replicas {
            return (desired > replicas).then(|| Step { costs: Vec::new(), replicas: desired });
        }
        let at_work = pods.iter().filter(|(name, pod)| pod.is_working && !self.is_drained(name));
        let at_work = u32::try_from(at_work.count()).unwrap_or(u32::MAX);
        let lower = desired.max(at_work);
        (lower < replicas).then(|| Step { costs: self.costs(pods), replicas: lower })
    }

    fn costs(&self, pods: &BTreeMap<String, PodState>) -> Vec<(String, Option<i32>)> {
        let counting = pods.iter().filter(|(_, pod)| pod.counts);
        let wanted = counting.filter_map(|(name, pod)| {
            let is_drained = self.is_drained(name);
            let cost = match (is_drained, pod.is_working) {
                (true, _) => Some(DRAINED_COST),
                (false, true) => Some(AT_WORK_COST),
                (false, false) => None,
            };
            // A cost that something else has written stays.
            let is_ours = matches!(pod.deletion_cost, None | Some(DRAINED_COST | AT_WORK_COST));
            ((is_ours || is_drained) && cost != pod.deletion_cost).then(|| (name.clone(), cost))
        });
        wanted.collect()
    }

    /// Whether the worker in this pod has been told to drain.
    pub(super) fn is_drained(&self, pod: &str) -> bool {
        self.drained.contains_key(&WorkerId::from(pod.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use protocol::worker::{InstanceStatus, WorkerState};

    use super::*;
    use crate::pool::Member;

    const DRAINED: Option<i32> = Some(DRAINED_COST);
    const AT_WORK: Option<i32> = Some(AT_WORK_COST);

    fn pod(is_working: bool) -> PodState {
        PodState {
            member: Member {
                state: WorkerState::Starting,
                node: None,
                instance: InstanceStatus { phase: "Running".to_owned(), restarts: 0 },
                reason: None,
            },
            is_working,
            counts: true,
            has_ended: false,
            made_at_secs: 0,
            deletion_cost: None,
        }
    }

    /// Pods by name; those after the bar do not run.
    fn pods(names: &str) -> BTreeMap<String, PodState> {
        let (working, waiting) = names.split_once('|').unwrap_or((names, ""));
        let all = |names: &str, is_working| {
            let names: Vec<String> = names.split_whitespace().map(str::to_owned).collect();
            names.into_iter().map(move |name| (name, pod(is_working)))
        };
        all(working, true).chain(all(waiting, false)).collect()
    }

    fn scaling(desired: u32, drained: &[&str]) -> Scaling {
        let drained = drained.iter().map(|name| (WorkerId::from((*name).to_owned()), 0));
        Scaling { desired: Some(desired), drained: drained.collect() }
    }

    fn step(replicas: u32, costs: &[(&str, Option<i32>)]) -> Option<Step> {
        let costs = costs.iter().map(|(name, cost)| ((*name).to_owned(), *cost)).collect();
        Some(Step { costs, replicas })
    }

    #[test]
    fn more_are_asked_for_at_once() {
        assert_eq!(scaling(5, &[]).step(1, &pods("a")), step(5, &[]));
        assert_eq!(scaling(1, &[]).step(1, &pods("a")), None, "enough are there");
        assert_eq!(Scaling::default().step(1, &pods("a")), None, "nobody has requested");
    }

    #[test]
    fn workers_at_work_stay_until_they_have_been_drained() {
        let three = pods("a b c");
        assert_eq!(scaling(1, &[]).step(3, &three), None);
        let costs = [("a", AT_WORK), ("b", DRAINED), ("c", AT_WORK)];
        assert_eq!(scaling(1, &["b"]).step(3, &three), step(2, &costs));
    }

    #[test]
    fn pods_that_do_not_run_are_deleted_at_once() {
        assert_eq!(scaling(0, &[]).step(3, &pods("a | b c")), step(1, &[("a", AT_WORK)]));
        assert_eq!(scaling(0, &[]).step(2, &pods("| b c")), step(0, &[]));
    }

    #[test]
    fn a_drained_worker_that_is_started_again_counts_again() {
        let mut scaling = scaling(1, &["b"]);
        let mut pods = pods("a b");
        assert!(scaling.step(2, &pods).is_some());
        let again = pods.get_mut("b").unwrap();
        again.member.instance.restarts = 1;
        again.deletion_cost = Some(DRAINED_COST);
        scaling.forget_ended(&pods);
        assert_eq!(scaling.step(2, &pods), None);
        scaling.drain(WorkerId::from("a".to_owned()), &Listing::default());
        let costs = [("a", DRAINED), ("b", AT_WORK)];
        assert_eq!(scaling.step(2, &pods), step(1, &costs), "b is not cheap any more");
        pods.get_mut("b").unwrap().is_working = false;
        let costs = [("a", DRAINED), ("b", None)];
        assert_eq!(scaling.step(2, &pods), step(1, &costs), "nor dear, as it does not run now");
    }

    #[test]
    fn what_somebody_else_says_of_a_pods_cost_stays() {
        let mut pods = pods("a b");
        pods.get_mut("a").unwrap().deletion_cost = Some(7);
        assert_eq!(scaling(0, &["b"]).step(2, &pods), step(1, &[("b", DRAINED)]));
        assert_eq!(
            scaling(0, &["a"]).step(2, &pods),
            step(1, &[("a", DRAINED), ("b", AT_WORK)]),
            "but not that of one that is to go"
        );
    }
}
