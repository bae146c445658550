//! The state of a job: its parameters, its levels, its live attempts and its counters.

mod level;
mod store_wait;
mod throughput;

use std::collections::{BTreeMap, BTreeSet};

use protocol::detail::{AttemptState, TaskState};
use protocol::job::{AttemptCounts, ByteCounts, Phase, Timings};
use protocol::task::Progress;
use protocol::{AttemptId, JobId, Plan, Problem, TaskId, Timestamp};

use crate::event::JobTerms;
use crate::task::{Attempt, Task, TaskKey};
pub(crate) use level::Level;
pub(crate) use store_wait::StoreWait;
use throughput::Throughput;

/// For how many tasks a worker is kept that can take over from a straggler.
const SPARE_PER_TASK: u64 = 10;

/// A job that is planned to take at most this long counts as short.
const SHORT_JOB_MS: u64 = 30_000;

/// One job.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: JobId,
    pub(crate) terms: JobTerms,
    pub(crate) phase: Phase,
    pub(crate) timings: Timings,
    /// The sum tree; `None` before phase Planning.
    pub(crate) plan: Option<Plan>,
    /// The levels from the leaves to the root; empty without a plan.
    pub(crate) levels: Vec<Level>,
    /// Its pass in stride scheduling: of jobs with the same fraction of W in flight, the one
    /// with the lowest is served. It grows with each message, the less the more the job is due.
    pub(crate) pass: f64,
    /// The live attempts: task and attempt number.
    pub(crate) live: BTreeSet<(TaskKey, u32)>,
    /// Number of messages that no worker has begun: of live attempts that no worker has
    /// started and that come first in their messages.
    pub(crate) published: u32,
    /// Number of live attempts that no worker has started and that come later in theirs.
    pub(crate) carried: u32,
    /// The messages that have live attempts, and how many each has.
    pub(crate) messages: BTreeMap<u32, u32>,
    /// The number of the latest message.
    last_message: u32,
    /// When attempts that are carried are taken back; `None` if no worker is idle.
    pub(crate) take_back_at: Option<Timestamp>,
    /// Number of live attempts that are secondary.
    pub(crate) speculative: u32,
    /// Failed tasks in back-off, by the end of the back-off.
    pub(crate) delayed: BTreeSet<(Timestamp, TaskKey)>,
    /// How often segments of a task were lost, for the tasks to which that happened.
    pub(crate) reopened: BTreeMap<TaskKey, u32>,
    /// C; `None` until known.
    pub(crate) columns: Option<u64>,
    /// An object with this number of columns, for error messages.
    pub(crate) columns_of: Option<String>,
    pub(crate) shape: Option<Vec<u64>>,
    pub(crate) format: Option<String>,
    /// Whether the job was restored after a restart. Any of its tasks may then
    /// have segments in the store.
    pub(crate) restored: bool,
    /// Attempts up to this number were made before the job was last resumed.
    pub(crate) earlier_attempts: u32,
    pub(crate) attempts: AttemptCounts,
    /// How many of them were started before a restart of the server and went on.
    pub(crate) adopted: u64,
    pub(crate) bytes: ByteCounts,
    pub(crate) throughput: Throughput,
    pub(crate) problem: Option<Problem>,
    /// The wait for a store that is away.
    pub(crate) store_wait: StoreWait,
    /// The task that has killed workers; `Some` only if the job failed because of that.
    pub(crate) killer: Option<TaskId>,
    /// Time of the next scan for stragglers; `None` if none is due.
    pub(crate) next_scan_at: Option<Timestamp>,
    /// Time of the last scan for stragglers.
    pub(crate) last_scan_at: Timestamp,
}

