//! Workers and nodes that are set aside for a time because of errors of their own, such
//! as wrong credentials, a wrong clock or a full disk.
//!
//! A worker at fault gets no attempts for a time that doubles with every further error.
//! If different workers of one node are at fault and none of them succeeds, the whole
//! node is set aside, and with it workers that start there. If no worker is well, the
//! cause lies elsewhere: one worker after the other tries again soon, and once one
//! succeeds, all are called back. If those that were well have left or are lost, the others
//! are called back too.

use std::collections::BTreeSet;

use protocol::{Problem, Timestamp, WorkerId};

use super::Scheduler;
use super::outages::Away;
use crate::command::Command;
use crate::pool::Worker;

/// The time after the first error, which doubles …
const REST_MS: u64 = 5_000;
/// … up to this one.
const REST_MS_MAX: u64 = 300_000;
/// The most while no worker is well.
const REST_MS_NONE_WELL: u64 = 4_000;
/// A node is at fault once this many of its workers are.
const NODE_WORKERS: usize = 2;
/// The most nodes at fault that are known at a time. Workers report any name.
const NODES_MAX: usize = 1 << 12;

/// The errors of the workers of one node since the last success.
#[derive(Debug, Default)]
pub(super) struct NodeFaults {
    /// The first workers at fault, by name and incarnation; at most [`NODE_WORKERS`].
    workers: BTreeSet<(WorkerId, u32)>,
    /// How often the node was set aside.
    rests: u32,
    /// Until when it is set aside; `None` if it never was.
    until: Option<Timestamp>,
}

impl Scheduler {
    /// Sets a worker aside that has met an error of its own, and its node if that is at
    /// fault.
    pub(super) fn worker_at_fault(
        &mut self,
        id: &WorkerId,
        problem: &Problem,
        commands: &mut Vec<Command>,
    ) {
        let is_other_well = self.is_other_well(id);
        let faults = self.pool.update(id, self.now, |worker| {
            worker.faults = worker.faults.saturating_add(1);
            worker.last_failure = Some(problem.to_string());
            worker.faults
        });
        let mut rest_ms = rest_ms(faults);
        if !is_other_well {
            rest_ms = rest_ms.min(REST_MS_NONE_WELL);
        }
        self.rest(id, rest_ms, commands);
        self.node_at_fault(id, commands);
        if self.pool.available() == 0 {
            let reason = format!("no worker can use it; last error: {}", problem.detail);
            let since = self.no_worker_well.take().map_or(self.now, |away| away.since);
            self.no_worker_well = Some(Away { since, reason });
            self.outages_changed();
        }
    }

    /// Whether another worker accepts attempts.
    pub(super) fn is_other_well(&self, id: &WorkerId) -> bool {
        let own = self.pool.get(id).is_some_and(Worker::is_available);
        self.pool.available() > u32::from(own)
    }

    /// Counts an error of a worker against its node. The node is set aside if several of
    /// its workers are at fault and a worker of another node is well.
    pub(super) fn node_at_fault(&mut self, id: &WorkerId, commands: &mut Vec<Command>) {
        let Some(worker) = self.pool.get(id) else {
            return;
        };
        let incarnation = worker.joined.incarnation;
        let Some(node) = worker.joined.node.clone() else {
            return;
        };
        if self.nodes.len() >= NODES_MAX && !self.nodes.contains_key(&node) {
            return;
        }
        let faults = self.nodes.entry(node.clone()).or_default();
        if faults.workers.len() < NODE_WORKERS {
            faults.workers.insert((id.clone(), incarnation));
        }
        let is_at_fault = faults.workers.len() >= NODE_WORKERS;
        let is_set_aside = faults.until.is_some_and(|until| until > self.now);
        let is_other_node_well = self
            .pool
            .iter()
            .any(|(_, worker)| worker.is_available() && worker.joined.node.as_ref() != Some(&node));
        if !is_at_fault || is_set_aside || !is_other_node_well {
            return;
        }
        let Some(faults) = self.nodes.get_mut(&node) else {
            return;
        };
        faults.rests = faults.rests.saturating_add(1);
        let rest_ms = rest_ms(faults.rests);
        faults.until = Some(self.now.plus_millis(rest_ms));
        let workers: Vec<WorkerId> = self
            .pool
            .iter()
            .filter(|(_, worker)| worker.joined.node.as_ref() == Some(&node) && !worker.lost)
            .map(|(id, _)| id.clone())
            .collect();
        for worker in workers {
            self.rest(&worker, rest_ms, commands);
        }
    }

