//! Holds a job while a store does not answer the server, and shows why.

use std::time::Duration;

use platform::retry::UNTIL_DONE_PAUSE;
use protocol::{JobId, Problem};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::super::DriverMessage;
use super::send;

/// A job that is held, or may be.
pub(super) struct Holding<'a> {
    job: JobId,
    messages: &'a mpsc::Sender<DriverMessage>,
    reason: Option<String>,
}

impl Holding<'_> {
    /// A job that is not held.
    pub(super) fn new(job: JobId, messages: &mpsc::Sender<DriverMessage>) -> Holding<'_> {
        Holding { job, messages, reason: None }
    }

    /// Shows why the job is held, and pauses until the next try.
    pub(super) async fn hold(&mut self, problem: &Problem) {
        let reason = Some(problem.detail.clone());
        if self.reason != reason {
            tracing::warn!(job_id = %self.job, %problem, "job held");
            self.reason.clone_from(&reason);
            send(self.messages, DriverMessage::Held { job: self.job, reason }).await;
        }
        sleep(jittered(UNTIL_DONE_PAUSE)).await;
    }

    /// Shows that the job is held no more, if it was.
    pub(super) async fn end(self) {
        if self.reason.is_some() {
            send(self.messages, DriverMessage::Held { job: self.job, reason: None }).await;
        }
    }
}

/// A pause made longer by up to a half at random, so that jobs do not retry together.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(1.0 + rand::random::<f64>() / 2.0)
}
