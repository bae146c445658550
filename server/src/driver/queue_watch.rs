//! Watches whether the queue answers and passes messages, replaces it if it does not, and
//! tells the driver.

use std::sync::Arc;
use std::time::Duration;

use platform::problems::with_sources;
use platform::queue::{Depths, Probed};
use platform::{Description, QueueError, ServerEnd};
use protocol::task::Control;
use protocol::worker::QueueSnapshot;
use scheduler::Event;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::DriverMessage;

/// The interval between two looks while the queue is well …
const INTERVAL: Duration = Duration::from_secs(2);
/// … and while it is not, so that jobs continue soon after it is.
const INTERVAL_AWAY: Duration = Duration::from_millis(500);
/// The time without an answer after which the queue is shown as silent.
const SILENT_AFTER: Duration = Duration::from_secs(5);
/// How long a server that starts waits for the queue to be emptied.
const EMPTIED_WITHIN: Duration = Duration::from_secs(2);
/// The time for which a queue must pass no messages before it is replaced: a broker that
/// has just started needs some seconds to elect the leaders of its queues.
const STUCK_AFTER: Duration = Duration::from_secs(8);
/// The pause after a replacement that has not helped. It doubles with each further one, so
/// that a broker on which replacing does not help is not filled with queues.
const RENEWAL_PAUSE: Duration = Duration::from_secs(30);
/// The longest pause, after which replacements are no longer counted.
const RENEWAL_PAUSE_MAX: Duration = Duration::from_hours(1);

/// Looks at the queue at intervals and forwards changes, until the driver has ended. Once it
/// answers for the first time, workers are asked to report; one that was not [emptied](empty)
/// is emptied before that.
pub async fn forward(
    queue: Arc<dyn ServerEnd>,
    mut is_emptied: bool,
    management_url: Option<String>,
    messages: mpsc::Sender<DriverMessage>,
) {
    let mut last = None;
    let mut losses = 0;
    let mut is_begun = false;
    let mut renewals = Renewals::default();
    let Description { name, location } = queue.description();
    let mut seen = QueueSnapshot { name, location, management_url, ..QueueSnapshot::default() };
    if !is_emptied {
        let missed = Some("no answer since the server has started".to_owned());
        let queue = QueueSnapshot { silent: true, ..seen.clone() };
        if messages.send(DriverMessage::QueueChanged { queue, missed }).await.is_err() {
            return;
        }
    }
    loop {
        let begun = Instant::now();
        let looked = match is_begun {
            true => look(&*queue).await,
            false => look_first(&*queue, is_emptied).await,
        };
        let missed = match looked {
            Ok((depths, probed)) => {
                seen.assignments = depths.assignments;
                seen.reports = depths.reports;
                seen.dead_letters = depths.dead_letters;
                renewals.passed();
                // Before the queue is said to be back, which begins to fill it.
                let is_lost = std::mem::replace(&mut losses, probed.losses) != probed.losses;
                let was_emptied = std::mem::replace(&mut is_emptied, true);
                is_begun = true;
                if (is_lost || !was_emptied)
                    && messages.send(DriverMessage::Event(Event::QueueLost)).await.is_err()
                {
                    return;
                }
                None
            }
            Err(missed) => {
                renewals.missed(begun, missed.is_stuck);
                Some(missed.reason)
            }
        };
        seen.silent = missed.is_some();
        let now = (seen.clone(), missed);
        if last.as_ref() != Some(&now) {
            let (queue, missed) = now.clone();
            if messages.send(DriverMessage::QueueChanged { queue, missed }).await.is_err() {
                return;
            }
            last = Some(now);
        }
        if renewals.is_due(Instant::now()) {
            tracing::warn!("the queue passes no messages; it is replaced by an empty one");
            match queue.renew().await {
                Ok(()) => renewals.renewed(Instant::now()),
                Err(error) => tracing::warn!(error = with_sources(&error), "queue not replaced"),
            }
        }
        sleep(if seen.silent { INTERVAL_AWAY } else { INTERVAL }).await;
    }
}

/// Empties the queue of what an earlier run of the server has published; returns whether it
/// has. An outage of the queue does not keep a server from starting.
///
/// # Errors
///
/// If the queue refuses it.
pub async fn empty(queue: &dyn ServerEnd) -> Result<bool, QueueError> {
    match timeout(EMPTIED_WITHIN, queue.purge()).await {
        Ok(Ok(())) => Ok(true),
        Ok(Err(error @ QueueError::Refused { .. })) => Err(error),
        Ok(Err(error)) => {
            let error = with_sources(&error);
            tracing::warn!(error, "the queue does not answer; jobs wait for it");
            Ok(false)
        }
        Err(_) => {
            tracing::warn!("the queue does not answer yet; jobs wait for it");
            Ok(false)
        }
    }
}

