//! A server that leads or stands by, and changes between the two.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use platform::ObjectStore;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::access::Access;
use crate::access::tokens::Tokens;
use crate::arguments::ServeArguments;
use crate::command::default_workers;
use crate::engine::Engine;
use crate::http::{self, Leading};
use crate::metrics::Metrics;
use crate::parts;
use crate::store_lease::{Candidate, Fencing, Leader, Look, POLL_INTERVAL, Reached, StoreLease};

/// How long clients and workers may take once the server stops. With the release of
/// the store lease it ends within ten seconds, as orchestrators expect.
const DRAIN_TIME_MAX: Duration = Duration::from_millis(7_500);
/// The pause before a server that could not lead tries to again: another may be able to.
const LEAD_AGAIN: Duration = Duration::from_secs(1);
/// How long the store may take to tell what recognizes callers.
const SHOW_TIME_MAX: Duration = Duration::from_secs(2);
/// How often it is looked whether this server has got a new certificate.
const CERTIFICATE_INTERVAL: Duration = Duration::from_secs(2);

/// A server of a store.
pub(super) struct Server {
    pub(super) arguments: ServeArguments,
    pub(super) http: http::Settings,
    pub(super) tokens: Option<Arc<Tokens>>,
    pub(super) store: Arc<dyn ObjectStore>,
    /// How other servers reach this one.
    pub(super) url: String,
    /// What is printed once the server answers requests; `None` once it was.
    pub(super) announcement: Option<String>,
    /// What answers requests at each moment.
    pub(super) apps: watch::Sender<Router>,
    pub(super) serving: JoinHandle<()>,
    /// What is counted while this server stands by.
    pub(super) metrics: Metrics,
    pub(super) stop: CancellationToken,
}

/// How a time as the leader has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// The process is told to stop.
    Stopped,
    /// Another server leads, or this one could not.
    StandsBy,
}

impl Server {
    /// Stands by and leads until the process is told to stop.
    ///
    /// # Errors
    ///
    /// If the server cannot begin, or must be started again.
    pub(super) async fn run(mut self) -> anyhow::Result<()> {
        let mut candidate = Candidate::new(self.store.clone());
        let stop = self.stop.clone();
        loop {
            let standing_by = Box::pin(self.stand_by(&mut candidate));
            let Some(acquired) = stop.run_until_cancelled(standing_by).await else {
                return self.serving.await.context("serving");
            };
            let mut lease = acquired?;
            let ended = Box::pin(self.lead(&mut lease)).await;
            lease.release().await;
            if ended? == Ended::Stopped {
                return Ok(());
            }
        }
    }

