//! Delivers the messages of jobs that have ended.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use backon::BackoffBuilder;
use bytes::Bytes;
use futures::TryStreamExt;
use platform::ObjectStore;
use platform::problems::internal;
use platform::retry::{UNTIL_DONE_PAUSE, WEBHOOK as RETRIES};
use program::clock;
use protocol::delivery::{DeliveryState, WebhookDelivery, message_id};
use protocol::problem::ProblemKind;
use protocol::request::Webhook;
use protocol::webhook::WebhookMessage;
use protocol::{JobSnapshot, Problem};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::client::{Undelivered, post};
use super::signature::{Secret, seconds};
use super::{Ended, Webhooks};
use crate::board::Board;
use crate::journal;
use crate::metrics::WebhookMetrics;
use crate::records::{self, webhook as marks};

/// How many messages are sent at the same time.
const ATTEMPTS_AT_ONCE: usize = 16;
/// How many messages wait in memory for their next attempt; more are found by their marks.
const WAITING_MAX: usize = 1000;
/// The interval at which marks are looked for: of what was not announced, or had no room.
const MARKS_INTERVAL: Duration = Duration::from_mins(1);

/// The name of the header with the id of a message.
const ID: HeaderName = HeaderName::from_static("webhook-id");
/// The name of the header with the time of an attempt.
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
/// The name of the header with the signature.
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Delivers messages until it is dropped.
#[derive(Clone)]
pub struct Courier {
    /// Who may be told.
    pub webhooks: Arc<Webhooks>,
    /// The program's own store.
    pub store: Arc<dyn ObjectStore>,
    /// Where the delivery is shown.
    pub board: Board,
    /// Counts attempts.
    pub metrics: WebhookMetrics,
}

/// Whether there is anything more to do for a message.
enum Outcome {
    Over,
    TryAgain,
}

impl Courier {
    /// Delivers the messages of jobs that have ended before, and of those that end.
    pub async fn run(self) {
        let sending = Arc::new(Semaphore::new(ATTEMPTS_AT_ONCE));
        let mut waiting = BTreeSet::new();
        let mut tasks = JoinSet::new();
        let mut look_at = Instant::now();
        loop {
            let found = tokio::select! {
                ended = self.webhooks.next() => vec![ended],
                () = sleep_until(look_at) => {
                    look_at = Instant::now() + MARKS_INTERVAL;
                    self.marked().await
                }
                Some(done) = tasks.join_next() => {
                    // A panic leaves the mark; it would repeat if the message were retried.
                    if let Ok(ended) = done {
                        waiting.remove(&ended);
                    }
                    self.metrics.wait(waiting.len());
                    continue;
                }
            };
            for ended in found {
                if waiting.len() < WAITING_MAX && waiting.insert(ended) {
                    let (courier, sending) = (self.clone(), sending.clone());
                    tasks.spawn(async move {
                        courier.deliver(ended, &sending).await;
                        ended
                    });
                }
            }
            self.metrics.wait(waiting.len());
        }
    }

    /// The jobs of which the store says that somebody is to be told, at most as many as there
    /// may ever be room for.
    async fn marked(&self) -> Vec<Ended> {
        let mut found = Vec::new();
        let mut listed = marks::marked(&*self.store);
        loop {
            match listed.try_next().await {
                Ok(Some((job, at))) => found.push(Ended { job, at }),
                Ok(None) => return found,
                Err(problem) => {
                    tracing::warn!(%problem, "webhooks not listed");
                    return found;
                }
            }
            if found.len() >= WAITING_MAX {
                return found;
            }
        }
    }

    /// Delivers a message, or gives it up.
    async fn deliver(&self, ended: Ended, sending: &Semaphore) {
        let mut pauses = RETRIES.build();
        loop {
            let outcome = {
                // An error would say that the semaphore was closed; it never is.
                let _permit = sending.acquire().await;
                self.attempt(ended).await
            };
            match outcome {
                Ok(Outcome::Over) => return,
                Ok(Outcome::TryAgain) => {}
                Err(problem) => {
                    tracing::warn!(job_id = %ended.job, %problem, "webhook not sent yet");
                }
            }
            sleep(pauses.next().unwrap_or(UNTIL_DONE_PAUSE)).await;
        }
    }

