//! Messages as bytes.

use protocol::task::{Assignment, Control, Report};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What travels through the broker.
pub(super) trait Message: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The version of the protocol that its sender speaks.
    fn version(&self) -> u32;
}

impl Message for Assignment {
    fn version(&self) -> u32 {
        self.version
    }
}

impl Message for Report {
    fn version(&self) -> u32 {
        self.version
    }
}

impl Message for Control {
    fn version(&self) -> u32 {
        // Words that a worker does not know are of no harm and not decoded anyway.
        protocol::VERSION
    }
}

/// Why bytes are not a message.
#[derive(Debug, thiserror::Error)]
pub(super) enum Undecodable {
    /// They are no JSON of the right shape.
    #[error("the message cannot be read: {0}")]
    Malformed(serde_json::Error),
    /// The sender is newer and means something else by the same words.
    #[error("the message is of protocol version {0}, newer than this program")]
    TooNew(u32),
}

pub(super) fn encode(message: &impl Message) -> Vec<u8> {
    // Only maps with keys that are no text, and failing writers, cannot be
    // JSON; no message has either, and an empty one would be put aside.
    serde_json::to_vec(message).unwrap_or_default()
}

pub(super) fn decode<T: Message>(bytes: &[u8]) -> Result<T, Undecodable> {
    let message: T = serde_json::from_slice(bytes).map_err(Undecodable::Malformed)?;
    if message.version() > protocol::VERSION {
        return Err(Undecodable::TooNew(message.version()));
    }
    Ok(message)
}

#[cfg(test)]
mod tests {
    use protocol::task::ReportBody;
    use protocol::{Timestamp, WorkerId};

    use super::*;

    #[test]
    fn a_message_from_the_future_is_refused() {
        let mut report = Report {
            version: protocol::VERSION,
            worker: WorkerId::from("worker-1"),
            at: Timestamp::from_millis(1),
            body: ReportBody::Alive { resident_bytes: 1 },
        };
        assert_eq!(decode::<Report>(&encode(&report)).unwrap(), report);
        report.version += 1;
        assert!(matches!(decode::<Report>(&encode(&report)), Err(Undecodable::TooNew(_))));
        assert!(matches!(decode::<Report>(b"{}"), Err(Undecodable::Malformed(_))));
    }
}