    /// Sets a worker aside that has joined on a node that is set aside.
    pub(super) fn rest_with_node(&mut self, id: &WorkerId, commands: &mut Vec<Command>) {
        let node = self.pool.get(id).and_then(|worker| worker.joined.node.as_ref());
        let until = node.and_then(|node| self.nodes.get(node)?.until);
        if let Some(until) = until.filter(|until| *until > self.now) {
            self.rest(id, until.millis_since(self.now), commands);
        }
    }

    /// Records that a worker has succeeded: it is well, and so is its node. If no worker
    /// was well before, all are called back.
    pub(super) fn worker_succeeded(&mut self, id: &WorkerId, commands: &mut Vec<Command>) {
        self.pool.update(id, self.now, |worker| worker.faults = 0);
        if let Some(node) = self.pool.get(id).and_then(|worker| worker.joined.node.as_ref()) {
            self.nodes.remove(node);
        }
        if self.no_worker_well.take().is_none() {
            return;
        }
        let resting: Vec<WorkerId> = self.resting.iter().map(|(_, id)| id.clone()).collect();
        for id in resting {
            self.pool.update(&id, self.now, |worker| worker.faults = 0);
            self.rest(&id, 0, commands);
        }
        self.nodes.clear();
        self.end_rests();
        self.outages_changed();
    }

    /// Sets a worker aside for a time, unless it is set aside for longer. A time of 0 ends
    /// that.
    fn rest(&mut self, id: &WorkerId, rest_ms: u64, commands: &mut Vec<Command>) {
        let until = self.now.plus_millis(rest_ms);
        let before = self.pool.get(id).and_then(|worker| worker.rests_until);
        if before.is_some_and(|before| before >= until) && rest_ms > 0 {
            return;
        }
        self.rest_anew(id, rest_ms, commands);
    }

    /// Sets a worker aside for a time from now, however long it is set aside.
    fn rest_anew(&mut self, id: &WorkerId, rest_ms: u64, commands: &mut Vec<Command>) {
        let until = self.now.plus_millis(rest_ms);
        if let Some(before) = self.pool.get(id).and_then(|worker| worker.rests_until) {
            self.resting.remove(&(before, id.clone()));
        }
        self.resting.insert((until, id.clone()));
        self.pool.update(id, self.now, |worker| worker.rests_until = Some(until));
        self.changes.pool = true;
        commands.push(Command::RestWorker { worker: id.clone(), rest_ms });
    }

    /// Shortens the rests of workers while none accepts attempts: those that were well when
    /// they began have left, or are lost.
    pub(super) fn shorten_rests(&mut self, commands: &mut Vec<Command>) {
        if self.pool.available() > 0 {
            return;
        }
        let latest = self.now.plus_millis(REST_MS);
        // One that tries again soon will show whether the others should.
        if self.resting.first().is_none_or(|(until, _)| *until <= latest) {
            return;
        }
        while let Some((until, id)) = self.resting.pop_last() {
            if until <= latest {
                self.resting.insert((until, id));
                break;
            }
            // It may have left meanwhile, and even joined again.
            if self.pool.get(&id).and_then(|worker| worker.rests_until) == Some(until) {
                self.rest_anew(&id, REST_MS, commands);
            }
        }
    }

    /// Ends the rests that are over.
    pub(super) fn end_rests(&mut self) {
        while self.resting.first().is_some_and(|(until, _)| *until <= self.now)
            && let Some((until, id)) = self.resting.pop_first()
        {
            // It may have left meanwhile, and even joined again.
            let rests_until = self.pool.get(&id).and_then(|worker| worker.rests_until);
            if rests_until == Some(until) {
                self.pool.update(&id, self.now, |worker| worker.rests_until = None);
                self.changes.pool = true;
            }
        }
    }
}

fn rest_ms(faults: u32) -> u64 {
    let doublings = faults.saturating_sub(1).min(16);
    REST_MS.saturating_mul(1 << doublings).min(REST_MS_MAX)
}
