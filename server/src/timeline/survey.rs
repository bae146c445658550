//! The first visit: what is counted of all attempts.

use std::collections::BTreeMap;

use protocol::WorkerId;
use protocol::detail::{AttemptSnapshot, AttemptState};
use protocol::timeline::{
    LaneCounts, LevelTimes, MOMENTS, Moment, Rescue, SlowTask, TASKS_LISTED, TIME_CELLS,
};
use scheduler::VisitedTask;

use super::parts::Parts;
use super::{Frame, is_shown, queued, ran};

/// What is counted of all attempts.
pub(super) struct Survey {
    frame: Frame,
    /// The number of attempts in the span.
    pub(super) attempts: u64,
    /// What each worker did in the span; `None` stands for attempts that none has started.
    pub(super) workers: BTreeMap<Option<WorkerId>, OfWorker>,
    pub(super) moments: Moments,
    pub(super) levels: Vec<Level>,
    pub(super) slowest: Vec<SlowTask>,
    /// With the time in milliseconds that ranks them.
    pub(super) rescues: Vec<(Rescue, u64)>,
}

/// What a worker did in the span.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OfWorker {
    pub(super) attempts: u64,
    pub(super) busy_ms: u64,
    pub(super) counts: LaneCounts,
    /// Whether one of its attempts is not the only one at its task.
    pub(super) has_company: bool,
}

impl Survey {
    pub(super) fn new(frame: Frame) -> Survey {
        Survey {
            frame,
            attempts: 0,
            workers: BTreeMap::new(),
            moments: Moments::new(Parts::new(frame.shown, MOMENTS)),
            levels: Vec::new(),
            slowest: Vec::new(),
            rescues: Vec::new(),
        }
    }

    pub(super) fn visit(&mut self, task: &VisitedTask<'_>) {
        let frame = self.frame;
        for attempt in task.attempts.iter().filter(|attempt| is_shown(attempt, &frame)) {
            self.count(attempt, task.attempts.len() > 1);
        }
        let level = usize::from(task.id.level);
        while self.levels.len() <= level {
            self.levels.push(Level::default());
        }
        self.levels[level].visit(task);
        if let Some((winner, took_ms)) = completion(task.attempts) {
            self.rank(task, winner, took_ms);
            self.rescue(task, winner);
        }
    }

    fn count(&mut self, attempt: &AttemptSnapshot, has_company: bool) {
        let now = self.frame.job.end;
        self.attempts += 1;
        let worker = self.workers.entry(attempt.worker.clone()).or_default();
        worker.attempts += 1;
        worker.has_company |= has_company;
        worker.counts.add(attempt);
        self.moments.add_queued(&queued(attempt, now));
        if let Some(ran) = ran(attempt, now) {
            worker.busy_ms += ran.within(&self.frame.shown).ms();
            self.moments.add_ran(&ran, attempt);
        }
    }

    /// Puts a task among the slowest if it is one of them.
    fn rank(&mut self, task: &VisitedTask<'_>, winner: &AttemptSnapshot, took_ms: u64) {
        let place = self.slowest.partition_point(|slower| slower.took_ms >= took_ms);
        let Some(worker) = winner.worker.clone().filter(|_| place < TASKS_LISTED) else {
            return;
        };
        let attempts = task.attempts.iter().filter(|it| it.started_at.is_some()).count() as u64;
        self.slowest.insert(place, SlowTask { task: task.id, took_ms, attempts, worker });
        self.slowest.truncate(TASKS_LISTED);
    }

    /// Notes a task that a speculative attempt completed before the straggler.
    fn rescue(&mut self, task: &VisitedTask<'_>, winner: &AttemptSnapshot) {
        let superseded = task.attempts.iter().find(|attempt| {
            attempt.state == AttemptState::Superseded
                && !attempt.speculative
                && attempt.started_at.is_some()
        });
        let Some(straggler) = superseded.filter(|_| winner.speculative) else {
            return;
        };
        let (Some(slow), Some(fast)) = (straggler.worker.clone(), winner.worker.clone()) else {
            return;
        };
        let would_take_ms = straggler
            .left_ms
            .zip(ran(straggler, self.frame.job.end))
            .map(|(left_ms, ran)| left_ms + ran.ms());
        let rescue = Rescue {
            task: task.id,
            straggler: slow,
            rescuer: fast,
            // The median is known once all are visited.
            times_slower: would_take_ms.map(|ms| ms as f64),
            saved_ms: straggler.left_ms,
        };
        let rank = straggler.left_ms.unwrap_or(0);
        let place = self.rescues.partition_point(|(_, better)| *better >= rank);
        self.rescues.insert(place, (rescue, rank));
        self.rescues.truncate(TASKS_LISTED);
    }

