//! The thread on which an attempt does its long computations.

use tokio::task::{spawn_blocking, yield_now};

use protocol::task::Failure;

use crate::failure;

/// The thread that an attempt runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thread {
    /// A thread of its own, which may compute for long and wait for files.
    Own,
    /// A thread that other tasks use too.
    Shared,
}

impl Thread {
    /// Runs a long computation: on this thread, if it is the attempt's own.
    pub(crate) async fn run<T: Send + 'static>(
        self,
        what: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        match self {
            Thread::Own => {
                // Lets the attempt be cancelled here.
                yield_now().await;
                Ok(work())
            }
            Thread::Shared => {
                spawn_blocking(work).await.map_err(|stopped| failure::internal(what, &stopped))
            }
        }
    }
}
