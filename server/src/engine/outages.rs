//! What requests hear while the store is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use protocol::problem::ProblemKind;
use protocol::{Outage, Part, Problem};

use super::Engine;

impl Engine {
    /// Whether the store answers, as far as is known.
    ///
    /// # Errors
    ///
    /// If it has been missed: since when, and why.
    pub fn check_store(&self) -> Result<(), Problem> {
        let pool = self.board.pool();
        let missed = pool.outages.iter().find(|outage| outage.part == Part::Store);
        missed.map_or(Ok(()), |outage| Err(unavailable(outage)))
    }

    /// Waits until the store is known to be away.
    pub async fn store_missed(&self) -> Problem {
        let mut changes = self.board.watch();
        loop {
            if let Err(problem) = self.check_store() {
                return problem;
            }
            if changes.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }
}

/// An outage as the problem of a request that needs the part.
#[must_use]
pub fn unavailable(outage: &Outage) -> Problem {
    let remedy = match outage.part {
        Part::Queue => "see that the broker runs; a queue that is lost is replaced by itself",
        Part::Store => "see that the store runs and can be reached, and try again then",
    };
    Problem::new(ProblemKind::Unavailable, outage.to_string()).remedy(remedy)
}

/// Whether a request is carried out or refused, which two may decide at the same time.
#[derive(Clone, Debug, Default)]
pub(super) struct Decision(Arc<AtomicU8>);

const REFUSED: u8 = 1;
const ACCEPTED: u8 = 2;

impl Decision {
    /// Refuses the request, unless it is accepted already; returns whether it is refused.
    pub(super) fn refuse(&self) -> bool {
        self.decide(REFUSED)
    }

    /// Accepts the request, unless it is refused already; returns whether it is accepted.
    pub(super) fn accept(&self) -> bool {
        self.decide(ACCEPTED)
    }

    fn decide(&self, what: u8) -> bool {
        let decided = self.0.compare_exchange(0, what, Ordering::SeqCst, Ordering::SeqCst);
        decided.is_ok_and(|_| true) || decided == Err(what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_decides_first_has_decided() {
        let decision = Decision::default();
        assert!(decision.accept() && decision.accept());
        assert!(!decision.refuse());
        let decision = Decision::default();
        assert!(decision.clone().refuse());
        assert!(!decision.accept() && decision.refuse());
    }
}
