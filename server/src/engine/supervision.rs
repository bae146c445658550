//! Notices when a task without which no job goes on has ended by itself.

use protocol::Problem;
use protocol::problem::ProblemKind;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Notices the end of critical tasks. Clones notice the same.
#[derive(Clone)]
pub(super) struct Supervision {
    /// Why a task ended; `None` while all run.
    failed: watch::Sender<Option<String>>,
    /// Cancelled when tasks are to end.
    stop: CancellationToken,
}

impl Supervision {
    pub(super) fn new(stop: CancellationToken) -> Supervision {
        Supervision { failed: watch::channel(None).0, stop }
    }

    /// Waits for the end of a task, which is a failure unless all are to end.
    pub(super) async fn watch(self, name: &'static str, task: JoinHandle<()>) {
        let ended = task.await;
        if self.stop.is_cancelled() {
            return;
        }
        let reason = match ended {
            Ok(()) => format!("{name} has ended by itself"),
            Err(error) => format!("{name} has ended: {error}"),
        };
        tracing::error!(reason, "a critical task ended");
        self.failed.send_if_modified(|failed| {
            let is_first = failed.is_none();
            failed.get_or_insert(reason);
            is_first
        });
    }

    /// Waits until a critical task has ended by itself; for ever if none does.
    pub(super) async fn failed(&self) -> Problem {
        let mut failed = self.failed.subscribe();
        let reason = failed.wait_for(Option::is_some).await.map(|reason| reason.clone());
        let Some(reason) = reason.ok().flatten() else {
            // The sender is in `self`.
            return std::future::pending().await;
        };
        Problem::new(ProblemKind::Internal, reason)
            .remedy("start the server again: jobs continue; then report this with the log")
    }
}