impl Job {
    /// Creates a job submitted at `now`.
    pub(crate) fn new(id: JobId, terms: JobTerms, now: Timestamp) -> Job {
        Job {
            id,
            terms: JobTerms { workers: terms.workers.max(1), ..terms },
            phase: Phase::Listing,
            timings: Timings { submitted_at: now, ..Timings::default() },
            plan: None,
            levels: Vec::new(),
            live: BTreeSet::new(),
            published: 0,
            carried: 0,
            messages: BTreeMap::new(),
            last_message: 0,
            pass: 0.0,
            take_back_at: None,
            speculative: 0,
            delayed: BTreeSet::new(),
            reopened: BTreeMap::new(),
            columns: None,
            columns_of: None,
            shape: None,
            format: None,
            restored: false,
            earlier_attempts: 0,
            attempts: AttemptCounts::default(),
            adopted: 0,
            bytes: ByteCounts::default(),
            throughput: Throughput::default(),
            problem: None,
            store_wait: StoreWait::default(),
            killer: None,
            next_scan_at: None,
            last_scan_at: Timestamp::default(),
        }
    }

    /// Sets the plan and creates all its tasks.
    pub(crate) fn create_tasks(&mut self, plan: Plan) {
        self.levels = (0_u8..)
            .zip(&plan.levels)
            .map(|(number, shape)| Level::new(number, *shape, &plan, self.earlier_attempts))
            .collect();
        let columns = plan.columns;
        self.plan = Some(plan);
        if let Some(columns) = columns {
            self.set_columns(columns);
        }
    }

    /// Number of messages in the queue or on a worker, and so the most attempts that are
    /// executed at the same time.
    pub(crate) fn in_flight(&self) -> u32 {
        u32::try_from(self.messages.len()).unwrap_or(u32::MAX)
    }

    /// Adds a live attempt at a task, in a message of its own or behind the attempt that was
    /// added last. Returns its number.
    pub(crate) fn add_attempt(
        &mut self,
        key: TaskKey,
        now: Timestamp,
        speculative: bool,
        carried: bool,
    ) -> u32 {
        let number = self.task_mut(key).add_attempt(now, speculative);
        self.count_added(key, number, carried);
        number
    }

    /// Counts a live attempt that was added.
    pub(crate) fn count_added(&mut self, key: TaskKey, number: u32, carried: bool) {
        if carried {
            self.carried += 1;
        } else {
            self.published += 1;
            self.last_message = self.last_message.wrapping_add(1);
        }
        let message = self.last_message;
        *self.messages.entry(message).or_default() += 1;
        self.live.insert((key, number));
        if let Some(attempt) = self.task_mut(key).attempt_mut(number) {
            (attempt.message, attempt.carried) = (message, carried);
        }
    }

    /// How many workers the job needs.
    pub(crate) fn workers_needed(&self) -> WorkersNeeded {
        let under_way = u64::from(self.in_flight());
        let waiting = self.ready() + self.delayed.len() as u64 + u64::from(self.carried);
        let incomplete = |level: &Level| level.shape.tasks().saturating_sub(level.completed);
        let widest = self.levels.iter().map(incomplete).max().unwrap_or(0);
        let now = waiting + under_way;
        let later = now.max(widest);
        let second = |tasks: u64| {
            let most = tasks.div_ceil(SPARE_PER_TASK);
            if self.terms.speculation.enabled { most } else { 0 }
        };
        let all_second = if self.terms.speculation.enabled { under_way } else { 0 };
        let within =
            |workers: u64| u32::try_from(workers).unwrap_or(u32::MAX).min(self.terms.workers);
        WorkersNeeded {
            now: within(now),
            usable: within(now + all_second),
            later: within(later + second(later)),
        }
    }

    /// Whether the job is planned to take little time, so that it need not wait for others.
    pub(crate) fn is_short(&self) -> bool {
        // As calculated: of two like jobs, one is not long because the other was slow.
        let planned_ms = self.plan.as_ref().and_then(|plan| plan.estimate.calculated_ms());
        planned_ms.is_some_and(|planned_ms| planned_ms <= SHORT_JOB_MS as f64)
    }

    /// Whether the job may have another attempt in flight, within W.
    pub(crate) fn may_start(&self, now: Timestamp) -> bool {
        let in_flight = self.in_flight();
        in_flight < self.terms.workers && self.store_wait.may_start(now, in_flight)
    }

