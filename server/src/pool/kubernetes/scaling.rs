//! How many replicas to set, and which pods to delete first.

use std::collections::BTreeMap;

use protocol::WorkerId;

use super::listing::Listing;
use super::pods::PodState;

/// The deletion cost of the pod of a released worker, below that of pods without
/// the annotation, which is 0.
const RELEASED_COST: i32 = -1000;
/// The deletion cost of the pod of a working worker, above that of a pod that
/// starts while the cluster chooses.
const AT_WORK_COST: i32 = 1000;

/// The desired state.
#[derive(Debug, Default)]
pub(super) struct Scaling {
    /// The number of workers; nothing is changed until one is requested.
    pub(super) desired: Option<u32>,
    /// The workers that have left or are lost, with the number of container restarts at that
    /// time: after one more restart, another worker runs in the pod.
    released: BTreeMap<WorkerId, u32>,
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
    /// Notes that a worker has left or is lost. One without a pod is no concern of this pool.
    pub(super) fn release(&mut self, worker: WorkerId, pods: &Listing<PodState>) {
        if let Some(pod) = pods.get(worker.as_str()) {
            self.released.insert(worker, pod.member.instance.restarts);
        }
    }

    /// Notes that a released worker is at work again.
    pub(super) fn retain(&mut self, worker: &WorkerId) {
        self.released.remove(worker);
    }

    /// Forgets workers whose processes have ended.
    pub(super) fn forget_ended(&mut self, pods: &BTreeMap<String, PodState>) {
        self.released.retain(|worker, restarts| {
            pods.get(worker.as_str()).is_some_and(|pod| pod.member.instance.restarts <= *restarts)
        });
    }

    /// The next change for a Deployment with this number of replicas and these
    /// pods; `None` if there is nothing to change.
    ///
    /// The number of replicas is raised at once. It is lowered only to the number
    /// of working workers that were not released: a ReplicaSet deletes pods that do
    /// not run first, then those that are not ready, then those of the lowest deletion
    /// cost, so none of those workers is stopped. They follow once they have been
    /// released. While one of them is not ready, pods that are stay: it would be deleted
    /// before them.
    pub(super) fn step(&self, replicas: u32, pods: &BTreeMap<String, PodState>) -> Option<Step> {
        let desired = self.desired?;
        if desired >= replicas {
            return (desired > replicas).then(|| Step { costs: Vec::new(), replicas: desired });
        }
        let at_work = |name: &str, pod: &PodState| pod.is_working && !self.is_released(name);
        let one_is_unready = pods.iter().any(|(name, pod)| at_work(name, pod) && !pod.is_ready);
        let stays = |(name, pod): &(&String, &PodState)| {
            at_work(name, pod) || (one_is_unready && pod.counts && pod.is_ready)
        };
        let staying = u32::try_from(pods.iter().filter(stays).count()).unwrap_or(u32::MAX);
        let lower = desired.max(staying);
        (lower < replicas).then(|| Step { costs: self.costs(pods), replicas: lower })
    }

    fn costs(&self, pods: &BTreeMap<String, PodState>) -> Vec<(String, Option<i32>)> {
        let counting = pods.iter().filter(|(_, pod)| pod.counts);
        let wanted = counting.filter_map(|(name, pod)| {
            let is_released = self.is_released(name);
            let cost = match (is_released, pod.is_working) {
                (true, _) => Some(RELEASED_COST),
                (false, true) => Some(AT_WORK_COST),
                (false, false) => None,
            };
            // A cost that something else has written stays.
            let is_ours = matches!(pod.deletion_cost, None | Some(RELEASED_COST | AT_WORK_COST));
            ((is_ours || is_released) && cost != pod.deletion_cost).then(|| (name.clone(), cost))
        });
        wanted.collect()
    }

    /// Whether the worker in this pod has left or is lost.
    pub(super) fn is_released(&self, pod: &str) -> bool {
        self.released.contains_key(&WorkerId::from(pod.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use protocol::worker::{InstanceStatus, WorkerState};

    use super::*;
    use crate::pool::Member;

    const RELEASED: Option<i32> = Some(RELEASED_COST);
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
            is_ready: is_working,
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

    fn scaling(desired: u32, released: &[&str]) -> Scaling {
        let released = released.iter().map(|name| (WorkerId::from((*name).to_owned()), 0));
        Scaling { desired: Some(desired), released: released.collect() }
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
    fn workers_at_work_stay_until_they_have_been_released() {
        let three = pods("a b c");
        assert_eq!(scaling(1, &[]).step(3, &three), None);
        let costs = [("a", AT_WORK), ("b", RELEASED), ("c", AT_WORK)];
        assert_eq!(scaling(1, &["b"]).step(3, &three), step(2, &costs));
    }

    #[test]
    fn a_released_worker_that_is_back_stays() {
        let mut scaling = scaling(1, &["b"]);
        assert!(scaling.step(2, &pods("a b")).is_some());
        scaling.retain(&WorkerId::from("b".to_owned()));
        assert_eq!(scaling.step(2, &pods("a b")), None);
    }

    #[test]
    fn a_released_worker_stays_while_one_at_work_would_be_deleted_before_it() {
        let mut pods = pods("a b c");
        let is_ready = |name: &str, is: bool, pods: &mut BTreeMap<String, PodState>| {
            pods.get_mut(name).unwrap().is_ready = is;
        };
        is_ready("a", false, &mut pods);
        assert_eq!(scaling(1, &["b", "c"]).step(3, &pods), None);
        is_ready("c", false, &mut pods);
        let costs = [("a", AT_WORK), ("b", RELEASED), ("c", RELEASED)];
        assert_eq!(scaling(1, &["b", "c"]).step(3, &pods), step(2, &costs), "c comes first");
        is_ready("a", true, &mut pods);
        assert_eq!(scaling(1, &["b", "c"]).step(3, &pods), step(1, &costs));
    }

    #[test]
    fn pods_that_do_not_run_are_deleted_at_once() {
        assert_eq!(scaling(0, &[]).step(3, &pods("a | b c")), step(1, &[("a", AT_WORK)]));
        assert_eq!(scaling(0, &[]).step(2, &pods("| b c")), step(0, &[]));
    }

    #[test]
    fn a_released_worker_that_is_started_again_counts_again() {
        let mut scaling = scaling(1, &["b"]);
        let mut pods = pods("a b");
        assert!(scaling.step(2, &pods).is_some());
        let again = pods.get_mut("b").unwrap();
        again.member.instance.restarts = 1;
        again.deletion_cost = Some(RELEASED_COST);
        scaling.forget_ended(&pods);
        assert_eq!(scaling.step(2, &pods), None);
        scaling.released.insert(WorkerId::from("a".to_owned()), 0);
        let costs = [("a", RELEASED), ("b", AT_WORK)];
        assert_eq!(scaling.step(2, &pods), step(1, &costs), "b is not cheap any more");
        pods.get_mut("b").unwrap().is_working = false;
        let costs = [("a", RELEASED), ("b", None)];
        assert_eq!(scaling.step(2, &pods), step(1, &costs), "nor dear, as it does not run now");
    }

    #[test]
    fn what_somebody_else_says_of_a_pods_cost_stays() {
        let mut pods = pods("a b");
        pods.get_mut("a").unwrap().deletion_cost = Some(7);
        assert_eq!(scaling(0, &["b"]).step(2, &pods), step(1, &[("b", RELEASED)]));
        assert_eq!(
            scaling(0, &["a"]).step(2, &pods),
            step(1, &[("a", RELEASED), ("b", AT_WORK)]),
            "but not that of one that is to go"
        );
    }
}
