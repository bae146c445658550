//! Where an attempt does what takes long.

use tokio::task::{spawn_blocking, yield_now};

use protocol::task::Failure;

use crate::failure;

/// The thread that an attempt runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thread {
    /// One of its own: it may be kept busy, and wait for files.
    Own,
    /// One that others need too.
    Shared,
}

impl Thread {
    /// Does what takes long: here, if nobody else needs this thread.
    pub(crate) async fn run<T: Send + 'static>(
        self,
        what: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        match self {
            Thread::Own => {
                // The attempt may have been told to stop.
                yield_now().await;
                Ok(work())
            }
            Thread::Shared => {
                spawn_blocking(work).await.map_err(|stopped| failure::internal(what, &stopped))
            }
        }
    }
}