    /// Whether another attempt may be in flight in place of a live one, within W.
    pub(crate) fn may_replace(&self, key: TaskKey, number: u32) -> bool {
        let attempt = self.task(key).live().find(|attempt| attempt.number == number);
        let of_message = attempt.and_then(|attempt| self.messages.get(&attempt.message));
        of_message == Some(&1) || self.in_flight() < self.terms.workers
    }

    /// Begins the leases of all live attempts again.
    pub(crate) fn renew_all(&mut self, now: Timestamp) {
        for (key, number) in self.live.clone() {
            if let Some(attempt) = self.task_mut(key).attempt_mut(number) {
                attempt.renewed_at = now;
            }
        }
    }

    /// Number of ready tasks.
    pub(crate) fn ready(&self) -> u64 {
        self.levels.iter().map(Level::ready).sum()
    }

    /// The level of the task that [`Job::pop_ready`] would return.
    pub(crate) fn ready_level(&self) -> Option<&Level> {
        self.levels.iter().rev().find(|level| level.ready() > 0)
    }

    /// Removes and returns the first ready task of the level nearest to the root.
    pub(crate) fn pop_ready(&mut self) -> Option<TaskKey> {
        let level = self.levels.iter().rposition(|level| level.ready() > 0)?;
        let index = self.levels[level].pop_ready()?;
        Some(TaskKey { level: u8::try_from(level).ok()?, index })
    }

    /// Removes and returns the first ready task of a level.
    pub(crate) fn pop_ready_of(&mut self, level: u8) -> Option<TaskKey> {
        let index = self.levels.get_mut(usize::from(level))?.pop_ready()?;
        Some(TaskKey { level, index })
    }

    /// The task at a key, mutably.
    pub(crate) fn task_mut(&mut self, key: TaskKey) -> &mut Task {
        &mut self.levels[usize::from(key.level)].tasks[key.index as usize]
    }

    /// The task at a key.
    pub(crate) fn task(&self, key: TaskKey) -> &Task {
        &self.levels[usize::from(key.level)].tasks[key.index as usize]
    }

    /// The level of a key.
    pub(crate) fn level(&self, key: TaskKey) -> &Level {
        &self.levels[usize::from(key.level)]
    }

    /// The key of a task id; `None` if the plan has no such task.
    pub(crate) fn key(&self, task: TaskId) -> Option<TaskKey> {
        let index = self.levels.get(usize::from(task.level))?.index(task.node, task.range)?;
        Some(TaskKey { level: task.level, index })
    }

    /// The id of the task at a key.
    pub(crate) fn task_id(&self, key: TaskKey) -> TaskId {
        let (node, range) = self.level(key).node_and_range(key.index);
        TaskId { level: key.level, node, range }
    }

    /// The id of the numbered attempt at the task at a key.
    pub(crate) fn attempt_id(&self, key: TaskKey, number: u32) -> AttemptId {
        AttemptId { job: self.id, task: self.task_id(key), number }
    }

    /// Makes a task ready, or lets it wait if an input of it was reopened. It must be
    /// neither ready nor complete.
    pub(crate) fn make_ready(&mut self, key: TaskKey) {
        if !self.waits_for_input(key) {
            self.levels[usize::from(key.level)].make_ready(key.index);
        }
    }

    /// Puts a task into back-off until a point in time, or lets it wait if an input of it
    /// was reopened.
    pub(crate) fn delay(&mut self, key: TaskKey, until: Timestamp) {
        if !self.waits_for_input(key) {
            self.task_mut(key).state = TaskState::Delayed;
            self.delayed.insert((until, key));
        }
    }

    /// Lets a task wait if an input of it is not complete. Returns whether it waits.
    fn waits_for_input(&mut self, key: TaskKey) -> bool {
        let task = self.task_mut(key);
        let waits = task.missing > 0;
        if waits {
            task.state = TaskState::Waiting;
        }
        waits
    }

    /// Makes the tasks ready whose back-off has ended.
    pub(crate) fn end_delays(&mut self, now: Timestamp) {
        while let Some(&(until, key)) = self.delayed.first()
            && until <= now
        {
            self.delayed.pop_first();
            if self.task(key).state == TaskState::Delayed {
                self.make_ready(key);
            }
        }
    }

