//! `distributed-average serve`

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use platform::ObjectStore;
use program::signals::stop_on_signal;
use program::{open_files, telemetry};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::access::Access;
use crate::access::tokens::Tokens;
use crate::arguments::ServeArguments;
use crate::engine::Engine;
use crate::store_lease::StoreLease;
use crate::{http, parts};

/// How long clients and workers may take once the server stops. With the release of
/// the store lease it ends within ten seconds, as orchestrators expect.
const DRAIN_TIME_MAX: Duration = Duration::from_millis(7_500);

/// Serves until the process is told to stop. A second signal ends it at once.
pub async fn run(arguments: ServeArguments) -> anyhow::Result<()> {
    telemetry::log_from("info", arguments.shared.log_format);
    let stop = CancellationToken::new();
    let site = parts::site(&arguments);
    if site.is_none() {
        tracing::warn!("browser bundle not found: pages will not be live; run `make bundle`");
    }
    let tokens = arguments.access.tokens(arguments.listen)?;
    let http = arguments.http.settings(site, open_files::raise_limit())?;
    // Before what may take long: opening the store and the queue.
    tokio::spawn(stop_on_signal(stop.clone())?);
    let acquiring = Box::pin(async {
        let store = arguments.store.open().await?;
        let lease = StoreLease::acquire(&arguments.store, store.clone()).await?;
        let store = lease.fenced(store);
        anyhow::Ok((lease, store))
    });
    let Some(acquired) = stop.run_until_cancelled(acquiring).await else {
        return Ok(());
    };
    let (mut lease, store) = acquired?;
    let served = Box::pin(serve(&arguments, http, tokens, store, &mut lease, stop)).await;
    lease.release().await;
    served
}

/// Serves the store while the lease on it is held.
async fn serve(
    arguments: &ServeArguments,
    http: http::Settings,
    tokens: Option<Tokens>,
    store: Arc<dyn ObjectStore>,
    lease: &mut StoreLease,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let workers = arguments.workers.unwrap_or_else(super::default_workers);
    let settings = parts::settings(arguments, workers);
    let job_workers = arguments.job_workers.unwrap_or(workers).max(1);
    let starting = Box::pin(async {
        let parts = parts::for_serving(arguments, store).await?;
        anyhow::Ok(Engine::start(parts, settings, job_workers).await?)
    });
    let Some(started) = stop.run_until_cancelled(starting).await else {
        return Ok(());
    };
    let engine = Arc::new(started?);
    let proxies = arguments.access.proxies();
    let shares = engine.shares().clone();
    let access = Access::open(&**engine.store(), shares, tokens, proxies).await?;
    let listener = TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("listening on {}", arguments.listen))?;
    let address = listener.local_addr().context("reading the listening address")?;
    let scheme = if http.certificate.is_some() { "https" } else { "http" };
    // On standard output: scripts that start the server wait for this line.
    println!("listening on {scheme}://{address}");
    let mut serving =
        tokio::spawn(http::serve(listener, engine.clone(), access, http, stop.clone()));
    let outcome = tokio::select! {
        () = stop.cancelled() => Ok(()),
        lost = lease.lost() => Err(lost),
        failed = engine.failed() => Err(failed.into()),
        // Unless it was told to stop it ends only by a panic.
        served = &mut serving => served.context("serving"),
    };
    stop.cancel();
    let ending = async {
        // At the same time: requests under way may need the engine, and last.
        let served =
            async { if serving.is_finished() { Ok(()) } else { serving.await.context("serving") } };
        let (served, ()) = tokio::join!(served, engine.drain());
        engine.stop().await;
        served
    };
    let ended = timeout(DRAIN_TIME_MAX, ending).await.unwrap_or_else(|_| {
        tracing::warn!("workers did not hand back their tasks in time: they are run again later");
        Ok(())
    });
    outcome.and(ended)
}
