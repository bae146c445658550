//! Writes the results of a job to the location that its request names.

use protocol::JobSnapshot;
use protocol::result::ResultSummary;
use tokio_util::sync::CancellationToken;

use super::super::Parts;
use super::holding::Holding;
use super::is_of_store;
use crate::finishing::Unfinished;

/// Writes the results of a job that has the result `summary`, which then tells where. The
/// job is held while the place of its outputs does not answer or refuses: all is computed.
/// Does nothing once `stop` is cancelled.
pub(super) async fn write_outputs(
    parts: &Parts,
    job: JobSnapshot,
    summary: ResultSummary,
    holding: &mut Holding<'_>,
    stop: &CancellationToken,
) -> Result<ResultSummary, Unfinished> {
    if job.request.output.location.is_none() {
        return Ok(summary);
    }
    let job = JobSnapshot { result: Some(summary), ..job };
    loop {
        let writing = parts.outputs.write(&parts.store, &job);
        match stop.run_until_cancelled(Box::pin(writing)).await {
            None => return Ok(job.result.unwrap_or_default()),
            Some(Ok(outputs)) => {
                return Ok(ResultSummary { outputs, ..job.result.unwrap_or_default() });
            }
            Some(Err(problem)) if is_of_store(&problem) => {
                stop.run_until_cancelled(holding.hold(&problem)).await;
            }
            Some(Err(problem)) => return Err(problem.into()),
        }
    }
}