    /// Passes requests on to the server that leads, until the lease is this one's.
    async fn stand_by(&mut self, candidate: &mut Candidate) -> anyhow::Result<StoreLease> {
        let mut known: Option<Option<Leader>> = None;
        let mut term = CancellationToken::new();
        let mut was_troubled = false;
        loop {
            let mut trouble = None;
            match candidate.look().await {
                Ok(Look::Acquired(lease)) => {
                    if self.has_begun() {
                        self.show_nobody().await;
                    }
                    term.cancel();
                    return Ok(lease);
                }
                Ok(Look::Held(leader)) if known.as_ref() != Some(&leader) => {
                    let next = CancellationToken::new();
                    match self.show(leader.clone(), &next).await {
                        Ok(()) => {
                            std::mem::replace(&mut term, next).cancel();
                            let url = leader.as_ref().map(|leader| &*leader.reached.url);
                            tracing::info!(leader = url, "standing by");
                            known = Some(leader);
                            self.announce();
                        }
                        Err(error) => trouble = Some(error),
                    }
                }
                Ok(Look::Held(_)) => {}
                Err(error) => trouble = Some(error),
            }
            match trouble {
                Some(error) if !self.has_begun() => return Err(error),
                Some(error) if !was_troubled => {
                    let error = format!("{error:#}");
                    tracing::warn!(error, "standing by: the store does not answer");
                    was_troubled = true;
                }
                Some(_) => {}
                None => was_troubled = false,
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    /// Answers that nobody leads: for the moment that a change takes.
    async fn show_nobody(&self) {
        let ended = CancellationToken::new();
        let shown = timeout(SHOW_TIME_MAX, self.show(None, &ended)).await;
        if !matches!(shown, Ok(Ok(()))) {
            self.answer_by(http::starting());
        }
    }

    /// Answers as one that stands by for `leader`; what is under way is cut off once `ended`
    /// is cancelled.
    async fn show(&self, leader: Option<Leader>, ended: &CancellationToken) -> anyhow::Result<()> {
        let proxies = self.arguments.access.proxies();
        let (store, tokens) = (self.store.clone(), self.tokens.clone());
        let access = Access::standing_by(store, tokens, proxies).await?;
        self.answer_by(http::standing_by(
            leader,
            access,
            &self.http,
            self.metrics.clone(),
            ended.clone(),
            self.stop.clone(),
        ));
        Ok(())
    }

    /// Has these routes answer all requests from now on.
    fn answer_by(&self, app: Router) {
        drop(self.apps.send_replace(app));
    }

    /// Leads until the process is told to stop, or the lease is lost.
    async fn lead(&mut self, lease: &mut StoreLease) -> anyhow::Result<Ended> {
        let fencing = lease.fencing();
        let started = tokio::select! {
            () = self.stop.cancelled() => return Ok(Ended::Stopped),
            lost = lease.lost() => Err(lost),
            started = Box::pin(self.start(fencing)) => started,
        };
        let (engine, access) = match started {
            Ok(started) => started,
            Err(error) if !self.has_begun() => return Err(error),
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "this server cannot lead");
                self.stop.run_until_cancelled(sleep(LEAD_AGAIN)).await;
                return Ok(Ended::StandsBy);
            }
        };
        let term = self.stop.child_token();
        let leading = Leading { key: lease.key(), epoch: lease.epoch() };
        let app = http::leading(engine.clone(), access, &self.http, Some(leading), term.clone());
        self.answer_by(app);
        lease.announce(self.reached());
        self.announce();
        tracing::info!(epoch = lease.epoch(), url = self.url, "this server leads");
        let mut certificate = interval(CERTIFICATE_INTERVAL);
        let ended = loop {
            tokio::select! {
                () = self.stop.cancelled() => break Ok(Ended::Stopped),
                lost = lease.lost() => {
                    tracing::error!(error = format!("{lost:#}"), "this server leads no longer");
                    break Ok(Ended::StandsBy);
                }
                failed = engine.failed() => break Err(failed.into()),
                // Unless it was told to stop it ends only by a panic.
                served = &mut self.serving => {
                    break served.context("serving").map(|()| Ended::Stopped);
                }
                _ = certificate.tick() => lease.announce(self.reached()),
            }
        };
        let stands_by = matches!(ended, Ok(Ended::StandsBy));
        if stands_by {
            self.show_nobody().await;
        } else {
            self.stop.cancel();
        }
        term.cancel();
        let served = self.end(&engine, stands_by).await;
        ended.and_then(|ended| served.map(|()| ended))
    }

    /// Ends an engine, and the HTTP server with it unless that stands by from now on.
    async fn end(&mut self, engine: &Engine, stands_by: bool) -> anyhow::Result<()> {
        let serving = &mut self.serving;
        let ending = async {
            // At the same time: requests under way may need the engine, and last.
            let served = async {
                match stands_by || serving.is_finished() {
                    true => Ok(()),
                    false => serving.await.context("serving"),
                }
            };
            let (served, ()) = tokio::join!(served, engine.drain());
            engine.stop().await;
            served
        };
        timeout(DRAIN_TIME_MAX, ending).await.unwrap_or_else(|_| {
            tracing::warn!(
                "workers did not hand back their tasks in time: they are run again later"
            );
            Ok(())
        })
    }

    /// Restores the jobs of the store, and goes on with them.
    async fn start(&self, fencing: Fencing) -> anyhow::Result<(Arc<Engine>, Access)> {
        let arguments = &self.arguments;
        let workers = arguments.workers.unwrap_or_else(default_workers);
        let settings = parts::settings(arguments, workers);
        let job_workers = arguments.job_workers.unwrap_or(workers).max(1);
        let store = fencing.store(self.store.clone());
        let mut parts = parts::for_serving(arguments, store, self.http.traces.clone()).await?;
        parts.queue = fencing.queue(parts.queue);
        parts.fencing = fencing;
        let engine = Arc::new(Engine::start(parts, settings, job_workers).await?);
        let (shares, proxies) = (engine.shares().clone(), arguments.access.proxies());
        let tokens = self.tokens.clone();
        let access = Access::open(&**engine.store(), shares, tokens, proxies).await?;
        Ok((engine, access))
    }

    /// How other servers reach this one at the moment.
    fn reached(&self) -> Reached {
        let certificate = self.http.certificate.as_ref();
        let certificate = certificate.and_then(http::tls::Certificate::fingerprint);
        Reached { url: self.url.clone(), certificate }
    }

    /// Whether the server has answered requests before.
    fn has_begun(&self) -> bool {
        self.announcement.is_none()
    }

    /// Says that the server answers requests from now on.
    fn announce(&mut self) {
        if let Some(line) = self.announcement.take() {
            // On standard output: scripts that start the server wait for this line.
            println!("{line}");
        }
    }
}
