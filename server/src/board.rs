//! The published snapshots of jobs and workers, which pages and streams read.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use protocol::live::{JobPage, LiveEvent, Overview};
use protocol::worker::PoolSnapshot;
use protocol::{JobId, JobSnapshot, Phase};
use tokio::sync::watch;

/// The default page of the list of jobs.
pub const PAGE_JOBS: usize = 50;
/// How many deletions are kept for streams that are behind. A stream that is
/// further behind starts again with a snapshot.
const DELETIONS: usize = 256;

/// Snapshots of all jobs and of the pool, each with the version of its last
/// change. The driver writes, and any number of readers read.
///
/// A reader that is behind gets the latest state of everything that has changed
/// since, not every change. So a slow reader costs no memory and misses nothing.
#[derive(Clone)]
pub struct Board {
    state: Arc<RwLock<State>>,
    version: watch::Sender<u64>,
}

struct State {
    /// Distinguishes this run of the server from earlier ones.
    epoch: u64,
    version: u64,
    jobs: BTreeMap<JobId, (u64, Arc<JobSnapshot>)>,
    /// The jobs by the version of their last change.
    changes: BTreeMap<u64, JobId>,
    deletions: VecDeque<(u64, JobId)>,
    /// The version of the latest deletion that was dropped: streams before it
    /// cannot be resumed.
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
    /// An empty board. `epoch` must differ from that of every earlier run of the
    /// server.
    #[must_use]
    pub fn new(epoch: u64) -> Board {
        Board {
            state: Arc::new(RwLock::new(State {
                epoch,
                version: 0,
                jobs: BTreeMap::new(),
                changes: BTreeMap::new(),
                deletions: VecDeque::new(),
                forgotten: 0,
                pool: (0, Arc::default()),
            })),
            version: watch::channel(0).0,
        }
    }

    /// Publishes the state of the jobs, and of the pool if it has changed.
    pub fn publish(&self, jobs: Vec<JobSnapshot>, pool: Option<PoolSnapshot>) {
        let mut state = self.write();
        for job in jobs {
            let version = state.next_version();
            let id = job.id;
            if let Some((before, _)) = state.jobs.insert(id, (version, Arc::new(job))) {
                state.changes.remove(&before);
            }
            state.changes.insert(version, id);
        }
        if let Some(pool) = pool {
            state.pool = (state.next_version(), Arc::new(pool));
        }
        self.version.send_replace(state.version);
    }

    /// Deletes a job.
    pub fn delete(&self, id: JobId) {
        let mut state = self.write();
        if let Some((before, _)) = state.jobs.remove(&id) {
            state.changes.remove(&before);
            let version = state.next_version();
            state.deletions.push_back((version, id));
            if state.deletions.len() > DELETIONS {
                state.forgotten = state.deletions.pop_front().map_or(0, |(version, _)| version);
            }
            self.version.send_replace(state.version);
        }
    }

    /// The snapshot of a job, if there is such a job.
    #[must_use]
    pub fn job(&self, id: JobId) -> Option<Arc<JobSnapshot>> {
        self.read().jobs.get(&id).map(|(_, job)| job.clone())
    }

    /// The number of jobs in a phase.
    #[must_use]
    pub fn count(&self, phase: Phase) -> usize {
        self.read().jobs.values().filter(|(_, job)| job.phase == phase).count()
    }

    /// The snapshot of the worker pool.
    #[must_use]
    pub fn pool(&self) -> Arc<PoolSnapshot> {
        self.read().pool.1.clone()
    }

