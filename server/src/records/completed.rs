//! The tasks that earlier runs of the server have completed.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use platform::ObjectStore;
use protocol::{JobId, Plan, Problem, TaskId};

use crate::keys;

/// The tasks of a job whose segments are all in the store. Empty if C is not
/// known: then each attempt looks for the segments of its task.
pub async fn completed_tasks(
    store: &dyn ObjectStore,
    job: JobId,
    plan: &Plan,
    columns: Option<u64>,
) -> Result<Vec<TaskId>, Problem> {
    let Some(columns) = columns else {
        return Ok(Vec::new());
    };
    let prefix = keys::sums(job);
    let mut found: BTreeMap<(u8, u32), BTreeSet<u64>> = BTreeMap::new();
    let mut listing = store.list(&prefix);
    while let Some(object) = listing.next().await {
        let object = object.map_err(|e| e.problem("listing the partial sums"))?;
        if object.bytes == 0 {
            // A loss of power has left it so. The next attempt at its task deletes it.
            continue;
        }
        let mut parts = object.key[prefix.len()..].split('/');
        let mut next = || parts.next()?.parse::<u64>().ok();
        if let (Some(level), Some(node), Some(segment)) = (next(), next(), next())
            && let (Ok(level), Ok(node)) = (u8::try_from(level), u32::try_from(node))
        {
            found.entry((level, node)).or_default().insert(segment);
        }
    }
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
