//! Jobs that are resumed after they have failed or been cancelled.
//!
//! A mark says that a job is resumed, from before the request is answered until the new
//! plan is stored and the report is deleted: only then is the job one that continues. If
//! the server ends in between, the next one resumes the job again.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use platform::{ObjectStore, StoreError};
use protocol::job::InputSummary;
use protocol::task::InputObject;
use protocol::{JobId, JobSnapshot, Plan, Problem, Timestamp};

use super::checkpoint::{Checkpoint, store_checkpoint};
use super::{PlanRecord, RequestRecord, StoredJob, exists, get, index, load, store_plan};
use crate::keys;

/// The number of attempts at a task that are told apart for each resume. Nobody makes so
/// many.
const ATTEMPTS_PER_RESUME: u32 = 1000;

impl PlanRecord {
    /// The plan of a job that was never resumed.
    #[must_use]
    pub fn new(plan: Plan, inputs: InputSummary, objects: Vec<InputObject>) -> PlanRecord {
        let again = BTreeMap::new();
        PlanRecord {
            plan,
            inputs,
            objects,
            header: None,
            tensors: None,
            netcdf: None,
            parts: None,
            weights: None,
            resumes: 0,
            all_again: 0,
            again,
        }
    }

    /// The prefix of the segments of a node of the sum tree.
    #[must_use]
    pub fn node(&self, job: JobId, level: u8, node: u32) -> String {
        match self.resume_of(level, node) {
            0 => keys::node(job, level, node),
            resume => keys::node_again(job, level, node, resume),
        }
    }

    /// The last resume for which a node was computed again; 0 if there was none.
    #[must_use]
    pub fn resume_of(&self, level: u8, node: u32) -> u32 {
        let own = self.again.get(&level).and_then(|nodes| nodes.get(&node));
        own.copied().unwrap_or(self.all_again)
    }

    /// The number of the last attempt that can have been made before the last resume.
    #[must_use]
    pub fn earlier_attempts(&self) -> u32 {
        self.resumes.saturating_mul(ATTEMPTS_PER_RESUME)
    }

    /// The plan of a resumed job: `earlier` with the inputs of `now`, which was planned for
    /// the same request. The tree and the partial sums of unchanged objects are kept if the
    /// same objects are listed and have the same shape, and the first names its parts in the
    /// same order.
    #[must_use]
    pub fn resumed(earlier: PlanRecord, now: PlanRecord) -> (PlanRecord, Changed) {
        let resumes = earlier.resumes.saturating_add(1);
        let same = |count: usize| {
            let mut pairs = earlier.objects.iter().zip(&now.objects);
            count == earlier.objects.len() && pairs.all(|(old, new)| old.location == new.location)
        };
        let fits = same(now.objects.len())
            && earlier.plan.columns == now.plan.columns
            && earlier.plan.partial_column_bytes == now.plan.partial_column_bytes
            && earlier.inputs.fortran_order == now.inputs.fortran_order
            && (earlier.inputs.named, earlier.inputs.keyed) == (now.inputs.named, now.inputs.keyed)
            && (earlier.parts == now.parts)
            && (earlier.plan.columns.is_none() || earlier.inputs.shape == now.inputs.shape);
        if !fits {
            let all = PlanRecord { resumes, all_again: resumes, ..now };
            return (all, Changed::Everything);
        }
        let pairs = earlier.objects.iter().zip(&now.objects);
        // An object without a version may have changed.
        let changed = pairs.enumerate().filter(|(_, (old, new))| {
            let is_same = old.bytes == new.bytes && old.weight == new.weight;
            let is_same = is_same && old.parts == new.parts;
            let is_unknown = old.parts.iter().any(|part| part.version.is_none());
            is_unknown || old.version.is_none() || old.version != new.version || !is_same
        });
        let mut inputs: BTreeSet<u64> = changed.map(|(index, _)| index as u64).collect();
        let count = inputs.len();
        let mut record = PlanRecord {
            objects: now.objects,
            header: now.header,
            tensors: now.tensors,
            netcdf: now.netcdf,
            weights: now.weights,
            resumes,
            ..earlier
        };
        record.inputs.weights = now.inputs.weights;
        record.inputs.bytes = now.inputs.bytes;
        record.inputs.skipped = now.inputs.skipped;
        record.inputs.dtype = now.inputs.dtype;
        record.inputs.result_dtype = now.inputs.result_dtype;
        record.inputs.tensors = now.inputs.tensors;
        record.inputs.variables = now.inputs.variables;
        record.inputs.header = now.inputs.header;
        record.plan.estimate.input_bytes = now.plan.estimate.input_bytes;
        for (level, shape) in (0_u8..).zip(record.plan.levels.clone()) {
            let nodes: BTreeSet<u64> =
                inputs.iter().map(|input| input / u64::from(shape.fan_in.max(1))).collect();
            let again = nodes.iter().filter_map(|node| u32::try_from(*node).ok());
            let again = again.map(|node| (node, resumes));
            if count > 0 {
                record.again.entry(level).or_default().extend(again);
            }
            inputs = nodes;
        }
        (record, if count == 0 { Changed::Nothing } else { Changed::Objects(count) })
    }
}