    /// A page of the list of jobs, newest first, from after `cursor`.
    #[must_use]
    pub fn jobs(&self, cursor: Option<JobId>, limit: usize) -> JobPage {
        let state = self.read();
        let older = match cursor {
            Some(cursor) => state.jobs.range(..cursor),
            None => state.jobs.range(..),
        };
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

    /// The events that bring a stream of everything up to date from `position`, and
    /// its position afterwards.
    #[must_use]
    pub fn since(&self, position: Option<Position>) -> (Position, Vec<LiveEvent>) {
        let state = self.read();
        let here = Position { epoch: state.epoch, version: state.version };
        let Some(since) = position.filter(|position| state.can_resume(*position)) else {
            drop(state);
            return (here, vec![LiveEvent::Snapshot(Box::new(self.overview()))]);
        };
        let mut events: Vec<LiveEvent> = state
            .changes
            .range(since.version + 1..)
            .filter_map(|(_, id)| state.jobs.get(id))
            .map(|(_, job)| LiveEvent::Job(Box::new(without_result(job))))
            .collect();
        let deleted = state.deletions.iter().filter(|(version, _)| *version > since.version);
        events.extend(deleted.map(|(_, id)| LiveEvent::JobDeleted(*id)));
        if state.pool.0 > since.version {
            events.push(LiveEvent::Workers(Box::new(PoolSnapshot::clone(&state.pool.1))));
        }
        (here, events)
    }

    /// As [`Board::since`] for a stream of one job: the job if it has changed, or
    /// that it was deleted.
    #[must_use]
    pub fn job_since(
        &self,
        id: JobId,
        position: Option<Position>,
    ) -> (Position, Option<LiveEvent>) {
        let state = self.read();
        let here = Position { epoch: state.epoch, version: state.version };
        let since = position.filter(|position| state.can_resume(*position));
        let event = match state.jobs.get(&id) {
            None => Some(LiveEvent::JobDeleted(id)),
            Some((version, job)) => since
                .is_none_or(|since| *version > since.version)
                .then(|| LiveEvent::Job(Box::new(JobSnapshot::clone(job)))),
        };
        (here, event)
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

    fn can_resume(&self, position: Position) -> bool {
        position.epoch == self.epoch
            && position.version >= self.forgotten
            && position.version <= self.version
    }
}

/// Lists do not show results, whose plot is most of a snapshot's size.
fn without_result(job: &JobSnapshot) -> JobSnapshot {
    let mut job = job.clone();
    job.result = None;
    job
}

#[cfg(test)]
mod tests {
    use protocol::{Inputs, JobRequest, Timestamp};

    use super::*;

    fn job(number: u64, phase: Phase) -> JobSnapshot {
        let id = JobId::from_parts(Timestamp::from_millis(number), 0);
        let request = JobRequest::new(Inputs::Prefix("a/".to_owned()));
        let submitted = JobSnapshot::submitted(id, request, 1, Timestamp::default());
        JobSnapshot { phase, ..submitted }
    }

    #[test]
    fn a_reader_that_is_behind_gets_the_latest_state_only() {
        let board = Board::new(1);
        let (start, _) = board.since(None);
        board.publish(vec![job(1, Phase::Listing)], None);
        board.publish(vec![job(1, Phase::Running), job(2, Phase::Listing)], None);
        let (position, events) = board.since(Some(start));
        assert_eq!(
            events,
            [
                LiveEvent::Job(Box::new(job(1, Phase::Running))),
                LiveEvent::Job(Box::new(job(2, Phase::Listing)))
            ]
        );
        assert_eq!(board.since(Some(position)).1, []);
    }

    #[test]
    fn a_position_of_an_earlier_life_begins_anew() {
        let (position, _) = Board::new(1).since(None);
        let events = Board::new(2).since(Some(position)).1;
        assert!(matches!(events[..], [LiveEvent::Snapshot(_)]));
    }

    #[test]
    fn a_reader_too_far_behind_to_hear_of_all_deletions_begins_anew() {
        let board = Board::new(1);
        board.publish((0..300).map(|n| job(n, Phase::Done)).collect(), None);
        let (position, _) = board.since(None);
        for number in 0..2 {
            board.delete(job(number, Phase::Done).id);
        }
        let told = board.since(Some(position)).1;
        assert_eq!(told.len(), 2);
        for number in 2..300 {
            board.delete(job(number, Phase::Done).id);
        }
        assert!(matches!(board.since(Some(position)).1[..], [LiveEvent::Snapshot(_)]));
    }

    #[test]
    fn pages_follow_one_another_from_new_to_old() {
        let board = Board::new(1);
        board.publish((0..5).map(|n| job(n, Phase::Done)).collect(), None);
        let mut seen = Vec::new();
        let mut cursor = None;
        loop {
            let page = board.jobs(cursor, 2);
            seen.extend(page.jobs.iter().map(|job| job.id));
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        let expected: Vec<JobId> = (0..5).rev().map(|n| job(n, Phase::Done).id).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_position_reads_back_what_it_prints() {
        let (position, _) = Board::new(7).since(None);
        assert_eq!(Position::parse(&position.to_string()), Some(position));
    }
}
