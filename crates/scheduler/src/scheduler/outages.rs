//! Outages of the queue and of the store, as the server observes them.
//!
//! While a part is away, no attempt is published, and leases stand still: without the queue
//! no report can arrive, and a server that holds a lease on the store takes none while it
//! cannot renew that. Afterwards all leases begin again, but for a short outage of the store,
//! and attempts are published slowly at first, so that the part is not overrun.

use std::hash::{DefaultHasher, Hash, Hasher};

use protocol::{JobId, Outage, Part, Timestamp};

use super::Scheduler;

/// After an outage, the number of attempts that may be published doubles at this
/// interval: a thousand take a second.
const SPEED_UP_MS: u64 = 100;
/// The number of intervals after which there is no limit.
const SPEED_UP_STEPS: u64 = 20;

/// An outage of the store that costs no lease: together with the time in which it is noticed
/// it is shorter than a lease.
const SHORT_OUTAGE_MS: u64 = 5_000;
/// The interval at which leases are looked at while they stand still.
pub(super) const STILL_MS: u64 = 1_000;

/// Why and since when a part is away.
#[derive(Debug)]
pub(super) struct Away {
    pub(super) since: Timestamp,
    pub(super) reason: String,
}

/// Publishes slowly at first.
#[derive(Debug)]
pub(super) struct SpeedUp {
    since: Timestamp,
    /// Number of attempts published since then.
    published: u64,
}

impl SpeedUp {
    fn steps(&self, now: Timestamp) -> u64 {
        now.millis_since(self.since) / SPEED_UP_MS
    }

    fn may_publish(&self, now: Timestamp) -> bool {
        self.published < 1 << self.steps(now).min(SPEED_UP_STEPS)
    }
}

impl Scheduler {
    /// A part does not answer, or is still away for another reason.
    pub(super) fn part_missed(&mut self, part: Part, reason: String) {
        let since = self.outages.get(&part).map_or(self.now, |away| away.since);
        self.outages.insert(part, Away { since, reason });
        self.outages_changed();
    }

    /// A part answers again.
    pub(super) fn part_returned(&mut self, part: Part) {
        let Some(away) = self.outages.remove(&part) else {
            return;
        };
        // The server has taken reports for most of the lease; and a store that is slow off and
        // on must not hide for ever that a worker has died.
        let is_short = self.now.millis_since(away.since) < SHORT_OUTAGE_MS;
        if part == Part::Queue || !is_short {
            self.renew_all_leases();
        }
        if self.outages.is_empty() {
            self.speed_up = Some(SpeedUp { since: self.now, published: 0 });
        }
        self.outages_changed();
    }

    /// Begins all leases again, because no report could arrive.
    pub(super) fn renew_all_leases(&mut self) {
        let now = self.now;
        self.pool.renew_all(now);
        for job in &self.running {
            if let Some(job) = self.jobs.get_mut(job) {
                job.renew_all(now);
            }
        }
        self.next_lease_check_at = None;
        self.schedule_lease_check();
    }

    /// Whether leases stand still.
    pub(super) fn leases_stand_still(&self) -> bool {
        !self.outages.is_empty()
    }

    /// Whether attempts may be published.
    pub(super) fn may_publish(&self) -> bool {
        self.outages.is_empty()
            && self.speed_up.as_ref().is_none_or(|speed_up| speed_up.may_publish(self.now))
    }

    /// Counts a published attempt.
    pub(super) fn count_published(&mut self) {
        if let Some(speed_up) = &mut self.speed_up {
            speed_up.published += 1;
        }
    }

    /// Ends the time of publishing slowly.
    pub(super) fn end_speed_up(&mut self) {
        let now = self.now;
        self.speed_up.take_if(|speed_up| speed_up.steps(now) > SPEED_UP_STEPS);
    }

    /// When more attempts may be published; `None` if there is no limit.
    pub(super) fn speed_up_at(&self) -> Option<Timestamp> {
        let speed_up = self.speed_up.as_ref()?;
        let next = speed_up.steps(self.now) + 1;
        Some(speed_up.since.plus_millis(next * SPEED_UP_MS))
    }

    /// The outages that all jobs wait for.
    pub(super) fn outages(&self) -> Vec<Outage> {
        let mut outages: Vec<Outage> = self
            .outages
            .iter()
            .map(|(&part, Away { since, reason })| Outage {
                part,
                since: *since,
                reason: reason.clone(),
            })
            .collect();
        if let Some(Away { since, reason }) = &self.no_worker_well
            && !self.outages.contains_key(&Part::Store)
        {
            let (part, since, reason) = (Part::Store, *since, reason.clone());
            outages.push(Outage { part, since, reason });
        }
        outages
    }

    /// The outage that a job waits for.
    pub(super) fn outage_of(&self, id: JobId) -> Option<Outage> {
        let job = self.jobs.get(&id).filter(|job| !job.phase.is_over())?;
        let own = job.store_wait.away().map(|(since, reason)| Outage {
            part: Part::Store,
            since,
            reason: reason.to_owned(),
        });
        own.or_else(|| self.outages().into_iter().next())
    }

    pub(super) fn outages_changed(&mut self) {
        self.changes.pool = true;
        self.changes.jobs.extend(self.open.iter().copied());
    }
}

/// A number that depends on a value and looks random, but is always the same.
pub(super) fn seed_of(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
