//! Timelines of the jobs whose tasks are in memory.

use std::collections::BTreeMap;

use app::lately::{Lately, LatelyLane};
use protocol::timeline::Timeline;
use protocol::{JobId, JobSnapshot, Timestamp, WorkerId};

use super::Driver;
use crate::memory;
use crate::timeline::{Frame, Span, timeline};

/// How long ago an attempt may have ended that counts as lately, in milliseconds.
const LATELY_MS: u64 = 120_000;
/// The most attempts of one job that are told …
const OF_JOB: usize = 300;
/// … and the most jobs, the newest ones.
const JOBS: usize = 50;

impl Driver {
    /// What the workers have done in the last two minutes.
    pub(super) fn lately(&self) -> Lately {
        let now = self.time.shown(self.time.now());
        let start = Timestamp::from_millis(now.as_millis().saturating_sub(LATELY_MS));
        let span = Span { start, end: now };
        let mut lanes: BTreeMap<WorkerId, LatelyLane> = BTreeMap::new();
        let jobs = self.scheduler.jobs().rev().filter_map(|job| {
            let snapshot = self.known(job)?;
            let is_lately = snapshot.timings.ended_at.is_none_or(|ended_at| ended_at >= start);
            (is_lately && snapshot.timings.running_at.is_some()).then_some(snapshot)
        });
        for job in jobs.take(JOBS) {
            for lane in self.timeline_in(&job, span, OF_JOB).lanes {
                let Some(worker) = lane.worker else { continue };
                let of_worker = lanes.entry(worker.clone()).or_insert_with(|| LatelyLane {
                    worker,
                    attempts: Vec::new(),
                    busy: Vec::new(),
                });
                of_worker.attempts.extend(lane.attempts.into_iter().map(|it| (job.id, it)));
                if !lane.busy.is_empty() {
                    of_worker.busy.push((job.id, lane.busy));
                }
            }
        }
        let mut lanes: Vec<LatelyLane> = lanes.into_values().collect();
        lanes.sort_by(|one, other| one.worker.natural_cmp(&other.worker));
        // Each worker inside the server reports the memory of the whole process.
        let is_shared = self.effects.parts.pool.is_inside();
        let reported = self.scheduler.pool().workers.into_iter().map(|it| it.resident_bytes);
        let shared_memory_bytes = reported.max().filter(|_| is_shared);
        Lately { start, end: now, shared_memory_bytes, lanes, ..Lately::default() }
    }

    /// The snapshot of a job whose tasks are in memory.
    fn known(&self, job: JobId) -> Option<JobSnapshot> {
        match self.snapshot(job) {
            Some(snapshot) => Some(snapshot),
            None => Some(JobSnapshot::clone(&*self.board.job(job)?)),
        }
    }

    /// The timeline of a job in a span, by the machine's clock; of the whole job without
    /// one. At most `listed` attempts are listed. `None` if its tasks are not in memory.
    pub(super) fn timeline(
        &self,
        job: JobId,
        span: Option<Span>,
        listed: usize,
    ) -> Option<Timeline> {
        let snapshot = self.known(job)?;
        self.scheduler.job(job)?;
        Some(self.timeline_of(&snapshot, span, listed))
    }

    /// The timeline of the job of a snapshot.
    pub(super) fn timeline_of(
        &self,
        job: &JobSnapshot,
        span: Option<Span>,
        listed: usize,
    ) -> Timeline {
        let now = self.time.shown(self.time.now());
        let whole = Span {
            start: job.timings.submitted_at,
            end: job.timings.ended_at.unwrap_or(now).max(job.timings.submitted_at),
        };
        self.timeline_within(job, whole, span.map_or(whole, |span| span.within(&whole)), listed)
    }

    /// The timeline of a job in a span that may begin before the job, or end after it.
    fn timeline_in(&self, job: &JobSnapshot, span: Span, listed: usize) -> Timeline {
        self.timeline_within(job, span, span, listed)
    }

    /// The memory that the process of a worker holds at most for a job, in bytes. Workers
    /// inside the server share its memory with all jobs.
    fn memory_bound(&self, job: &JobSnapshot) -> Option<u64> {
        let plan = job.plan.as_ref().filter(|_| !self.effects.parts.pool.is_inside())?;
        Some(memory::worker_bytes(plan))
    }

    fn timeline_within(
        &self,
        job: &JobSnapshot,
        whole: Span,
        shown: Span,
        listed: usize,
    ) -> Timeline {
        let frame = Frame {
            job: whole,
            shown,
            is_over: job.phase.is_over(),
            known_from: job.restarts.last().map(|restart| restart.at),
            memory_bound_bytes: self.memory_bound(job),
            attempts_listed: listed,
        };
        timeline(frame, |visit| {
            self.scheduler.visit_attempts(job.id, &mut |task| {
                self.time.attempts(task.attempts);
                visit(task);
            });
        })
    }
}