    /// Makes one attempt.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    async fn attempt(&self, ended: Ended) -> Result<Outcome, Problem> {
        let (store, job) = (&*self.store, ended.job);
        // It was resumed, or its report is about to be shown: its end is announced.
        if self.board.job(job).is_some_and(|job| !job.phase.is_over()) {
            return Ok(Outcome::Over);
        }
        let Some(report) = records::report(store, job).await? else {
            if !records::exists_request(store, job).await? {
                marks::unmark(store, job, ended.at).await?;
            }
            return Ok(Outcome::Over);
        };
        let id = message_id(job, ended.at);
        let earlier = marks::delivery(store, job).await?.filter(|delivery| delivery.id == id);
        let mut delivery = earlier.unwrap_or_else(|| WebhookDelivery::pending(job, ended.at));
        let is_stale = report.timings.ended_at != Some(ended.at);
        if is_stale || delivery.state != DeliveryState::Pending {
            marks::unmark(store, job, ended.at).await?;
            return Ok(Outcome::Over);
        }
        match self.send(&report, &id).await? {
            Ok(()) => {
                delivery.state = DeliveryState::Delivered;
                delivery.delivered_at = Some(clock::now());
            }
            Err(Undelivered { reason, is_final }) => {
                let retry_ms = self.webhooks.settings.retry_time.as_millis();
                let is_late = u128::from(clock::now().millis_since(ended.at)) >= retry_ms;
                if is_final || is_late {
                    delivery.state = DeliveryState::Abandoned;
                }
                delivery.last_error = Some(reason);
            }
        }
        delivery.attempts = delivery.attempts.saturating_add(1);
        journal::told(job, &delivery);
        self.metrics.tried(delivery.state);
        self.show(ended, &delivery);
        self.settle(ended, &delivery).await;
        match delivery.state {
            DeliveryState::Pending => Ok(Outcome::TryAgain),
            DeliveryState::Delivered | DeliveryState::Abandoned => Ok(Outcome::Over),
        }
    }

    /// Sends the message of a report.
    async fn send(
        &self,
        report: &JobSnapshot,
        id: &str,
    ) -> Result<Result<(), Undelivered>, Problem> {
        let given_up = |reason: String| Ok(Err(Undelivered { reason, is_final: true }));
        let settings = &self.webhooks.settings;
        let webhook = match &report.request.webhook {
            None => settings.default.clone(),
            Some(_) => self.requested(report).await?,
        };
        let Some(webhook) = webhook else {
            return given_up("the server does not have the webhook any more".to_owned());
        };
        let receiver = match self.webhooks.receiver(&webhook) {
            Ok(receiver) => receiver,
            Err(problem) => return given_up(problem.to_string()),
        };
        let (Some(secret), Some(tls)) = (settings.secret_file.clone(), &self.webhooks.tls) else {
            return given_up("the server has no --webhook-secret-file".to_owned());
        };
        let secret = spawn_blocking(move || Secret::read(&secret)).await;
        let secret = match secret.map_err(|error| internal("reading the secret", &error))? {
            Ok(secret) => secret,
            // It is being replaced, maybe.
            Err(error) => {
                let reason = format!("{error:#}");
                return Ok(Err(Undelivered { reason, is_final: false }));
            }
        };
        let body = serde_json::to_vec(&WebhookMessage::of(report));
        let body = body.map_err(|error| internal("writing a message", &error))?;
        let headers = headers(id, &secret, &body)?;
        let sent = post(&receiver, &settings.allowed, tls, headers, Bytes::from(body));
        let late = || {
            let reason = format!("the receiver did not answer within {:?}", settings.attempt_time);
            Err(Undelivered { reason, is_final: false })
        };
        Ok(timeout(settings.attempt_time, sent).await.unwrap_or_else(|_| late()))
    }

    /// The webhook that the request names: the report has it without its path.
    async fn requested(&self, report: &JobSnapshot) -> Result<Option<Webhook>, Problem> {
        match records::request(&*self.store, report.id).await {
            Ok(record) => Ok(record.request.webhook.clone()),
            Err(problem) if problem.kind == ProblemKind::Unavailable => Err(problem),
            Err(_) => Ok(None),
        }
    }

    /// Shows the delivery on the board.
    fn show(&self, ended: Ended, delivery: &WebhookDelivery) {
        self.board.amend(ended.job, |job| {
            if job.timings.ended_at == Some(ended.at) {
                job.webhook = Some(delivery.clone());
            }
        });
    }

    /// Stores the delivery, until the store takes it: otherwise a message that was delivered
    /// would be sent again. The mark goes last.
    async fn settle(&self, ended: Ended, delivery: &WebhookDelivery) {
        let store = &*self.store;
        loop {
            let stored = async {
                marks::store_delivery(store, ended.job, delivery).await?;
                if delivery.state != DeliveryState::Pending {
                    marks::unmark(store, ended.job, ended.at).await?;
                }
                Ok::<(), Problem>(())
            };
            match stored.await {
                Ok(()) => return,
                Err(problem) => {
                    tracing::warn!(job_id = %ended.job, %problem, "webhook not recorded yet");
                }
            }
            sleep(UNTIL_DONE_PAUSE).await;
        }
    }
}

/// The headers of a message.
fn headers(id: &str, secret: &Secret, body: &[u8]) -> Result<HeaderMap, Problem> {
    let now = clock::now();
    let text = |text: String| {
        HeaderValue::try_from(text).map_err(|error| internal("writing a message", &error))
    };
    Ok(HeaderMap::from_iter([
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::USER_AGENT, HeaderValue::from_static("distributed-average")),
        (ID, text(id.to_owned())?),
        (TIMESTAMP, HeaderValue::from(seconds(now))),
        (SIGNATURE, text(secret.sign(id, now, body))?),
    ]))
}
