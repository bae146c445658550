//! The input objects of a job, read from its plan.

use platform::ObjectStore;
use protocol::detail::{InputFile, InputPage, InputPart};
use protocol::task::{InputObject, ObjectPart};
use protocol::{JobId, Problem, Weight};

use super::{PlanRecord, get};
use crate::keys;

/// The input objects of a job from the one at index `start`, at most `limit`, and the
/// number of all; `None` if the job is not planned.
///
/// # Errors
///
/// If the plan cannot be read, or the store does not answer.
pub async fn input_objects(
    store: &dyn ObjectStore,
    job: JobId,
    start: u64,
    limit: usize,
) -> Result<Option<(Vec<InputObject>, u64)>, Problem> {
    let Some(plan) = get::<PlanRecord>(store, job, &keys::plan(job)).await?.transpose()? else {
        return Ok(None);
    };
    let total = plan.objects.len() as u64;
    let first = usize::try_from(start).unwrap_or(usize::MAX);
    Ok(Some((plan.objects.into_iter().skip(first).take(limit).collect(), total)))
}

/// A page of input objects from the one at index `start`, of `total`.
#[must_use]
pub fn input_page(objects: Vec<InputObject>, start: u64, total: u64) -> InputPage {
    let inputs = objects.into_iter().map(|object| InputFile {
        location: object.location,
        bytes: object.bytes,
        version: object.version.map(|version| version.to_string()),
        weight: object.weight.map(Weight::get),
        parts: object.parts.into_iter().map(part).collect(),
    });
    let inputs: Vec<InputFile> = inputs.collect();
    let end = start.saturating_add(inputs.len() as u64);
    InputPage { inputs, total, cursor: (end < total).then_some(end) }
}

fn part(ObjectPart { location, bytes, version }: ObjectPart) -> InputPart {
    InputPart { location, bytes, version: version.map(|version| version.to_string()) }
}
