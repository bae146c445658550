//! `distributed-average serve`

mod address;
mod role;

use std::time::Duration;

use anyhow::{Context, ensure};
use program::signals::stop_on_signal;
use program::{open_files, telemetry};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use traces::Traces;

use self::role::Server;
use crate::arguments::ServeArguments;
use crate::metrics::Metrics;
use crate::{http, parts};

/// How long the last spans may take to be sent, once everything else has ended.
const SPANS_TIME_MAX: Duration = Duration::from_secs(1);

/// Serves until the process is told to stop. A second signal ends it at once.
///
/// Of several servers on one store one leads, and the others stand by.
pub async fn run(arguments: ServeArguments) -> anyhow::Result<()> {
    telemetry::log_from("info", arguments.shared.log_format);
    let stop = CancellationToken::new();
    let site = parts::site(&arguments);
    if site.is_none() {
        tracing::warn!("browser bundle not found: pages will not be live; run `make bundle`");
    }
    let tokens = arguments.access.tokens(arguments.listen)?;
    let traces = Traces::from_environment("distributed-average");
    let http = arguments.http.settings(site, open_files::raise_limit())?;
    let http = http::Settings { traces: traces.clone(), ..http };
    let scheme = if http.certificate.is_some() { "https" } else { "http" };
    if let Some(url) = &arguments.advertise {
        ensure!(
            url.starts_with(&format!("{scheme}://")),
            "--advertise {url} does not begin with {scheme}://, which is what this server speaks: \
             other servers reach it without a proxy between"
        );
    }
    // Before what may take long: opening the store and the queue.
    tokio::spawn(stop_on_signal(stop.clone())?);
    // Before the store lease: it tells others at which address to reach this server.
    let listener = TcpListener::bind(arguments.listen).await.with_context(|| {
        format!(
            "listening on {}: choose another address with --listen, if another program uses it",
            arguments.listen
        )
    })?;
    let listening = listener.local_addr().context("reading the listening address")?;
    let url = arguments.advertise.clone();
    let url = url.unwrap_or_else(|| format!("{scheme}://{}", address::for_others(listening)));
    let Some(store) = stop.run_until_cancelled(Box::pin(arguments.store.open())).await else {
        return Ok(());
    };
    let (apps, shown) = watch::channel(http::starting());
    let serving = tokio::spawn(http::serve_as(listener, shown, http.clone(), stop.clone()));
    let server = Server {
        arguments,
        http,
        tokens,
        store: store?,
        url,
        announcement: Some(format!("listening on {scheme}://{listening}")),
        apps,
        serving,
        metrics: Metrics::new(),
        stop,
    };
    let ended = Box::pin(server.run()).await;
    // An error would say that it has panicked; spans are not worth another end.
    let _ = spawn_blocking(move || traces.finish(SPANS_TIME_MAX)).await;
    ended
}
