//! The states of a job's tasks, and what has changed of them lately.

use std::collections::VecDeque;

use protocol::JobId;
use protocol::states::{LevelStates, StateChange, StateRun, TaskStates};

/// How many bytes of states a run in the log may cost: about what it takes in JSON. A
/// reader to whom the log would tell more than the states take gets the states.
const RUN_BYTES: usize = 16;
/// The least number of runs in the log, so that small trees are told by changes too.
const RUNS_MIN: usize = 64;

/// The states of a job's tasks at the latest version, and the latest changes.
#[derive(Debug)]
pub(super) struct Drawn {
    states: TaskStates,
    /// The latest changes, each with the version that it leads to, oldest first.
    log: VecDeque<(u64, Vec<StateRun>)>,
    /// The number of runs in the log.
    runs: usize,
    /// The version that the log begins after.
    since: u64,
}

impl Drawn {
    pub(super) fn new(version: u64, levels: Vec<LevelStates>) -> Drawn {
        let states = TaskStates { version, levels };
        Drawn { states, log: VecDeque::new(), runs: 0, since: version }
    }

    /// Replaces the states by those at `version`.
    pub(super) fn update(&mut self, version: u64, levels: Vec<LevelStates>) {
        let Some(changed) = TaskStates::changes_since(&levels, &self.states.levels) else {
            *self = Drawn::new(version, levels);
            return;
        };
        if changed.is_empty() {
            return;
        }
        self.states = TaskStates { version, levels };
        self.runs += changed.len();
        self.log.push_back((version, changed));
        let bytes: usize = self.states.levels.iter().map(LevelStates::bytes).sum();
        while self.runs > RUNS_MIN.max(bytes / RUN_BYTES)
            && let Some((version, dropped)) = self.log.pop_front()
        {
            self.runs -= dropped.len();
            self.since = version;
        }
    }

    /// The states at the latest version.
    pub(super) fn states(&self) -> &TaskStates {
        &self.states
    }

    /// What leads a reader at version `position` to the latest version: the changes, or
    /// the whole states if the log does not reach back; `None` if the reader is there.
    pub(super) fn change_since(&self, job: JobId, position: Option<u64>) -> Option<StateChange> {
        let version = self.states.version;
        let change =
            StateChange { job, version, since: None, levels: Vec::new(), runs: Vec::new() };
        match position {
            Some(position) if position >= version => None,
            Some(position) if position >= self.since => {
                let later = self.log.partition_point(|(version, _)| *version <= position);
                // The states had this version when the reader was told last.
                let known = later.checked_sub(1).map_or(self.since, |known| self.log[known].0);
                let runs = self.log.range(later..).flat_map(|(_, runs)| runs.iter().copied());
                Some(StateChange { since: Some(known), runs: runs.collect(), ..change })
            }
            _ => Some(StateChange { levels: self.states.levels.clone(), ..change }),
        }
    }
}
