//! The published snapshots of jobs and workers, which pages and streams read.

mod changes;
mod drawn;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use protocol::live::{JobPage, Overview};
use protocol::states::{LevelStates, TaskStates};
use protocol::worker::PoolSnapshot;
use protocol::{JobId, JobSnapshot, Outage, Part, Phase, Timestamp};
use tokio::sync::watch;

use self::changes::Texts;
use self::drawn::Drawn;

pub use self::changes::{Change, EventText};

/// The default page of the list of jobs.
pub const PAGE_JOBS: usize = 50;
/// How many deletions are kept for streams that are behind. A stream that is
/// further behind starts again with a snapshot.
const DELETIONS: usize = 256;

/// How many jobs a stream is told of at once: what a slow client has not read yet is in
/// memory, for each client.
const EVENTS_AT_ONCE: usize = 64;

/// Snapshots of jobs and of the pool, each with the version of its last change. The
/// driver writes, and any number of readers read.
///
/// All jobs that are not over are here, and the newest of those that are; older ones
/// have been evicted and are read from the store.
///
/// A reader that is behind gets the latest state of everything that has changed
/// since, not every change. So a slow reader costs no memory and misses nothing.
#[derive(Clone)]
pub struct Board {
    state: Arc<RwLock<State>>,
    /// Not locked while the state is, but the other way round.
    texts: Arc<Texts>,
    version: watch::Sender<u64>,
    /// Since when this server has missed the store, and why; `None` while it answers.
    store_outage: watch::Sender<Option<Outage>>,
}

struct State {
    /// Distinguishes this run of the server from earlier ones.
    epoch: u64,
    version: u64,
    jobs: BTreeMap<JobId, (u64, Arc<JobSnapshot>)>,
    /// Those of the jobs that are over …
    over: BTreeSet<JobId>,
    /// … and the maximum number of them.
    over_max: usize,
    /// The newest job that was evicted: every newer job is here.
    evicted: Option<JobId>,
    /// The states of the tasks of jobs whose tasks are in memory, except of jobs that are
    /// done: all their tasks are complete.
    drawn: BTreeMap<JobId, Drawn>,
    /// The jobs by the version of their last change.
    changes: BTreeMap<u64, JobId>,
    deletions: VecDeque<(u64, JobId)>,
    /// The version of the latest deletion that was dropped, or of the last change of a
    /// job that was evicted: streams before it cannot be resumed.
    forgotten: u64,
    pool: (u64, Arc<PoolSnapshot>),
}

/// The position of a stream: the id of the last event that it has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    epoch: u64,
    version: u64,
}

impl Position {
    /// Parses a `Last-Event-ID`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Position> {
        let (epoch, version) = text.split_once('-')?;
        Some(Position { epoch: epoch.parse().ok()?, version: version.parse().ok()? })
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.epoch, self.version)
    }
}

impl Board {
    /// An empty board for at most `over_max` jobs that are over. `epoch` must differ
    /// from that of every earlier run of the server.
    #[must_use]
    pub fn new(epoch: u64, over_max: usize) -> Board {
        Board {
            state: Arc::new(RwLock::new(State {
                epoch,
                version: 0,
                jobs: BTreeMap::new(),
                over: BTreeSet::new(),
                over_max,
                evicted: None,
                drawn: BTreeMap::new(),
                changes: BTreeMap::new(),
                deletions: VecDeque::new(),
                forgotten: 0,
                pool: (0, Arc::default()),
            })),
            texts: Arc::default(),
            version: watch::channel(0).0,
            store_outage: watch::channel(None).0,
        }
    }

    /// Publishes why this server misses the store, at the time `now`; `None` if it answers.
    /// What workers find in a store is not meant.
    pub fn watched_store(&self, missed: Option<String>, now: Timestamp) {
        self.store_outage.send_modify(|outage| {
            let since = outage.as_ref().map_or(now, |outage| outage.since);
            *outage = missed.map(|reason| Outage { part: Part::Store, since, reason });
        });
    }

    /// Since when this server has missed the store; `None` while it answers.
    #[must_use]
    pub fn store_outage(&self) -> watch::Receiver<Option<Outage>> {
        self.store_outage.subscribe()
    }

    /// Publishes the state of the jobs, and of the pool if it has changed.
    pub fn publish(&self, jobs: Vec<JobSnapshot>, pool: Option<PoolSnapshot>) {
        self.publish_drawn(jobs.into_iter().map(|job| (job, Vec::new())).collect(), pool);
    }

    /// Publishes the state of the jobs, each with the states of its tasks at the same
    /// moment, level by level, where they are known; and of the pool if it has changed.
    pub fn publish_drawn(
        &self,
        jobs: Vec<(JobSnapshot, Vec<LevelStates>)>,
        pool: Option<PoolSnapshot>,
    ) {
        let mut state = self.write();
        for (job, levels) in jobs {
            let version = state.next_version();
            let id = job.id;
            if job.phase.is_over() {
                state.over.insert(id);
            } else if state.over.remove(&id) {
                // It was resumed, maybe with another tree.
                state.drawn.remove(&id);
            }
            state.draw(&job, version, levels);
            let before = state.jobs.get(&id).map_or(0.0, |(_, job)| job.overall);
            let job = with_overall(job, before);
            if let Some((before, _)) = state.jobs.insert(id, (version, Arc::new(job))) {
                state.changes.remove(&before);
            }
            state.changes.insert(version, id);
        }
        state.evict();
        if let Some(pool) = pool {
            state.pool = (state.next_version(), Arc::new(pool));
        }
        self.version.send_replace(state.version);
    }