/// Why the queue is missed.
struct Missed {
    reason: String,
    /// Whether its broker answers nevertheless.
    is_stuck: bool,
}

impl From<QueueError> for Missed {
    fn from(error: QueueError) -> Missed {
        let is_stuck = matches!(error, QueueError::Stuck { .. });
        Missed { reason: with_sources(&error), is_stuck }
    }
}

/// The first look at a queue that answers.
async fn look_first(queue: &dyn ServerEnd, is_emptied: bool) -> Result<(Depths, Probed), Missed> {
    let seen = look(queue).await?;
    if !is_emptied {
        queue.purge().await?;
    }
    queue.control(&Control::RollCall).await?;
    Ok(seen)
}

async fn look(queue: &dyn ServerEnd) -> Result<(Depths, Probed), Missed> {
    let Ok(depths) = timeout(SILENT_AFTER, queue.depths()).await else {
        let reason = format!("no answer within {} seconds", SILENT_AFTER.as_secs());
        return Err(Missed { reason, is_stuck: false });
    };
    Ok((depths?, queue.probe().await?))
}

/// Decides when a queue is replaced.
#[derive(Debug, Default)]
struct Renewals {
    stuck_since: Option<Instant>,
    last: Option<Instant>,
    count: u32,
}

impl Renewals {
    /// Messages pass: the last replacement has helped, if there was one.
    fn passed(&mut self) {
        *self = Renewals::default();
    }

    /// A look that began at `begun` has found that the queue is away, or stuck.
    fn missed(&mut self, begun: Instant, is_stuck: bool) {
        self.stuck_since = is_stuck.then(|| self.stuck_since.unwrap_or(begun));
    }

    fn is_due(&self, now: Instant) -> bool {
        let is_stuck = self.stuck_since.is_some_and(|since| now - since >= STUCK_AFTER);
        is_stuck && self.last.is_none_or(|last| now - last >= self.pause())
    }

    fn pause(&self) -> Duration {
        let doublings = self.count.saturating_sub(1).min(16);
        RENEWAL_PAUSE.saturating_mul(1 << doublings).min(RENEWAL_PAUSE_MAX)
    }

    fn renewed(&mut self, now: Instant) {
        if self.last.is_some_and(|last| now - last >= RENEWAL_PAUSE_MAX) {
            self.count = 0;
        }
        self.count += 1;
        self.last = Some(now);
        self.stuck_since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_replaced_only_once_it_has_been_stuck_for_some_time() {
        let begin = Instant::now();
        let at = |secs| begin + Duration::from_secs(secs);
        let mut renewals = Renewals::default();
        for secs in [0, 4] {
            renewals.missed(at(secs), true);
            assert!(!renewals.is_due(at(secs + 3)));
        }
        assert!(renewals.is_due(at(8)));
        // A broker that is away has queues that may be well.
        renewals.missed(at(8), false);
        assert!(!renewals.is_due(at(100)));
        renewals.missed(at(100), true);
        renewals.passed();
        assert!(!renewals.is_due(at(200)));
        renewals.missed(at(200), true);
        assert!(renewals.is_due(at(208)));
        renewals.renewed(at(208));
        // One that has helped does not delay the next.
        renewals.passed();
        renewals.missed(at(210), true);
        assert!(!renewals.is_due(at(217)));
        assert!(renewals.is_due(at(218)));
    }

    #[test]
    fn if_replacing_does_not_help_it_is_done_less_and_less_often() {
        let begin = Instant::now();
        let mut renewals = Renewals::default();
        let mut renewed = Vec::new();
        for secs in 0..20_000 {
            let now = begin + Duration::from_secs(secs);
            renewals.missed(now, true);
            if renewals.is_due(now) {
                renewals.renewed(now);
                renewed.push(secs);
            }
        }
        let pauses: Vec<u64> = renewed.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(renewed[0], 8);
        assert_eq!(pauses[..8], [30, 60, 120, 240, 480, 960, 1920, 3600]);
        // After an hour without a replacement it is tried soon again.
        assert_eq!(pauses[8], 30);
    }
}
