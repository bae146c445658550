//! The encoding of messages: JSON.

use std::sync::atomic::{AtomicBool, Ordering};

use protocol::task::{Assignment, Control, Report};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The type of a probe: a message that only shows that its queue takes and gives
/// messages. Other messages have no type.
pub(super) const PROBE: &str = "probe";

/// Tells the workers' ends that the queues have been replaced. It passes through the
/// exchange of control messages, where workers of earlier versions skip it.
#[derive(Debug, Serialize, Deserialize)]
struct Replaced {
    queue_generation: u32,
}

/// Encodes the message that says that a generation is complete.
pub(super) fn encode_replaced(queue_generation: u32) -> Vec<u8> {
    // Numbers always encode.
    serde_json::to_vec(&Replaced { queue_generation }).unwrap_or_default()
}

/// The generation that a message says is complete; `None` if it is another message.
pub(super) fn decode_replaced(bytes: &[u8]) -> Option<u32> {
    serde_json::from_slice(bytes).ok().map(|Replaced { queue_generation }| queue_generation)
}

/// The assignments or reports of one message: a slice of them, or a `Vec` where it arrives.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Batch<T> {
    version: u32,
    pub(super) items: T,
}

impl<T> Batch<T> {
    /// A message of this program.
    pub(super) fn of(items: T) -> Batch<T> {
        Batch { version: protocol::VERSION, items }
    }
}

/// What a message says of its sender, whatever else it is.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// A message that passes through the broker.
pub(super) trait Message: DeserializeOwned + Send + Sync + 'static {
    /// The most bytes that are decoded. What is decoded takes several times as many.
    const BYTES_MAX: usize;

    /// The protocol version of its sender.
    fn version(&self) -> u32;
}

/// Assignments name up to P objects, so they are as long as the server makes them.
impl Message for Batch<Vec<Assignment>> {
    const BYTES_MAX: usize = usize::MAX;

    fn version(&self) -> u32 {
        self.version
    }
}

/// A report has less than a kibibyte, and some kibibytes if it tells an error. A worker sends
/// some dozens together at most.
impl Message for Batch<Vec<Report>> {
    const BYTES_MAX: usize = 1 << 20;

    fn version(&self) -> u32 {
        self.version
    }
}

impl Message for Control {
    const BYTES_MAX: usize = 1 << 20;

    fn version(&self) -> u32 {
        // Control messages carry no version: a worker skips those it does not know.
        protocol::VERSION
    }
}

/// Why a message could not be decoded.
#[derive(Debug, thiserror::Error)]
pub(super) enum Undecodable {
    /// It is not JSON of the expected shape.
    #[error("the message cannot be decoded: {0}")]
    Malformed(serde_json::Error),
    /// It is longer than any that this program sends.
    #[error("the message has {0} bytes, more than any such message of this program")]
    TooLong(usize),
    /// Its sender is of another version, and may mean something else by the same fields.
    #[error(
        "the message is of protocol version {0}, and this program speaks version {own}: run the \
         server and all workers in the same version",
        own = protocol::VERSION
    )]
    OtherVersion(u32),
}

pub(super) fn encode(message: &impl Serialize) -> Vec<u8> {
    // Only maps with keys other than text, and failing writers, do not encode. No
    // message has either, and an empty message becomes a dead letter.
    serde_json::to_vec(message).unwrap_or_default()
}

pub(super) fn decode<T: Message>(bytes: &[u8]) -> Result<T, Undecodable> {
    if bytes.len() > T::BYTES_MAX {
        return Err(Undecodable::TooLong(bytes.len()));
    }
    let message: T = match serde_json::from_slice(bytes) {
        Ok(message) => message,
        Err(error) => {
            // It may be well-formed in the version of its sender.
            let versioned = serde_json::from_slice(bytes).ok();
            let other = versioned.filter(|it: &Versioned| it.version != protocol::VERSION);
            return Err(match other {
                Some(Versioned { version }) => Undecodable::OtherVersion(version),
                None => Undecodable::Malformed(error),
            });
        }
    };
    if message.version() != protocol::VERSION {
        return Err(Undecodable::OtherVersion(message.version()));
    }
    Ok(message)
}

/// Decodes control messages.
#[derive(Debug, Default)]
pub(super) struct ControlReader {
    /// Whether an unknown message was logged before.
    has_warned: AtomicBool,
}

impl ControlReader {
    /// Decodes one message. Unknown messages, as a newer server may send, are
    /// skipped: the first with a warning, the others at debug level.
    pub(super) fn read(&self, bytes: &[u8]) -> Option<Control> {
        match decode(bytes) {
            Ok(control) => Some(control),
            Err(reason) if self.has_warned.swap(true, Ordering::Relaxed) => {
                tracing::debug!(%reason, "skipped a control message");
                None
            }
            Err(reason) => {
                tracing::warn!(
                    %reason,
                    "skipped a control message of the server, which may be newer than this \
                     worker; others like it are logged at debug level"
                );
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use protocol::task::ReportBody;
    use protocol::{Timestamp, WorkerId};

    use super::*;

    #[test]
    fn a_message_of_another_version_is_refused() {
        type Reports = Batch<Vec<Report>>;
        let report = Report {
            version: protocol::VERSION,
            worker: WorkerId::from("worker-1"),
            at: Timestamp::from_millis(1),
            body: ReportBody::Alive { resident_bytes: 1 },
        };
        let mut reports = Batch::of(vec![report.clone(), report.clone()]);
        assert_eq!(decode::<Reports>(&encode(&reports)).unwrap(), reports);
        reports.version += 1;
        let newer = decode::<Reports>(&encode(&reports)).unwrap_err();
        assert!(
            newer.to_string().contains("version 3, and this program speaks version 2"),
            "{newer}"
        );
        // Before version 2 a message was one report.
        let older = Report { version: 1, ..report };
        let older = decode::<Reports>(&encode(&older)).unwrap_err();
        assert!(matches!(older, Undecodable::OtherVersion(1)), "{older}");
        assert!(matches!(decode::<Reports>(b"{}"), Err(Undecodable::Malformed(_))));
        reports.version = protocol::VERSION;
        let mut padded = encode(&reports);
        padded.resize(1 << 20, b' ');
        assert_eq!(decode::<Reports>(&padded).unwrap(), reports);
        padded.push(b' ');
        assert!(matches!(decode::<Reports>(&padded), Err(Undecodable::TooLong(_))));
    }

    /// What is logged, as text.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn control_messages_and_replacements_are_told_apart() {
        assert_eq!(decode_replaced(&encode_replaced(3)), Some(3));
        assert!(decode::<Control>(&encode_replaced(3)).is_err(), "skipped by earlier workers");
        let worker = WorkerId::from("worker-1");
        for control in [Control::RollCall, Control::Rest { worker, rest_ms: 1 }] {
            assert_eq!(decode_replaced(&encode(&control)), None);
        }
    }

    #[test]
    fn what_the_server_says_and_nobody_knows_is_warned_of_once() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_writer(move || writer.clone())
            .finish();
        let read = tracing::subscriber::with_default(subscriber, || {
            let reader = ControlReader::default();
            let messages = [&b"\"drop_caches\""[..], b"\"roll_call\"", b"\"drop_caches\""];
            messages.map(|message| reader.read(message))
        });
        assert_eq!(read, [None, Some(Control::RollCall), None]);
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert_eq!(log.matches("WARN").count(), 1, "{log}");
        assert!(log.contains("drop_caches"), "{log}");
        assert_eq!(log.matches("DEBUG").count(), 1, "{log}");
    }
}