/// What has changed of the inputs of a job since it was planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// Nothing.
    Nothing,
    /// This number of objects.
    Objects(usize),
    /// Other objects are listed, or their shape is another.
    Everything,
}

/// Marks an ended job as resumed. From then on it is not over.
///
/// # Errors
///
/// If the store does not answer.
pub async fn begin_resume(store: &dyn ObjectStore, job: JobId) -> Result<(), Problem> {
    let resuming = async {
        // Whoever resumes it does not want to delete it any more.
        store.delete(&keys::deleted(job)).await?;
        // A server that starts looks at the job.
        index::reopen(store, job).await?;
        store.delete(&keys::cancelled(job)).await?;
        store.put(&keys::resuming(job), Bytes::new()).await
    };
    resuming.await.map_err(|error| error.own_problem("resuming the job"))
}

/// Stores the new plan of a job that is resumed at `now`, which then continues, with the
/// times and counts of its report, which is deleted. What was learned of the
/// inputs is kept only if none has changed: it may have been learned of one that has.
///
/// # Errors
///
/// If the store does not answer.
pub async fn store_resumed(
    store: &dyn ObjectStore,
    job: JobId,
    record: &PlanRecord,
    changed: Changed,
    now: Timestamp,
) -> Result<(), Problem> {
    let doing = |error: StoreError| error.own_problem("resuming the job");
    if changed != Changed::Nothing {
        store.delete(&keys::learned(job)).await.map_err(doing)?;
    }
    store_plan(store, job, record).await?;
    if let Some(Ok(report)) = get::<Box<JobSnapshot>>(store, job, &keys::report(job)).await? {
        store_checkpoint(store, job, &Checkpoint::resumed(&report, now)).await?;
    }
    store.delete(&keys::report(job)).await.map_err(doing)?;
    end_resume(store, job).await.map_err(doing)
}

/// Deletes the mark of [`begin_resume`].
///
/// # Errors
///
/// If the store does not answer.
pub async fn end_resume(store: &dyn ObjectStore, job: JobId) -> Result<(), StoreError> {
    store.delete(&keys::resuming(job)).await
}

/// As [`load`], for a job that may be resumed.
///
/// # Errors
///
/// If the store does not answer.
pub async fn load_open(store: &dyn ObjectStore, job: JobId) -> Result<Option<StoredJob>, Problem> {
    // One that was cancelled since ends.
    if !exists(store, &keys::resuming(job)).await? || exists(store, &keys::cancelled(job)).await? {
        return load(store, job).await;
    }
    match get::<RequestRecord>(store, job, &keys::request(job)).await? {
        Some(Ok(request)) => {
            match get::<Box<JobSnapshot>>(store, job, &keys::report(job)).await? {
                Some(report) => {
                    Ok(Some(StoredJob::Resuming(Box::new(request.into()), report.ok())))
                }
                // The new plan and the checkpoint are stored: the job goes on.
                None => load(store, job).await,
            }
        }
        Some(Err(_)) | None => load(store, job).await,
    }
}

