//! Signals that tell a program to stop.

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Installs handlers of SIGINT and SIGTERM. The future cancels `stop` on the first
/// signal, and returns once `stop` is cancelled, by a signal or otherwise.
///
/// # Errors
///
/// If a handler cannot be installed.
pub fn stop_on_signal(stop: CancellationToken) -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = stop.cancelled() => {}
        }
        tracing::info!("stopping");
        stop.cancel();
    })
}
