//! What streams are told of, and its text, which is made once for all of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use protocol::live::LiveEvent;
use protocol::states::StateChange;
use protocol::worker::PoolSnapshot;
use protocol::{JobId, JobSnapshot};

use super::{Board, without_result};

/// How many texts are kept: more than the jobs that run at the same time, as a rule …
const TEXTS_KEPT: usize = 256;
/// … and their bytes.
const BYTES_KEPT: usize = 8 << 20;
/// What follows the data of an event.
const END: &[u8] = b"\n\n";

/// Something that has changed, as a stream tells it.
#[derive(Clone, Debug)]
pub enum Change {
    /// Everything, at this version.
    Overview(u64),
    /// A job in the list of jobs, where results are not shown, since this version.
    Listed(u64, Arc<JobSnapshot>),
    /// A job as a whole, since this version; `None` of one that was read from the store.
    Whole(Option<u64>, Arc<JobSnapshot>),
    /// A job that was deleted.
    Deleted(JobId),
    /// The pool, since this version.
    Pool(u64, Arc<PoolSnapshot>),
    /// The states of tasks.
    Tasks(Box<StateChange>),
}

/// What a text tells of: a kind of change, and its version.
type Key = (Kind, u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Overview,
    Listed,
    Whole,
    Pool,
}

impl Change {
    /// What the text can be found by, if it is one that several streams send.
    const fn key(&self) -> Option<Key> {
        match self {
            Change::Overview(version) => Some((Kind::Overview, *version)),
            Change::Listed(version, _) => Some((Kind::Listed, *version)),
            Change::Whole(Some(version), _) => Some((Kind::Whole, *version)),
            Change::Pool(version, _) => Some((Kind::Pool, *version)),
            Change::Whole(None, _) | Change::Deleted(_) | Change::Tasks(_) => None,
        }
    }

    /// Whether no other change of the same job follows, but its deletion.
    #[must_use]
    pub fn is_last(&self) -> bool {
        match self {
            Change::Listed(_, job) | Change::Whole(_, job) => job.phase.is_over(),
            Change::Deleted(_) => true,
            Change::Overview(_) | Change::Pool(..) | Change::Tasks(_) => false,
        }
    }

    /// The event. That of everything has the state of now.
    pub(super) fn event(&self, board: &Board) -> LiveEvent {
        match self {
            Change::Overview(_) => LiveEvent::Snapshot(Box::new(board.overview())),
            Change::Listed(_, job) => LiveEvent::Job(Box::new(without_result(job))),
            Change::Whole(_, job) => LiveEvent::Job(Box::new(JobSnapshot::clone(job))),
            Change::Deleted(id) => LiveEvent::JobDeleted(*id),
            Change::Pool(_, pool) => LiveEvent::Workers(Box::new(PoolSnapshot::clone(pool))),
            Change::Tasks(change) => LiveEvent::Tasks(change.clone()),
        }
    }
}

/// An event as it is sent: its name, its data as JSON, and an empty line. Clones share it.
#[derive(Clone)]
pub struct EventText {
    text: Bytes,
    /// Where the data begins.
    data: usize,
}

impl EventText {
    fn new(event: &LiveEvent) -> EventText {
        let mut text = format!("event: {}\ndata: ", event.name()).into_bytes();
        let data = text.len();
        let written = match event {
            LiveEvent::Snapshot(overview) => serde_json::to_writer(&mut text, overview),
            LiveEvent::Job(job) => serde_json::to_writer(&mut text, job),
            LiveEvent::JobDeleted(id) => serde_json::to_writer(&mut text, id),
            LiveEvent::Workers(pool) => serde_json::to_writer(&mut text, pool),
            LiveEvent::Tasks(change) => serde_json::to_writer(&mut text, change),
        };
        if let Err(error) = written {
            // Snapshots hold texts and numbers only, which always encode as JSON.
            tracing::error!(%error, event = event.name(), "event not encoded");
            text.truncate(data);
            text.extend_from_slice(b"null");
        }
        text.extend_from_slice(END);
        EventText { text: Bytes::from(text), data }
    }

    /// All of it.
    #[must_use]
    pub fn whole(&self) -> Bytes {
        self.text.clone()
    }

    /// The data, which is JSON.
    #[must_use]
    pub fn json(&self) -> Bytes {
        self.text.slice(self.data..self.text.len() - END.len())
    }
}

/// The latest texts.
#[derive(Default)]
pub(super) struct Texts(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    texts: VecDeque<(Key, EventText)>,
    bytes: usize,
}

impl Texts {
    /// The text of a change. Whoever asks for it meanwhile waits for the same one.
    fn get(&self, key: Key, make: impl FnOnce() -> EventText) -> EventText {
        // A panic while a text is made has kept none.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The latest are asked for most.
        if let Some((_, text)) = kept.texts.iter().rev().find(|(known, _)| *known == key) {
            return text.clone();
        }
        let text = make();
        kept.bytes += text.text.len();
        kept.texts.push_back((key, text.clone()));
        while (kept.texts.len() > TEXTS_KEPT || kept.bytes > BYTES_KEPT)
            && let Some((_, oldest)) = kept.texts.pop_front()
        {
            kept.bytes -= oldest.text.len();
        }
        text
    }
}

impl Board {
    /// The text of a change, as all streams send it.
    #[must_use]
    pub fn text(&self, change: &Change) -> EventText {
        let make = || EventText::new(&change.event(self));
        match change.key() {
            Some(key) => self.texts.get(key, make),
            None => make(),
        }
    }

    /// The snapshot of a job as JSON, if it is on the board.
    #[must_use]
    pub fn job_json(&self, id: JobId) -> Option<Bytes> {
        let (version, job) = self.read().jobs.get(&id)?.clone();
        Some(self.text(&Change::Whole(Some(version), job)).json())
    }
}