    /// Changes what is shown of a job that is over, if it is on the board.
    pub fn amend(&self, id: JobId, change: impl FnOnce(&mut JobSnapshot)) {
        let mut state = self.write();
        let Some((before, job)) = state.jobs.get(&id) else { return };
        if !job.phase.is_over() {
            return;
        }
        let (before, mut job) = (*before, JobSnapshot::clone(job));
        change(&mut job);
        let version = state.next_version();
        state.changes.remove(&before);
        state.changes.insert(version, id);
        state.jobs.insert(id, (version, Arc::new(job)));
        self.version.send_replace(state.version);
    }

    /// Forgets the states of the tasks of a job, which are no longer in memory.
    pub fn forget_tasks(&self, id: JobId) {
        self.write().drawn.remove(&id);
    }

    /// Deletes a job, which may have been evicted.
    pub fn delete(&self, id: JobId) {
        let mut state = self.write();
        state.remove(id);
        let version = state.next_version();
        state.deletions.push_back((version, id));
        if state.deletions.len() > DELETIONS {
            let forgotten = state.deletions.pop_front().map_or(0, |(version, _)| version);
            state.forgotten = state.forgotten.max(forgotten);
        }
        self.version.send_replace(state.version);
    }

    /// Says that the job `newest` and older ones that are over are in the store only.
    pub fn leave_out(&self, newest: JobId) {
        let mut state = self.write();
        state.evicted = state.evicted.max(Some(newest));
    }

    /// The newest job that was evicted; every newer job is on the board.
    #[must_use]
    pub fn evicted(&self) -> Option<JobId> {
        self.read().evicted
    }

    /// The snapshot of a job, if there is such a job.
    #[must_use]
    pub fn job(&self, id: JobId) -> Option<Arc<JobSnapshot>> {
        self.read().jobs.get(&id).map(|(_, job)| job.clone())
    }

    /// The snapshot of a job that is on the board, and the states of its tasks at the same
    /// moment, if they are known.
    #[must_use]
    pub fn job_with_tasks(&self, id: JobId) -> Option<(JobSnapshot, Option<TaskStates>)> {
        let state = self.read();
        let (_, job) = state.jobs.get(&id)?;
        let states = state.drawn.get(&id).map(|drawn| drawn.states().clone());
        Some((JobSnapshot::clone(job), states))
    }

    /// The newest job on the board.
    #[must_use]
    pub fn newest(&self) -> Option<JobId> {
        self.read().jobs.last_key_value().map(|(id, _)| *id)
    }

    /// Visits all jobs on the board.
    pub fn visit(&self, visit: &mut dyn FnMut(&JobSnapshot)) {
        self.read().jobs.values().for_each(|(_, job)| visit(job));
    }

    /// The jobs on the board that are over, oldest first.
    #[must_use]
    pub fn over(&self) -> Vec<Arc<JobSnapshot>> {
        let state = self.read();
        state.over.iter().filter_map(|id| Some(state.jobs.get(id)?.1.clone())).collect()
    }

    /// The number of jobs on the board in a phase.
    #[must_use]
    pub fn count(&self, phase: Phase) -> usize {
        self.read().jobs.values().filter(|(_, job)| job.phase == phase).count()
    }

    /// The snapshot of the worker pool.
    #[must_use]
    pub fn pool(&self) -> Arc<PoolSnapshot> {
        self.read().pool.1.clone()
    }

    /// A page of the list of jobs that are newer than those evicted, newest first, from
    /// after `cursor`.
    #[must_use]
    pub fn jobs(&self, cursor: Option<JobId>, limit: usize) -> JobPage {
        let state = self.read();
        let newest = cursor.map_or(Bound::Unbounded, Bound::Excluded);
        let oldest = state.evicted.map_or(Bound::Unbounded, Bound::Excluded);
        // A range that ends before it begins is not allowed.
        let is_beyond = cursor.zip(state.evicted).is_some_and(|(cursor, end)| cursor <= end);
        let older = (!is_beyond).then(|| state.jobs.range((oldest, newest))).into_iter().flatten();
        let mut jobs: Vec<JobSnapshot> =
            older.rev().take(limit + 1).map(|(_, (_, job))| without_result(job)).collect();
        let cursor = (jobs.len() > limit)
            .then(|| {
                jobs.truncate(limit);
                jobs.last().map(|job| job.id)
            })
            .flatten();
        JobPage { jobs, cursor }
    }

    /// The first page of jobs, and the workers, as the home page shows them.
    #[must_use]
    pub fn overview(&self) -> Overview {
        Overview {
            jobs: self.jobs(None, PAGE_JOBS).jobs,
            workers: PoolSnapshot::clone(&self.pool()),
        }
    }

