//! The tasks that earlier runs of the server have completed.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use platform::ObjectStore;
use protocol::{JobId, Problem, TaskId};

use super::PlanRecord;
use crate::keys;

/// The tasks of a job whose segments are all in the store. Empty if C is not
/// known: then each attempt looks for the segments of its task. Partial sums of inputs
/// that have changed since do not count.
pub async fn completed_tasks(
    store: &dyn ObjectStore,
    job: JobId,
    record: &PlanRecord,
    columns: Option<u64>,
) -> Result<Vec<TaskId>, Problem> {
    let Some(columns) = columns else {
        return Ok(Vec::new());
    };
    let prefix = keys::sums(job);
    let mut found: BTreeMap<(u8, u32), BTreeSet<u64>> = BTreeMap::new();
    let mut listing = store.list(&prefix);
    while let Some(object) = listing.next().await {
        let object = object.map_err(|e| e.own_problem("listing the partial sums"))?;
        if object.bytes == 0 {
            // A loss of power has left it so. The next attempt at its task deletes it.
            continue;
        }
        let mut parts = object.key[prefix.len()..].split('/');
        let level = parts.next().and_then(|level| level.parse().ok());
        let node = parts.next().and_then(node_and_resume);
        let segment = parts.next().and_then(|segment| segment.parse().ok());
        if let (Some(level), Some((node, resume)), Some(segment)) = (level, node, segment)
            && record.resume_of(level, node) == resume
        {
            found.entry((level, node)).or_default().insert(segment);
        }
    }
    let plan = &record.plan;
    let segments = columns.div_ceil(plan.segment_columns);
    let mut completed = Vec::new();
    for ((level, node), there) in found {
        let Some(shape) = plan.levels.get(usize::from(level)) else {
            continue;
        };
        for range in 0..shape.ranges {
            let task = TaskId { level, node, range };
            let (first, end) = plan.task_segments(task);
            let wanted = first..end.unwrap_or(segments).min(segments);
            if !wanted.is_empty() && wanted.clone().all(|segment| there.contains(&segment)) {
                completed.push(task);
            }
        }
    }
    Ok(completed)
}

/// A node and the resume for which it was computed, from its part of a key; 0 for none.
fn node_and_resume(part: &str) -> Option<(u32, u32)> {
    match part.split_once('.') {
        None => Some((part.parse().ok()?, 0)),
        Some((node, resume)) => Some((node.parse().ok()?, resume.parse().ok()?)),
    }
}