#[cfg(test)]
mod tests {
    use protocol::ObjectVersion;
    use protocol::plan::{Estimate, PlanLevel};

    use super::*;

    const NAMES: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];

    fn record(versions: [&str; 7]) -> PlanRecord {
        let level = |nodes| PlanLevel { nodes, ranges: 1, range_segments: 1, fan_in: 2 };
        let plan = Plan {
            objects: 7,
            columns: Some(10),
            fan_in: 2,
            segment_columns: 1024,
            partial_column_bytes: 16,
            levels: [4, 2, 1].map(level).into(),
            estimate: Estimate::default(),
        };
        let object = |(name, version): (&str, &str)| InputObject {
            location: name.to_owned(),
            bytes: 80,
            version: Some(ObjectVersion::of_etag(version)),
            weight: None,
            parts: Box::default(),
        };
        let objects = NAMES.into_iter().zip(versions).map(object).collect();
        let inputs = InputSummary { columns: Some(10), ..InputSummary::default() };
        PlanRecord::new(plan, inputs, objects)
    }

    fn again(record: &PlanRecord) -> Vec<(u8, u32, u32)> {
        let nodes = record.again.iter();
        nodes.flat_map(|(level, it)| it.iter().map(|(node, by)| (*level, *node, *by))).collect()
    }

    #[test]
    fn only_what_depends_on_changed_objects_is_computed_again() {
        let first = record(["1"; 7]);
        let (same, changed) = PlanRecord::resumed(first.clone(), first.clone());
        assert_eq!((changed, again(&same), same.resumes), (Changed::Nothing, vec![], 1));
        let mended = record(["1", "1", "1", "2", "1", "1", "1"]);
        let (second, changed) = PlanRecord::resumed(same, mended);
        assert_eq!(changed, Changed::Objects(1));
        assert_eq!(again(&second), [(0, 1, 2), (1, 0, 2), (2, 0, 2)]);
        let job = JobId::from_parts(Timestamp::default(), 1);
        assert_eq!(second.node(job, 0, 0), keys::node(job, 0, 0));
        assert_eq!(second.node(job, 0, 1), keys::node_again(job, 0, 1, 2));
        let mended = record(["1", "1", "1", "2", "1", "1", "2"]);
        let (third, _) = PlanRecord::resumed(second, mended);
        let expected = [(0, 1, 2), (0, 3, 3), (1, 0, 2), (1, 1, 3), (2, 0, 3)];
        assert_eq!(again(&third), expected);
        assert_eq!((third.resumes, third.earlier_attempts()), (3, 3000));
    }

    #[test]
    fn other_objects_or_another_shape_are_computed_as_a_whole() {
        let first = record(["1"; 7]);
        let mut fewer = first.clone();
        fewer.objects.pop();
        let mut renamed = first.clone();
        renamed.objects[3].location.push('x');
        let mut longer = first.clone();
        longer.plan.columns = Some(11);
        let mut ordered = first.clone();
        ordered.inputs.fortran_order = true;
        let mut named = first.clone();
        named.parts = Some(7);
        for other in [fewer, renamed, longer, ordered, named] {
            let (all, changed) = PlanRecord::resumed(first.clone(), other.clone());
            assert_eq!((changed, all.all_again), (Changed::Everything, 1));
            assert_eq!((all.resume_of(0, 3), all.resume_of(2, 0)), (1, 1));
            assert_eq!(all.objects, other.objects);
            // What is mended later is told apart from it.
            let mut mended = other;
            mended.objects[0].version = Some(ObjectVersion::of_etag("9"));
            let (next, changed) = PlanRecord::resumed(all, mended);
            assert_eq!(changed, Changed::Objects(1));
            assert_eq!((next.resume_of(0, 0), next.resume_of(0, 1)), (2, 1));
        }
        // Nothing is known of an object without a version.
        let mut unknown = first.clone();
        unknown.objects[0].version = None;
        assert_eq!(PlanRecord::resumed(unknown, first).1, Changed::Objects(1));
    }
}
