//! The second visit: the attempts of the workers that are shown.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

use protocol::detail::{AttemptSnapshot, AttemptState};
use protocol::timeline::{LANE_PARTS, LANES_LISTED, Lane, TimedAttempt};
use protocol::{Timestamp, WorkerId};
use scheduler::VisitedTask;

use super::parts::Parts;
use super::survey::OfWorker;
use super::{Frame, is_shown, ran};

/// The lanes of the workers that are shown.
pub(super) struct Lanes {
    frame: Frame,
    /// The index of each worker's lane.
    indices: BTreeMap<Option<WorkerId>, usize>,
    lanes: Vec<Lane>,
    /// The time that each worker was busy, by parts of the span; empty if all attempts are
    /// listed.
    busy_ms: Vec<Vec<u64>>,
    parts: Parts,
    /// How many more attempts can be listed.
    room: usize,
    /// Whether there are too many attempts to list all.
    is_dense: bool,
    left_out: u64,
}

impl Lanes {
    /// Chooses the workers that are shown: first those with attempts that are not the only
    /// one at their task, then those that were busy longest.
    pub(super) fn choose(
        frame: Frame,
        workers: BTreeMap<Option<WorkerId>, OfWorker>,
        attempts: u64,
    ) -> Lanes {
        let mut workers: Vec<_> = workers.into_iter().collect();
        let left_out = workers.len().saturating_sub(LANES_LISTED) as u64;
        if left_out > 0 {
            workers.sort_by_key(|(_, of)| Reverse((of.has_company, of.busy_ms)));
            workers.truncate(LANES_LISTED);
        }
        workers.sort_by(|(one, _), (other, _)| order(one.as_ref(), other.as_ref()));
        let indices = workers.iter().map(|(worker, _)| worker.clone()).zip(0..).collect();
        let lanes: Vec<Lane> = workers
            .into_iter()
            .map(|(worker, of)| Lane {
                worker,
                total: of.attempts,
                busy_ms: of.busy_ms,
                counts: Some(of.counts),
                ..Lane::default()
            })
            .collect();
        let parts = Parts::new(frame.shown, LANE_PARTS);
        let is_dense = attempts > frame.attempts_listed as u64;
        let empty = if is_dense { vec![0; parts.count()] } else { Vec::new() };
        Lanes {
            frame,
            indices,
            busy_ms: vec![empty; lanes.len()],
            lanes,
            parts,
            room: frame.attempts_listed,
            is_dense,
            left_out,
        }
    }

    pub(super) fn visit(&mut self, task: &VisitedTask<'_>) {
        let has_company = task.attempts.len() > 1;
        for attempt in task.attempts.iter().filter(|attempt| is_shown(attempt, &self.frame)) {
            let Some(&lane) = self.indices.get(&attempt.worker) else {
                continue;
            };
            if self.is_dense
                && let Some(ran) = ran(attempt, self.frame.job.end)
            {
                for (part, ms) in self.parts.shared(&ran) {
                    self.busy_ms[lane][part] += ms;
                }
            }
            let is_ordinary = !has_company && attempt.state == AttemptState::Completed;
            if self.is_dense && is_ordinary || self.room == 0 {
                continue;
            }
            self.room -= 1;
            self.lanes[lane].attempts.push(TimedAttempt {
                task: task.id,
                beside: beside(task.attempts, attempt),
                attempt: attempt.clone(),
            });
        }
    }

    /// The lanes, and how many are left out.
    pub(super) fn finish(mut self) -> (Vec<Lane>, u64) {
        for (lane, busy_ms) in self.lanes.iter_mut().zip(self.busy_ms) {
            lane.attempts.sort_by_key(|it| (begin(&it.attempt), it.task));
            let share = |(part, ms): (usize, u64)| {
                let thousandths = ms * 1000 / self.parts.ms(part).max(1);
                u16::try_from(thousandths.min(1000)).unwrap_or(1000)
            };
            lane.busy = busy_ms.into_iter().enumerate().map(share).collect();
        }
        (self.lanes, self.left_out)
    }
}

/// When an attempt was started, or published if it never was.
fn begin(attempt: &AttemptSnapshot) -> Timestamp {
    attempt.started_at.unwrap_or(attempt.published_at)
}

/// Workers in natural order, and no worker last.
fn order(one: Option<&WorkerId>, other: Option<&WorkerId>) -> Ordering {
    match (one, other) {
        (Some(one), Some(other)) => one.natural_cmp(other),
        (one, other) => one.is_none().cmp(&other.is_none()),
    }
}

/// The number of the attempt that a speculative attempt was started beside: the last one
/// before it that had not ended.
pub(crate) fn beside(attempts: &[AttemptSnapshot], speculative: &AttemptSnapshot) -> Option<u32> {
    let was_live = |attempt: &&AttemptSnapshot| {
        attempt.number < speculative.number
            && attempt.ended_at.is_none_or(|ended_at| ended_at > speculative.published_at)
    };
    let before = attempts.iter().rev().filter(|_| speculative.speculative).find(was_live)?;
    Some(before.number)
}
