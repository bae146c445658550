//! Uploads of a user's files to the store, in the browser: several at a time, each continued
//! after a cut.

mod dropped;
mod sending;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;

pub use self::dropped::{LocalFile, chosen_files, dropped_files};
use self::sending::{Progress, Unfinished, Unsent, send};

/// How many files are sent at the same time: less than a server takes.
const AT_ONCE: usize = 3;
/// How often a file is tried to be sent without any progress before the upload counts as
/// failed: for about two minutes.
const TRIES: u32 = 8;

/// The state of one file's upload.
#[derive(Clone, Debug, PartialEq)]
pub struct Upload {
    /// The path below the chosen folder.
    pub path: String,
    /// The size in bytes.
    pub bytes: u64,
    /// How many of them have been sent.
    pub sent_bytes: u64,
    /// What it does.
    pub state: UploadState,
}

/// What an upload does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadState {
    /// It is sent.
    Sending,
    /// It was cut off, and goes on in a moment.
    Waiting,
    /// It has failed, and why.
    Failed(String),
}

/// How many files and bytes were chosen, are stored, and have failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// The files that were chosen.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The files that are stored.
    pub stored_files: u64,
    /// Their bytes.
    pub stored_bytes: u64,
    /// The files whose upload has failed.
    pub failed_files: u64,
}

impl Totals {
    /// Whether files were chosen, and nothing more is sent.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.files > 0 && self.stored_files + self.failed_files == self.files
    }
}

/// The uploads of a page.
#[derive(Clone, Copy)]
pub struct Uploads {
    /// The uploads that are under way or have failed.
    pub shown: RwSignal<Vec<ArcRwSignal<Upload>>>,
    /// The sums of all.
    pub totals: RwSignal<Totals>,
}

thread_local! {
    /// The queue of the page. Not in a signal: the server renders pages on many threads,
    /// and what the browser knows of a file stays on one.
    static QUEUE: Rc<Queue> = Rc::default();
}

#[derive(Default)]
struct Queue {
    files: RefCell<VecDeque<(String, LocalFile)>>,
    senders: Cell<usize>,
}

impl Uploads {
    /// No uploads.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "it makes signals, which belong to an owner")]
    pub fn new() -> Uploads {
        Uploads { shown: RwSignal::new(Vec::new()), totals: RwSignal::new(Totals::default()) }
    }

    /// Uploads files below a prefix, in addition to those under way.
    pub fn add(self, prefix: &str, files: Vec<LocalFile>) {
        let queue = QUEUE.with(Rc::clone);
        self.totals.update(|totals| {
            totals.files += files.len() as u64;
            totals.bytes += files.iter().map(|file| file.bytes).sum::<u64>();
        });
        let files = files.into_iter().map(|file| (format!("{prefix}{}", file.path), file));
        queue.files.borrow_mut().extend(files);
        while queue.senders.get() < AT_ONCE && !queue.files.borrow().is_empty() {
            queue.senders.set(queue.senders.get() + 1);
            let queue = queue.clone();
            spawn_local(async move {
                // Not in the condition, which would hold the queue until the file is sent.
                loop {
                    let next = queue.files.borrow_mut().pop_front();
                    let Some((key, file)) = next else { break };
                    self.upload(&key, &file).await;
                }
                queue.senders.set(queue.senders.get() - 1);
            });
        }
    }

    /// Uploads a file, and continues whenever it is cut off.
    async fn upload(self, key: &str, file: &LocalFile) {
        let upload = ArcRwSignal::new(Upload {
            path: file.path.clone(),
            bytes: file.bytes,
            sent_bytes: 0,
            state: UploadState::Sending,
        });
        self.shown.update(|shown| shown.push(upload.clone()));
        let progress = upload.clone();
        let told: Progress =
            Rc::new(move |sent_bytes| progress.update(|upload| upload.sent_bytes = sent_bytes));
        let mut reason = String::new();
        let (mut unfinished, mut arrived_bytes, mut attempt) = (Unfinished::default(), 0, 0);
        while attempt < TRIES {
            upload.update(|upload| upload.state = UploadState::Sending);
            match send(key, file, &mut unfinished, &told).await {
                Ok(()) => {
                    self.shown.update(|shown| shown.retain(|other| *other != upload));
                    self.totals.update(|totals| {
                        totals.stored_files += 1;
                        totals.stored_bytes += file.bytes;
                    });
                    return;
                }
                Err(Unsent::Refused(why)) => {
                    reason = why;
                    break;
                }
                Err(Unsent::Cut(why)) => {
                    reason = why;
                    upload.update(|upload| upload.state = UploadState::Waiting);
                    if unfinished.arrived_bytes > arrived_bytes {
                        (arrived_bytes, attempt) = (unfinished.arrived_bytes, 0);
                    }
                    sending::pause(Duration::from_secs(1 << attempt.min(5))).await;
                    attempt += 1;
                }
            }
        }
        upload.update(|upload| upload.state = UploadState::Failed(reason));
        self.totals.update(|totals| totals.failed_files += 1);
    }
}
