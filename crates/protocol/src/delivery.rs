//! Whether the message of a webhook was delivered.

use serde::{Deserialize, Serialize};

use crate::{JobId, Timestamp};

/// The delivery of the message that a job has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct WebhookDelivery {
    /// The id of the message, in the header `webhook-id` of every attempt.
    pub id: String,
    /// Whether the message was delivered.
    pub state: DeliveryState,
    /// The number of attempts so far.
    #[serde(default)]
    pub attempts: u32,
    /// When the receiver has accepted the message; absent before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<Timestamp>,
    /// Why the last attempt that failed did; absent if none has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// Whether a message was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// It will be tried, or tried again.
    Pending,
    /// The receiver has accepted it.
    Delivered,
    /// It is not tried any more.
    Abandoned,
}

impl WebhookDelivery {
    /// The delivery of a message that was not tried yet: that a job ended at this time.
    #[must_use]
    pub fn pending(job: JobId, ended_at: Timestamp) -> WebhookDelivery {
        WebhookDelivery {
            id: message_id(job, ended_at),
            state: DeliveryState::Pending,
            attempts: 0,
            delivered_at: None,
            last_error: None,
        }
    }
}

/// The id of the message that a job ended at this time. A job that is resumed ends again.
#[must_use]
pub fn message_id(job: JobId, ended_at: Timestamp) -> String {
    format!("{job}_{}", ended_at.as_millis())
}
