//! The reports of a worker that are not sent yet.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::task::{Report, ReportBody};
use tokio::sync::Notify;
use tokio::time::timeout;

/// How long the start of an attempt waits for its end, so that one message tells both.
const STARTED_GRACE: Duration = Duration::from_millis(5);

/// Reports that wait to be sent. While one message of them is being sent, the next one
/// gathers. What is added together is sent together.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    reports: Vec<Report>,
    is_closed: bool,
}

impl Waiting {
    /// Whether the only news is that an attempt has started.
    fn is_only_a_start(&self) -> bool {
        let only =
            matches!(self.reports.as_slice(), [Report { body: ReportBody::Started { .. }, .. }]);
        only && !self.is_closed
    }
}

impl Outbox {
    /// Adds reports that are sent in one message.
    pub(crate) fn add(&self, reports: impl IntoIterator<Item = Report>) {
        self.waiting().reports.extend(reports);
        self.changed.notify_one();
    }

    /// Adds a heartbeat. It takes the place of an earlier one that waits, so that they do not
    /// pile up while the queue does not answer.
    pub(crate) fn add_heartbeat(&self, heartbeat: Report) {
        let mut waiting = self.waiting();
        match waiting.reports.last_mut() {
            Some(last @ Report { body: ReportBody::Progressed { .. }, .. }) => *last = heartbeat,
            _ => waiting.reports.push(heartbeat),
        }
        drop(waiting);
        self.changed.notify_one();
    }

    /// Nothing more will be added.
    pub(crate) fn close(&self) {
        self.waiting().is_closed = true;
        self.changed.notify_one();
    }

    /// Waits for the reports of the next message; `None` once all are taken and the outbox is
    /// closed. Only one may wait at a time.
    pub(crate) async fn next(&self) -> Option<Vec<Report>> {
        self.until(|waiting| !waiting.reports.is_empty() || waiting.is_closed).await;
        if self.waiting().is_only_a_start() {
            // An error says that nothing else has happened.
            let _ = timeout(STARTED_GRACE, self.until(|it| !it.is_only_a_start())).await;
        }
        let reports = std::mem::take(&mut self.waiting().reports);
        (!reports.is_empty()).then_some(reports)
    }

    async fn until(&self, is_it: impl Fn(&Waiting) -> bool) {
        while !is_it(&self.waiting()) {
            // One notification is kept for who comes later.
            self.changed.notified().await;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // No holder of the lock can panic in the middle of a change.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use protocol::task::Progress;
    use protocol::{AttemptId, JobId, TaskId, Timestamp};
    use tokio::time::Instant;

    use super::*;

    fn report(body: ReportBody) -> Report {
        let at = Timestamp::from_millis(1);
        Report { version: protocol::VERSION, worker: "a".into(), at, body }
    }

    fn attempt() -> AttemptId {
        let job = JobId::from_parts(Timestamp::default(), 1);
        AttemptId { job, task: TaskId { level: 0, node: 0, range: 0 }, number: 1 }
    }

    fn started() -> Report {
        report(ReportBody::Started { attempt: attempt() })
    }

    fn heartbeat(fraction: f64) -> Report {
        let progress = Progress { fraction, ..Progress::default() };
        report(ReportBody::Progressed { attempt: attempt(), progress })
    }

    #[tokio::test]
    async fn a_start_waits_for_the_end_but_not_for_long() {
        let outbox = Outbox::default();
        outbox.add([started()]);
        let begun = Instant::now();
        assert_eq!(outbox.next().await, Some(vec![started()]));
        assert!(begun.elapsed() >= STARTED_GRACE);
        outbox.add([started()]);
        let end = report(ReportBody::Alive { resident_bytes: 1 });
        let adding = async {
            tokio::task::yield_now().await;
            outbox.add([end.clone()]);
        };
        let (sent, ()) = futures::join!(outbox.next(), adding);
        assert_eq!(sent, Some(vec![started(), end]));
    }

    #[tokio::test]
    async fn a_heartbeat_replaces_one_that_waits_and_nothing_else() {
        let outbox = Outbox::default();
        outbox.add([started()]);
        outbox.add_heartbeat(heartbeat(0.1));
        outbox.add_heartbeat(heartbeat(0.2));
        outbox.close();
        assert_eq!(outbox.next().await, Some(vec![started(), heartbeat(0.2)]));
        assert_eq!(outbox.next().await, None);
    }

    #[tokio::test]
    async fn nothing_is_sent_before_there_is_something() {
        let outbox = Outbox::default();
        assert!(outbox.next().now_or_never().is_none());
    }
}
