//! Webhooks: a URL that a request names, or the operator, is told that a job has ended.
//!
//! Before the report of a job is stored, a mark in the store says that somebody is to be
//! told. The [`Courier`] sends the message once the report is there, tries again for a day,
//! and deletes the mark last. A server that starts finds the marks. So each message is
//! delivered at least once, and receivers recognize a repeated one by its id.
//!
//! Messages go only to receivers that the operator has allowed, are signed as
//! [Standard Webhooks](https://www.standardwebhooks.com) describes, and follow no redirects.

mod client;
mod courier;
mod receiver;
mod signature;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use protocol::problem::{Problem, ProblemKind};
use protocol::request::{WEBHOOK, Webhook};
use protocol::{JobId, JobRequest, Timestamp};
use tokio::sync::Notify;

use self::client::Tls;
use self::receiver::{Receiver, Refusal};
use self::signature::Secret;

pub use self::courier::Courier;
pub use self::receiver::ReceiverPattern;

/// How many jobs that have just ended are kept for the courier. It finds others by their
/// marks.
const ENDED_MAX: usize = 256;
/// How long one attempt may take: receivers answer first and work later.
const ATTEMPT_TIME_MAX: Duration = Duration::from_secs(10);

/// A message that a job ended at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ended {
    /// The job.
    pub job: JobId,
    /// When it ended.
    pub at: Timestamp,
}

/// The settings of webhooks.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The receivers that the operator has allowed.
    pub allowed: Vec<ReceiverPattern>,
    /// Who is told of jobs whose requests name no webhook.
    pub default: Option<Webhook>,
    /// The file of the secret that signs messages.
    pub secret_file: Option<PathBuf>,
    /// A file with certificates of authorities that certify receivers, besides those that the
    /// machine trusts.
    pub ca_file: Option<PathBuf>,
    /// How long after the end of its job a message is tried again.
    pub retry_time: Duration,
    /// How long one attempt may take.
    pub attempt_time: Duration,
}

impl Default for Settings {
    /// Nobody is told.
    fn default() -> Self {
        Settings {
            allowed: Vec::new(),
            default: None,
            secret_file: None,
            ca_file: None,
            retry_time: Duration::from_hours(24),
            attempt_time: ATTEMPT_TIME_MAX,
        }
    }
}

/// Who may be told, and the jobs that have just ended.
pub struct Webhooks {
    settings: Settings,
    tls: Option<Tls>,
    ended: Mutex<VecDeque<Ended>>,
    arrived: Notify,
}

impl Webhooks {
    /// Webhooks with these settings.
    ///
    /// # Errors
    ///
    /// If the secret or the certificates of authorities cannot be read, or the default is not
    /// allowed.
    pub fn new(settings: Settings) -> anyhow::Result<Webhooks> {
        if let Some(file) = &settings.secret_file {
            Secret::read(file)?;
        }
        let tls = match settings.allowed.is_empty() {
            true => None,
            false => Some(Tls::new(settings.ca_file.as_deref())?),
        };
        let ended = Mutex::default();
        let webhooks = Webhooks { settings, tls, ended, arrived: Notify::new() };
        if let Some(default) = &webhooks.settings.default {
            webhooks.receiver(default)?;
        }
        Ok(webhooks)
    }

    /// Nobody is told.
    #[must_use]
    pub fn none() -> Webhooks {
        let (settings, ended) = (Settings::default(), Mutex::default());
        Webhooks { settings, tls: None, ended, arrived: Notify::new() }
    }

    /// Checks that the webhook of a request, if it names one, is allowed.
    ///
    /// # Errors
    ///
    /// A problem that names the flag.
    pub fn check(&self, request: &JobRequest) -> Result<(), Problem> {
        request.webhook.as_ref().map_or(Ok(()), |webhook| self.receiver(webhook).map(drop))
    }

    /// Whether somebody is to be told that the job of a request has ended.
    #[must_use]
    pub fn are_wanted(&self, request: &JobRequest) -> bool {
        request.webhook.is_some() || self.settings.default.is_some()
    }

    /// Has the courier tell of a job whose end is marked in the store, and on the board.
    pub fn announce(&self, ended: Ended) {
        let mut waiting = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < ENDED_MAX {
            waiting.push_back(ended);
            self.arrived.notify_one();
        }
    }

    /// Waits for a job that has ended.
    async fn next(&self) -> Ended {
        loop {
            let next = self.ended.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            match next {
                Some(ended) => return ended,
                None => self.arrived.notified().await,
            }
        }
    }

    /// The receiver of a webhook.
    fn receiver(&self, webhook: &Webhook) -> Result<Receiver, Problem> {
        Receiver::allowed(&webhook.url, &self.settings.allowed).map_err(|refusal| {
            let origin = webhook.origin();
            let problem = match refusal {
                Refusal::NotAllowed => {
                    let detail = format!("webhooks to {origin} are not allowed");
                    Problem::new(ProblemKind::Forbidden, detail).remedy(
                        "choose a receiver that the operator has allowed, or start the server \
                         with --allow-webhook HOST:PORT",
                    )
                }
                Refusal::NotShown => {
                    let detail = "the URL of the webhook is one whose path is not shown";
                    Problem::new(ProblemKind::InvalidRequest, detail).remedy(
                        "write the whole URL, or run the job again: POST /api/jobs/{id}/rerun",
                    )
                }
            };
            problem.field(WEBHOOK.name)
        })
    }
}