    /// Marks a task complete and makes its dependents ready where this was
    /// their last missing input. Idempotent.
    pub(crate) fn complete(&mut self, key: TaskKey) {
        let (below, above) = self.levels.split_at_mut(usize::from(key.level) + 1);
        let Some(level) = below.last_mut() else {
            return;
        };
        if !level.complete(key.index) {
            return;
        }
        let Some(parents) = above.first_mut() else {
            return;
        };
        let (node, range) = level.node_and_range(key.index);
        for range in level.ranges_above(range, parents) {
            parents.input_complete(node / parents.shape.fan_in, range);
        }
    }

    /// Makes a complete task incomplete, because a segment of it is gone: it is computed
    /// again, and its dependents wait for it. Returns how often that has happened to the
    /// task; `None` if it is not complete.
    pub(crate) fn reopen(&mut self, key: TaskKey) -> Option<u32> {
        let (below, above) = self.levels.split_at_mut(usize::from(key.level) + 1);
        let level = below.last_mut()?;
        if !level.reopen(key.index) {
            return None;
        }
        if let Some(parents) = above.first_mut() {
            let (node, range) = level.node_and_range(key.index);
            for range in level.ranges_above(range, parents) {
                if let Some(index) = parents.input_reopened(node / parents.shape.fan_in, range) {
                    let parent = TaskKey { level: key.level + 1, index };
                    self.delayed.retain(|(_, delayed)| *delayed != parent);
                }
            }
        }
        let times = self.reopened.entry(key).or_default();
        *times += 1;
        Some(*times)
    }

    /// The task that computes a segment of a node; `None` if there is none.
    pub(crate) fn task_of_segment(&self, level: u8, node: u32, segment: u64) -> Option<TaskKey> {
        let shape = self.levels.get(usize::from(level))?.shape;
        let segments = self.columns?.div_ceil(self.plan.as_ref()?.segment_columns.max(1));
        if segment >= segments {
            return None;
        }
        // The last range extends to the last segment.
        let range = (segment / shape.range_segments.max(1)).min(u64::from(shape.ranges) - 1);
        self.key(TaskId { level, node, range: u32::try_from(range).ok()? })
    }

    /// Whether the root level is complete.
    pub(crate) fn is_summed(&self) -> bool {
        self.levels.last().is_some_and(Level::is_complete)
    }

    /// Sets C. Ranges beyond C are empty and become complete. The first range
    /// is always computed, since it may have to report that C is 0.
    pub(crate) fn set_columns(&mut self, columns: u64) {
        self.columns = Some(columns);
        let Some(plan) = &self.plan else {
            return;
        };
        let segments = columns.div_ceil(plan.segment_columns.max(1)).max(1);
        for level in &mut self.levels {
            // The ranges above an empty range are empty too, so these
            // completions need not be propagated.
            level.complete_ranges_from(segments);
        }
    }

    /// Number of segments of a task; `None` if C is needed but not known.
    pub(crate) fn segments(&self, key: TaskKey) -> Option<u64> {
        let plan = self.plan.as_ref()?;
        let (first, end) = plan.task_segments(self.task_id(key));
        let last = self.columns.map(|columns| columns.div_ceil(plan.segment_columns.max(1)));
        match (end, last) {
            (Some(end), Some(last)) => Some(end.min(last).saturating_sub(first).max(1)),
            (Some(end), None) => Some(end - first),
            (None, Some(last)) => Some(last.saturating_sub(first).max(1)),
            (None, None) => None,
        }
    }

    /// Whether the inputs of a task can be read starting at any column.
    pub(crate) fn is_seekable(&self, key: TaskKey) -> bool {
        key.level > 0 || self.plan.as_ref().is_some_and(|plan| plan.columns.is_some())
    }

