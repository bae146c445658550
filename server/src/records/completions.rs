//! `completions.json`: the journal of the tasks that are complete, of a job with many
//! partial sums. With it a restarted server need not list them all.
//!
//! It is written every few seconds while the job changes, and whole: two bits for each task
//! are little, an object that is replaced is never torn, and S3 can append to none. What
//! it says was true when it was written. A segment that has gone or was damaged since is
//! noticed when it is read, and its task is ready again; a task that was completed since
//! is published again, and its attempt finds the segments.

use platform::{ObjectStore, StoreError};
use protocol::states::{DrawnState, LevelStates};
use protocol::{JobId, Plan, Problem, TaskId};
use serde::{Deserialize, Serialize};

use super::{LearnedRecord, PlanRecord, get, put};
use crate::keys;

/// Of up to so many partial sums no journal is kept: a few pages of a listing name them
/// all, as they are at that moment.
const LISTED_MAX: u64 = 2_000;

/// The tasks of a job that are complete, and what was learned of its inputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completions {
    /// How many times the job had been resumed: partial sums of before may not count.
    #[serde(default)]
    pub resumes: u32,
    /// What was learned of the inputs, where C was not known before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learned: Option<LearnedRecord>,
    /// The states of the tasks, level by level.
    pub levels: Vec<LevelStates>,
}

impl Completions {
    /// Whether a job has so many partial sums that it has a journal; `columns` is C, if it
    /// is known.
    #[must_use]
    pub fn are_kept(plan: &Plan, columns: Option<u64>) -> bool {
        let segments = columns.map_or(1, |columns| columns.div_ceil(plan.segment_columns));
        let sums = plan
            .levels
            .iter()
            .map(|level| u64::from(level.nodes).saturating_mul(segments.max(level.ranges.into())));
        sums.fold(0, u64::saturating_add) > LISTED_MAX
    }

    /// The tasks that are complete; `None` if the journal is of another plan.
    fn tasks(&self, record: &PlanRecord) -> Option<Vec<TaskId>> {
        let levels = &record.plan.levels;
        let fits = self.resumes == record.resumes
            && self.levels.len() == levels.len()
            && self.levels.iter().zip(levels).all(|(states, level)| states.tasks == level.tasks());
        if !fits {
            return None;
        }
        let mut complete = Vec::new();
        for (level, (states, shape)) in (0_u8..).zip(self.levels.iter().zip(levels)) {
            for node in 0..shape.nodes {
                let first = u64::from(node) * u64::from(shape.ranges);
                let is_complete =
                    |range: &u32| states.get(first + u64::from(*range)) == DrawnState::Complete;
                let ranges = (0..shape.ranges).filter(is_complete);
                complete.extend(ranges.map(|range| TaskId { level, node, range }));
            }
        }
        Some(complete)
    }
}

/// Stores the journal of a job, in place of an earlier one.
///
/// # Errors
///
/// If the store does not answer.
pub async fn store_completions(
    store: &dyn ObjectStore,
    job: JobId,
    completions: &Completions,
) -> Result<(), Problem> {
    put(store, &keys::completions(job), completions).await
}

/// The tasks that the journal of a job says are complete, and what was learned of its
/// inputs. `None` if the job has no journal that fits its plan: its partial sums tell.
///
/// # Errors
///
/// If the store does not answer.
pub async fn completions(
    store: &dyn ObjectStore,
    job: JobId,
    record: &PlanRecord,
    columns: Option<u64>,
) -> Result<Option<(Vec<TaskId>, Option<LearnedRecord>)>, Problem> {
    if !Completions::are_kept(&record.plan, columns) {
        return Ok(None);
    }
    match get::<Completions>(store, job, &keys::completions(job)).await? {
        Some(Ok(completions)) => {
            let tasks = completions.tasks(record);
            if tasks.is_none() {
                tracing::warn!(job_id = %job, "journal of another plan ignored");
            }
            Ok(tasks.map(|tasks| (tasks, completions.learned)))
        }
        Some(Err(problem)) => {
            tracing::warn!(job_id = %job, %problem, "journal ignored");
            Ok(None)
        }
        None => Ok(None),
    }
}

/// Deletes the journal of a job that is over.
pub async fn delete_completions(store: &dyn ObjectStore, job: JobId) -> Result<(), StoreError> {
    store.delete(&keys::completions(job)).await
}

#[cfg(test)]
mod tests {
    use protocol::job::InputSummary;
    use protocol::plan::{Estimate, PlanLevel};

    use super::*;

    fn plan(nodes: u32, ranges: u32) -> PlanRecord {
        let level = |nodes| PlanLevel { nodes, ranges, range_segments: 1, fan_in: 2 };
        PlanRecord {
            plan: Plan {
                objects: u64::from(nodes) * 2,
                columns: Some(u64::from(ranges) * 1024),
                fan_in: 2,
                segment_columns: 1024,
                partial_column_bytes: 16,
                levels: vec![level(nodes), level(1)],
                estimate: Estimate::default(),
            },
            inputs: InputSummary::default(),
            objects: Vec::new(),
            header: None,
            tensors: None,
            netcdf: None,
            parts: None,
            weights: None,
            resumes: 0,
            all_again: 0,
            again: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn a_journal_tells_the_tasks_of_its_own_plan_only() {
        let record = plan(3, 5);
        let mut levels: Vec<LevelStates> =
            record.plan.levels.iter().map(|level| LevelStates::waiting(level.tasks())).collect();
        for (level, index) in [(0, 0), (0, 4), (0, 7), (0, 14), (1, 3)] {
            levels[level].set(index, DrawnState::Complete);
        }
        levels[0].set(8, DrawnState::Running);
        let completions = Completions { resumes: 0, learned: None, levels };
        let task = |level, node, range| TaskId { level, node, range };
        let complete = [task(0, 0, 0), task(0, 0, 4), task(0, 1, 2), task(0, 2, 4), task(1, 0, 3)];
        assert_eq!(completions.tasks(&record).unwrap(), complete);
        let text = serde_json::to_vec(&completions).unwrap();
        assert_eq!(serde_json::from_slice::<Completions>(&text).unwrap(), completions);
        assert_eq!(completions.tasks(&plan(5, 3)), None);
        assert_eq!(completions.tasks(&PlanRecord { resumes: 1, ..record }), None);
    }

    #[test]
    fn few_partial_sums_are_listed_instead() {
        let kept =
            |nodes, ranges, columns| Completions::are_kept(&plan(nodes, ranges).plan, columns);
        assert!(!kept(19, 100, Some(100 * 1024)));
        assert!(kept(20, 100, Some(100 * 1024)));
        assert!(kept(10, 1, Some(1_000 * 1024)), "a task may have many");
        assert!(kept(2_000, 1, None) && !kept(1_999, 1, None));
    }
}