    /// Notifies of every later version.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Whether a position is that of the latest change.
    #[must_use]
    pub fn is_latest(&self, position: Position) -> bool {
        self.read().version <= position.version
    }

    /// The changes that bring a stream of everything on from `position`, and its position
    /// afterwards. At most [`EVENTS_AT_ONCE`] jobs are told of; if more have changed, the
    /// position is not the latest.
    #[must_use]
    pub fn since(&self, position: Option<Position>) -> (Position, Vec<Change>) {
        let state = self.read();
        let here = Position { epoch: state.epoch, version: state.version };
        let Some(since) = position.filter(|position| state.can_resume(*position)) else {
            return (here, vec![Change::Overview(here.version)]);
        };
        let changes = state.changes.range(since.version + 1..).take(EVENTS_AT_ONCE);
        let changes: Vec<(u64, JobId)> = changes.map(|(version, id)| (*version, *id)).collect();
        let here = match changes.last() {
            Some((version, _)) if changes.len() == EVENTS_AT_ONCE => {
                Position { version: *version, ..here }
            }
            _ => here,
        };
        let is_new = |version: u64| version > since.version && version <= here.version;
        let changed = changes.iter().filter_map(|(_, id)| state.jobs.get(id));
        let mut told: Vec<Change> =
            changed.map(|(version, job)| Change::Listed(*version, job.clone())).collect();
        let deleted = state.deletions.iter().filter(|(version, _)| is_new(*version));
        told.extend(deleted.map(|(_, id)| Change::Deleted(*id)));
        let (version, pool) = &state.pool;
        if is_new(*version) {
            told.push(Change::Pool(*version, pool.clone()));
        }
        (here, told)
    }

    /// As [`Board::since`] for a stream of one job: the job if it has changed, or
    /// that it was deleted; before it, if `with_tasks`, the states of its tasks at the same
    /// moment. There is no change of a job that was evicted.
    #[must_use]
    pub fn job_since(
        &self,
        id: JobId,
        position: Option<Position>,
        with_tasks: bool,
    ) -> (Position, Vec<Change>) {
        let state = self.read();
        let here = Position { epoch: state.epoch, version: state.version };
        let since = position.filter(|position| state.can_resume(*position));
        let drawn = state.drawn.get(&id).filter(|_| with_tasks);
        let change = drawn.and_then(|it| it.change_since(id, since.map(|since| since.version)));
        let mut told: Vec<Change> =
            change.map(|change| Change::Tasks(Box::new(change))).into_iter().collect();
        match state.jobs.get(&id) {
            // Its reader takes it from the store.
            None if state.is_evicted(id) => {}
            None => told.push(Change::Deleted(id)),
            Some((version, job)) if since.is_none_or(|since| *version > since.version) => {
                told.push(Change::Whole(Some(*version), job.clone()));
            }
            Some(_) => {}
        }
        (here, told)
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        // A panic while writing leaves an older snapshot, but a whole one.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next_version(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    /// Keeps the states of a job's tasks.
    fn draw(&mut self, job: &JobSnapshot, version: u64, levels: Vec<LevelStates>) {
        if job.phase == Phase::Done {
            self.drawn.remove(&job.id);
        } else if levels.is_empty() {
            // Before the plan, or of a job that is only in the store.
        } else if let Some(drawn) = self.drawn.get_mut(&job.id) {
            drawn.update(version, levels);
        } else {
            self.drawn.insert(job.id, Drawn::new(version, levels));
        }
    }

    /// Removes a job, and returns the version of its last change.
    fn remove(&mut self, id: JobId) -> Option<u64> {
        self.over.remove(&id);
        self.drawn.remove(&id);
        let (version, _) = self.jobs.remove(&id)?;
        self.changes.remove(&version);
        Some(version)
    }

    /// Evicts the oldest jobs that are over while there are too many.
    fn evict(&mut self) {
        while self.over.len() > self.over_max
            && let Some(oldest) = self.over.first().copied()
        {
            let changed = self.remove(oldest).unwrap_or_default();
            self.forgotten = self.forgotten.max(changed);
            self.evicted = self.evicted.max(Some(oldest));
        }
    }

    /// Whether a job that is not here may be in the store.
    fn is_evicted(&self, id: JobId) -> bool {
        self.evicted.is_some_and(|evicted| id <= evicted)
            && !self.deletions.iter().any(|(_, deleted)| *deleted == id)
    }

    fn can_resume(&self, position: Position) -> bool {
        position.epoch == self.epoch
            && position.version >= self.forgotten
            && position.version <= self.version
    }
}

/// The job with its overall fraction, which does not fall below that of `before`.
pub(crate) fn with_overall(job: JobSnapshot, before: f64) -> JobSnapshot {
    JobSnapshot { overall: job.overall.max(before).max(job.overall_now()), ..job }
}

/// Lists do not show results, whose plot is most of a snapshot's size.
pub(crate) fn without_result(job: &JobSnapshot) -> JobSnapshot {
    let mut job = job.clone();
    job.result = None;
    job
}

#[cfg(test)]
mod tests;
