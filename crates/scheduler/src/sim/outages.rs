//! Outages: a broker, a store or a node that is away for a time.

use protocol::Part;
use protocol::task::Fault;

use super::sim_event::SimEvent;
use super::world::World;
use crate::Event;

/// How long a worker retries a request to the store before it gives the attempt up, in
/// microseconds.
const STORE_PATIENCE_US: u64 = 20_000_000;
/// How long after a part has left or returned the server notices, in microseconds, at the most.
const NOTICED_WITHIN_US: u64 = 2_000_000;
/// How long after the store is back a request that waited for it succeeds, in microseconds, at
/// the most.
const RETRIED_WITHIN_US: u64 = 1_000_000;
/// When the workers of a lost node are back, in microseconds.
const NODE_BACK_US: (u64, u64) = (5_000_000, 60_000_000);

impl World {
    /// The broker stops to answer. Workers keep what they have in hand; reports and messages
    /// wait.
    pub(super) fn broker_left(&mut self, us: u64, is_wiped: bool) {
        if self.now < self.broker_until {
            return;
        }
        self.fired.broker_away += 1;
        self.broker_until = self.now + us;
        self.schedule(self.broker_until, SimEvent::BrokerReturned(is_wiped));
        self.notice(Part::Queue, self.broker_until);
    }

    /// The broker answers again. If it was wiped, the server is told so.
    pub(super) fn broker_returned(&mut self, is_wiped: bool) -> Result<(), String> {
        if is_wiped {
            self.fired.broker_wiped += 1;
            self.queue.clear();
            let at = self.now + self.random.between(1, NOTICED_WITHIN_US);
            self.schedule(at, SimEvent::EventsReceived(vec![Event::QueueLost]));
        }
        self.deliver_queued()
    }

    /// The store stops to answer. The server notices that in one of two cases.
    pub(super) fn store_left(&mut self, us: u64) {
        if self.now < self.store_until {
            return;
        }
        self.fired.store_away += 1;
        self.store_until = self.now + us;
        if self.random.bernoulli(0.5) {
            self.notice(Part::Store, self.store_until);
        }
    }

    /// Lets the server notice that a part is away, if it is away for long enough, and that it
    /// has returned.
    fn notice(&mut self, part: Part, until: u64) {
        let missed_at = self.now + self.random.between(1, NOTICED_WITHIN_US);
        if missed_at < until {
            let missed = Event::PartMissed { part, reason: "simulated".to_owned() };
            self.schedule(missed_at, SimEvent::EventsReceived(vec![missed]));
            let returned_at = until + self.random.between(1, NOTICED_WITHIN_US);
            let returned = Event::PartReturned { part };
            self.schedule(returned_at, SimEvent::EventsReceived(vec![returned]));
        }
    }

    /// Tells a server that has just started what is away.
    pub(super) fn tell_outages(&mut self) -> Result<(), String> {
        if self.now < self.broker_until {
            let reason = "simulated".to_owned();
            self.handle_event(Event::PartMissed { part: Part::Queue, reason })?;
        }
        Ok(())
    }

    /// Lets a worker wait that cannot read or write a segment, or gives its attempt up.
    pub(super) fn wait_for_store(&mut self, worker: usize) -> Result<(), String> {
        let (now, until) = (self.now, self.store_until);
        let sim_worker = &mut self.workers[worker];
        let epoch = sim_worker.epoch;
        let Some(run) = &mut sim_worker.run else {
            return Ok(());
        };
        let gives_up_at = *run.blocked_since.get_or_insert(now) + STORE_PATIENCE_US;
        if now >= gives_up_at {
            if run.is_reading {
                self.measures.double_work += run.current_work;
            }
            return self.fail_run(worker, Fault::Store);
        }
        let again_at = until + self.random.between(1, RETRIED_WITHIN_US);
        self.schedule(again_at.min(gives_up_at), SimEvent::SegmentCompleted(worker, epoch));
        Ok(())
    }

    /// Ends all workers of a node at once. They are started again later.
    pub(super) fn lose_node(&mut self, node: &str) {
        self.fired.node_lost += 1;
        for worker in 0..self.workers.len() {
            let sim_worker = &self.workers[worker];
            if sim_worker.present && sim_worker.node == node {
                if let Some(run) = &sim_worker.run {
                    let attempt = run.message.attempt;
                    self.injected.entry((attempt.job, attempt.task)).or_default().1 += 1;
                }
                self.lose_worker(worker, NODE_BACK_US);
            }
        }
    }
}
