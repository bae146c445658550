//! The log of jobs: one line for each turn in the life of a job, with its id.
//!
//! Texts that users have chosen are logged quoted, so that none can look like another line.

use program::clock;
use protocol::delivery::{DeliveryState, WebhookDelivery};
use protocol::{Inputs, JobId, JobSnapshot, Phase, WorkerId};

use crate::records::{PlanRecord, RequestSummary};

/// A user has submitted a job, and its request is in the store.
pub(crate) fn submitted(job: JobId, request: &RequestSummary) {
    let RequestSummary { request, workers, submitted_by, .. } = request;
    let inputs = inputs(&request.inputs);
    let (name, by) = (request.name.as_deref(), submitted_by.as_deref());
    tracing::info!(job_id = %job, inputs, workers, name, by, "job submitted");
}

/// A job of an earlier run of the server continues; so many tasks are complete.
pub(crate) fn continued(job: JobId, completed: usize) {
    tracing::info!(job_id = %job, completed, "job continues after a restart");
}

/// A user has resumed a job that had failed or been cancelled.
pub(crate) fn resumed(job: JobId) {
    tracing::info!(job_id = %job, "job resumed");
}

/// The plan of a job is in the store.
pub(crate) fn planned(job: JobId, record: &PlanRecord) {
    let PlanRecord { plan, inputs, .. } = record;
    let (objects, bytes, columns) = (plan.objects, inputs.bytes, inputs.columns);
    let (tasks, levels) = (plan.tasks(), plan.levels.len());
    tracing::info!(job_id = %job, objects, bytes, columns, tasks, levels, "job planned");
}

/// A worker has started the first attempt at a task of a job.
pub(crate) fn started(job: JobId, worker: &WorkerId) {
    tracing::info!(job_id = %job, worker_id = %worker, "job started");
}

/// A job is over, and its report is in the store.
pub(crate) fn ended(job: &JobSnapshot) {
    let timings = &job.timings;
    let ended_at = timings.ended_at.unwrap_or_else(clock::now);
    let duration_ms = ended_at.millis_since(timings.submitted_at);
    let (attempts, bytes) = (&job.attempts, &job.bytes);
    let said = match job.phase {
        Phase::Failed => "job failed",
        Phase::Cancelled => "job cancelled",
        Phase::Listing | Phase::Planning | Phase::Running | Phase::Finishing | Phase::Done => {
            "job done"
        }
    };
    tracing::info!(
        job_id = %job.id,
        duration_ms,
        objects = job.inputs.objects,
        columns = job.inputs.columns,
        attempts = attempts.started,
        attempts_failed = attempts.failed,
        attempts_lost = attempts.lost,
        input_read_bytes = bytes.input_read,
        error = job.error.as_ref().map(ToString::to_string),
        "{said}"
    );
}

/// An attempt was made to tell somebody that a job has ended.
pub(crate) fn told(job: JobId, delivery: &WebhookDelivery) {
    let WebhookDelivery { id, state, attempts, last_error, .. } = delivery;
    let error = last_error.as_deref();
    match state {
        DeliveryState::Delivered => {
            tracing::info!(job_id = %job, webhook_id = id, attempts, "webhook delivered");
        }
        DeliveryState::Pending => {
            tracing::warn!(job_id = %job, webhook_id = id, attempts, error, "webhook not delivered yet");
        }
        DeliveryState::Abandoned => {
            tracing::error!(job_id = %job, webhook_id = id, attempts, error, "webhook abandoned");
        }
    }
}

/// Why a job is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// A user wants it.
    Requested,
    /// It has been over for the time that jobs are kept.
    Old,
}

/// A job was deleted with all its objects.
pub(crate) fn deleted(job: JobId, why: Deletion) {
    let why = match why {
        Deletion::Requested => "requested",
        Deletion::Old => "its age",
    };
    tracing::info!(job_id = %job, why, "job deleted");
}

/// What a job reads, in a few words.
fn inputs(inputs: &Inputs) -> String {
    match inputs {
        Inputs::Prefix(prefix) => format!("prefix {prefix:?}"),
        Inputs::Manifest(manifest) => format!("manifest {manifest:?}"),
        Inputs::Objects(list) => format!("{} objects", list.len()),
        Inputs::Shortened(list) => format!("{} objects", list.count),
        Inputs::Generate(data) => format!("{} generated files", data.files),
    }
}
