//! Signals that tell a program to stop.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::telemetry;

/// The exit code of a process that a signal ended, as shells know it: the signal's
/// number on top of this.
const SIGNALLED: i32 = 128;

/// Installs handlers of SIGINT and SIGTERM. The future cancels `stop` on the first
/// signal, and returns once `stop` is cancelled, by a signal or otherwise. A second
/// signal ends the process at once.
///
/// # Errors
///
/// If a handler cannot be installed.
pub fn stop_on_signal(stop: CancellationToken) -> anyhow::Result<impl Future<Output = ()>> {
    let mut signals = Signals::install()?;
    Ok(async move {
        let is_signalled = tokio::select! {
            _ = signals.next() => true,
            () = stop.cancelled() => false,
        };
        stop.cancel();
        tracing::info!("stopping");
        tokio::spawn(end_on_another(signals, is_signalled));
    })
}

/// Ends the process on the second signal.
async fn end_on_another(mut signals: Signals, is_first_over: bool) {
    if !is_first_over {
        signals.next().await;
    }
    let kind = signals.next().await;
    tracing::warn!("ending at once: a second signal came");
    telemetry::flush();
    std::process::exit(SIGNALLED + kind.as_raw_value());
}

/// The signals that tell a program to stop.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn install() -> anyhow::Result<Signals> {
        let interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
        let terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
        Ok(Signals { interrupt, terminate })
    }

    async fn next(&mut self) -> SignalKind {
        tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
        }
    }
}