    /// Adds an attempt's progress since its last report to the counters.
    pub(crate) fn count(&mut self, now: Timestamp, done: &Progress) {
        // Workers report these, so they may be anything.
        let add = |sum: &mut u64, bytes| *sum = sum.saturating_add(bytes);
        add(&mut self.bytes.input_read, done.input_read_bytes);
        add(&mut self.bytes.partial_read, done.partial_read_bytes);
        add(&mut self.bytes.written, done.written_bytes);
        if let Some(plan) = &self.plan {
            let input_bytes = plan.estimate.input_bytes;
            self.bytes.read_twice = self.bytes.input_read.saturating_sub(input_bytes);
            let columns = plan.segment_columns.min(self.columns.unwrap_or(plan.segment_columns));
            let segment_bytes = columns.saturating_mul(plan.partial_column_bytes);
            let reused = done.segments_reused.saturating_mul(segment_bytes);
            add(&mut self.bytes.reused, reused);
        }
        self.throughput.record(now, self.bytes.input_read);
    }

    /// Ends a live attempt: applies `change`, which must set a state that is
    /// not live, and updates the counters. `None` if the attempt is not live.
    ///
    /// An attempt that no worker had started counts only if it completed or failed its
    /// task, which tells that one had.
    pub(crate) fn close(
        &mut self,
        key: TaskKey,
        number: u32,
        now: Timestamp,
        change: impl FnOnce(&mut Attempt),
    ) -> Option<ClosedAttempt> {
        if !self.live.remove(&(key, number)) {
            return None;
        }
        let attempt = self.task_mut(key).attempt_mut(number)?;
        let has_waited = attempt.started_at.is_none();
        let was_published = has_waited && !attempt.carried;
        let message = attempt.message;
        let was_secondary = attempt.secondary;
        attempt.ended_at = Some(now);
        change(attempt);
        debug_assert!(!attempt.state.is_live());
        let state = attempt.state;
        let closed = ClosedAttempt {
            was_published,
            speculative: attempt.speculative,
            ran_ms: attempt.ran_ms(now),
        };
        let was_executed = matches!(state, AttemptState::Completed | AttemptState::Failed);
        if let Some(live) = self.messages.get_mut(&message) {
            *live -= 1;
            if *live == 0 {
                self.messages.remove(&message);
            }
        }
        if has_waited {
            if was_published {
                self.published -= 1;
            } else {
                self.carried -= 1;
            }
            self.attempts.started += u64::from(was_executed);
            self.attempts.speculative += u64::from(was_executed && closed.speculative);
        } else {
            self.attempts.running -= 1;
        }
        if (!has_waited || was_executed)
            && let Some(ended) = self.attempts.ended(state)
        {
            *ended += 1;
        }
        if closed.speculative {
            self.attempts.speculative_ms += closed.ran_ms;
        }
        if was_secondary {
            self.speculative -= 1;
        } else if let Some(other) =
            self.task_mut(key).attempts.iter_mut().find(|a| a.state.is_live())
        {
            // The remaining attempt becomes the primary one.
            other.secondary = false;
            self.speculative -= 1;
        }
        Some(closed)
    }

    /// Counts an attempt that completed its task although it had been given up. `was` is
    /// the state in which it had ended; `None` if it had not been counted.
    pub(crate) fn count_after_all(&mut self, was: Option<AttemptState>) {
        match was.and_then(|state| self.attempts.ended(state)) {
            Some(ended) => *ended = ended.saturating_sub(1),
            None => self.attempts.started += 1,
        }
        self.attempts.completed += 1;
    }
}

/// How many workers a job needs, within W.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WorkersNeeded {
    /// For the tasks that are ready or under way.
    pub(crate) now: u32,
    /// The most that it can use now, with a second one for each task that is under way.
    pub(crate) usable: u32,
    /// The most that it can still use until its end, with some that can take over from
    /// stragglers.
    pub(crate) later: u32,
}

/// An attempt that [`Job::close`] has ended.
pub(crate) struct ClosedAttempt {
    /// Whether it came first in a message that no worker had begun.
    pub(crate) was_published: bool,
    /// Whether it was started as a speculative attempt.
    pub(crate) speculative: bool,
    /// Its run time in milliseconds; 0 if no worker had started it.
    pub(crate) ran_ms: u64,
}
