//! The input objects of a job, read from its plan.

use platform::ObjectStore;
use protocol::detail::{InputFile, InputPage, InputPart};
use protocol::task::ObjectPart;
use protocol::{JobId, Problem, Weight};

use super::{PlanRecord, get};
use crate::keys;

/// A page of the input objects of a job, from the one at index `start`; `None` if the job
/// is not planned.
///
/// # Errors
///
/// If the plan cannot be read, or the store does not answer.
pub async fn inputs(
    store: &dyn ObjectStore,
    job: JobId,
    start: u64,
    limit: usize,
) -> Result<Option<InputPage>, Problem> {
    let Some(plan) = get::<PlanRecord>(store, job, &keys::plan(job)).await?.transpose()? else {
        return Ok(None);
    };
    let total = plan.objects.len() as u64;
    let first = usize::try_from(start).unwrap_or(usize::MAX);
    let page = plan.objects.into_iter().skip(first).take(limit).map(|object| InputFile {
        location: object.location,
        bytes: object.bytes,
        version: object.version.map(|version| version.to_string()),
        weight: object.weight.map(Weight::get),
        parts: object.parts.into_iter().map(part).collect(),
    });
    let inputs: Vec<InputFile> = page.collect();
    let end = start.saturating_add(inputs.len() as u64);
    Ok(Some(InputPage { inputs, total, cursor: (end < total).then_some(end) }))
}

fn part(ObjectPart { location, bytes, version }: ObjectPart) -> InputPart {
    InputPart { location, bytes, version: version.map(|version| version.to_string()) }
}