    /// Compares the stragglers with the others of their level, once all are visited.
    pub(super) fn compare(&mut self) {
        for (rescue, _) in &mut self.rescues {
            let level = self.levels.get_mut(usize::from(rescue.task.level));
            let median_ms = level.map_or(0, |level| level.quantile(50));
            rescue.times_slower = rescue
                .times_slower
                .filter(|_| median_ms > 0)
                .map(|would_take_ms| would_take_ms / median_ms as f64);
        }
    }
}

/// The attempt that completed a task, and the time since its first attempt was started, in
/// milliseconds.
fn completion(attempts: &[AttemptSnapshot]) -> Option<(&AttemptSnapshot, u64)> {
    let winner = attempts.iter().find(|attempt| attempt.state == AttemptState::Completed)?;
    let first = attempts.iter().filter_map(|attempt| attempt.started_at).min()?;
    Some((winner, winner.ended_at?.millis_since(first)))
}

/// The durations of the tasks of one level.
#[derive(Debug, Default)]
pub(super) struct Level {
    /// Of the tasks that one attempt completed alone, in milliseconds.
    alone_ms: Vec<u64>,
    cells: Vec<Option<u64>>,
}

impl Level {
    fn visit(&mut self, task: &VisitedTask<'_>) {
        let Some((winner, took_ms)) = completion(task.attempts) else {
            return;
        };
        let is_alone = task.attempts.iter().filter(|it| it.started_at.is_some()).count() == 1;
        if is_alone && winner.segments_reused == 0 {
            self.alone_ms.push(took_ms);
        }
        let cells = task.of_tasks.clamp(1, TIME_CELLS);
        self.cells.resize(usize::try_from(cells).unwrap_or(usize::MAX), None);
        // As the cells of the sum tree: the last one that begins at the task or before.
        let cell = ((task.index + 1) * cells).div_ceil(task.of_tasks.max(1)).saturating_sub(1);
        let cell = usize::try_from(cell).ok().and_then(|cell| self.cells.get_mut(cell));
        if let Some(cell) = cell {
            *cell = (*cell).max(Some(took_ms));
        }
    }

    /// The duration that a percentage of the tasks did not exceed; 0 without tasks.
    fn quantile(&mut self, percent: usize) -> u64 {
        let last = self.alone_ms.len().saturating_sub(1);
        let rank = (self.alone_ms.len() * percent).div_ceil(100).saturating_sub(1).min(last);
        if self.alone_ms.is_empty() {
            return 0;
        }
        *self.alone_ms.select_nth_unstable(rank).1
    }

    pub(super) fn finish(mut self) -> LevelTimes {
        LevelTimes {
            tasks: self.alone_ms.len() as u64,
            median_ms: self.quantile(50),
            p95_ms: self.quantile(95),
            cells: self.cells,
        }
    }
}

/// What all attempts did, part by part.
pub(super) struct Moments {
    parts: Parts,
    running_ms: Vec<u64>,
    queued_ms: Vec<u64>,
    read_bytes: Vec<f64>,
    memory_bytes: Vec<u64>,
}

impl Moments {
    fn new(parts: Parts) -> Moments {
        let count = parts.count();
        Moments {
            parts,
            running_ms: vec![0; count],
            queued_ms: vec![0; count],
            read_bytes: vec![0.0; count],
            memory_bytes: vec![0; count],
        }
    }

    fn add_queued(&mut self, span: &super::Span) {
        for (part, ms) in self.parts.shared(span) {
            self.queued_ms[part] += ms;
        }
    }

    fn add_ran(&mut self, span: &super::Span, attempt: &AttemptSnapshot) {
        let bytes_per_ms = attempt.read_bytes as f64 / span.ms().max(1) as f64;
        for (part, ms) in self.parts.shared(span) {
            self.running_ms[part] += ms;
            self.read_bytes[part] += bytes_per_ms * ms as f64;
            let most = &mut self.memory_bytes[part];
            *most = (*most).max(attempt.resident_bytes);
        }
    }

    pub(super) fn finish(self) -> Vec<Moment> {
        let moment = |part: usize| {
            let ms = self.parts.ms(part).max(1) as f64;
            Moment {
                running: self.running_ms[part] as f64 / ms,
                queued: self.queued_ms[part] as f64 / ms,
                bytes_per_sec: self.read_bytes[part] * 1000.0 / ms,
                memory_bytes: self.memory_bytes[part],
            }
        };
        (0..self.parts.count()).map(moment).collect()
    }
}
