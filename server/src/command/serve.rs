//! `distributed-average serve`

use std::sync::Arc;

use anyhow::Context;
use platform::ObjectStore;
use program::signals::stop_on_signal;
use program::telemetry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::arguments::ServeArguments;
use crate::engine::Engine;
use crate::store_lease::StoreLease;
use crate::{http, parts};

/// Serves until the process is told to stop.
pub async fn run(arguments: ServeArguments) -> anyhow::Result<()> {
    telemetry::log_from("info");
    let stop = CancellationToken::new();
    // Before anything else: opening the store and the queue may take long.
    tokio::spawn(stop_on_signal(stop.clone())?);
    let acquiring = Box::pin(async {
        let store = arguments.store.open().await?;
        anyhow::Ok((StoreLease::acquire(&arguments.store, store.clone()).await?, store))
    });
    let Some(acquired) = stop.run_until_cancelled(acquiring).await else {
        return Ok(());
    };
    let (mut lease, store) = acquired?;
    let served = Box::pin(serve(&arguments, store, &mut lease, stop)).await;
    lease.release().await;
    served
}

/// Serves the store while the lease on it is held.
async fn serve(
    arguments: &ServeArguments,
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
    let listener = TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("listening on {}", arguments.listen))?;
    let site = parts::site(arguments);
    if site.is_none() {
        tracing::warn!("browser bundle not found: pages will not be live; run `make bundle`");
    }
    let address = listener.local_addr().context("reading the listening address")?;
    // On standard output: scripts that start the server wait for this line.
    println!("listening on http://{address}");
    let served = tokio::select! {
        served = http::serve(listener, engine.clone(), site, stop) => served.context("serving"),
        lost = lease.lost() => Err(lost),
    };
    engine.stop().await;
    served
}
