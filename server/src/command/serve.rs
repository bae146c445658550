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
use crate::hold::Hold;
use crate::{http, parts};

/// Serves until the process is told to stop.
pub async fn run(arguments: ServeArguments) -> anyhow::Result<()> {
    telemetry::log_from("info");
    let stop = CancellationToken::new();
    // First of all: it may take long until store and queue are there.
    tokio::spawn(stop_on_signal(stop.clone())?);
    let taking = Box::pin(async {
        let store = arguments.store.open().await?;
        anyhow::Ok((Hold::take(&arguments.store, store.clone()).await?, store))
    });
    let Some(taken) = stop.run_until_cancelled(taking).await else {
        return Ok(());
    };
    let (mut hold, store) = taken?;
    let served = Box::pin(serve(&arguments, store, &mut hold, stop)).await;
    hold.release().await;
    served
}

/// Serves a store that nobody else does.
async fn serve(
    arguments: &ServeArguments,
    store: Arc<dyn ObjectStore>,
    hold: &mut Hold,
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
        tracing::warn!("no browser files found: pages will not be live; run `make bundle`");
    }
    let address = listener.local_addr().context("finding out the address")?;
    // On standard output, for people and for whoever has started the program.
    println!("listening on http://{address}");
    let served = tokio::select! {
        served = http::serve(listener, engine.clone(), site, stop) => served.context("serving"),
        taken = hold.lost() => Err(taken),
    };
    engine.stop().await;
    served
}
