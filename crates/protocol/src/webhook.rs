//! The message of a webhook.

use serde::{Deserialize, Serialize};

use crate::job::InputSummary;
use crate::time::Rfc3339;
use crate::{JobId, JobSnapshot, Phase, Problem, Timestamp};

/// The message of a webhook, the JSON body of its request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct WebhookMessage {
    /// `job.done`, `job.failed` or `job.cancelled`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When the job ended, by RFC 3339.
    pub timestamp: String,
    /// The job.
    pub data: EndedJob,
}

/// A job that has ended, as a webhook tells of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct EndedJob {
    /// The id of the job.
    pub id: JobId,
    /// The path of the job in the JSON API of the server: `/api/jobs/{id}`.
    pub path: String,
    /// Done, failed or cancelled.
    pub phase: Phase,
    /// The name of the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The name of who submitted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitted_by: Option<String>,
    /// When it was submitted.
    pub submitted_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// F, the number of objects, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<u64>,
    /// C, the number of values per object, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<u64>,
    /// The error of a job that has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

impl WebhookMessage {
    /// The message that a job has ended.
    #[must_use]
    pub fn of(job: &JobSnapshot) -> WebhookMessage {
        let submitted_at = job.timings.submitted_at;
        let ended_at = job.timings.ended_at.unwrap_or(submitted_at);
        let InputSummary { objects, columns, .. } = job.inputs;
        let nanos =
            i64::try_from(ended_at.as_millis()).ok().and_then(|it| it.checked_mul(1_000_000));
        WebhookMessage {
            kind: format!("job.{}", job.phase.word()),
            timestamp: Rfc3339(nanos.unwrap_or(i64::MAX)).to_string(),
            data: EndedJob {
                id: job.id,
                path: format!("/api/jobs/{}", job.id),
                phase: job.phase,
                name: job.request.name.clone(),
                submitted_by: job.submitted_by.clone(),
                submitted_at,
                ended_at,
                objects,
                columns,
                error: job.error.clone(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Inputs, JobRequest};

    #[test]
    fn a_message_tells_how_a_job_ended() {
        let at = Timestamp::from_millis(1_772_368_496_789);
        let job = JobId::from_parts(at, 7);
        let request = JobRequest::new(Inputs::Prefix("a/".to_owned()));
        let mut job = JobSnapshot::submitted(job, request, 1, at);
        job.phase = Phase::Done;
        job.timings.ended_at = Some(at);
        let message = WebhookMessage::of(&job);
        assert_eq!(message.kind, "job.done");
        assert_eq!(message.timestamp, "2026-03-01T12:34:56.789Z");
        assert_eq!(message.data.path, format!("/api/jobs/{}", job.id));
        let json = serde_json::to_value(&message).unwrap();
        assert_eq!(json["type"], "job.done");
        assert_eq!(json["data"]["phase"], "done");
        assert!(json["data"].get("error").is_none());
    }
}
