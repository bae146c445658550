//! What requests hear while the store is away.

use protocol::problem::ProblemKind;
use protocol::{Outage, Part, Problem};

use super::Engine;

impl Engine {
    /// Whether the store answers this server, as far as is known.
    ///
    /// # Errors
    ///
    /// If it has been missed: since when, and why.
    pub fn check_store(&self) -> Result<(), Problem> {
        self.board.store_outage().borrow().as_ref().map_or(Ok(()), |it| Err(unavailable(it)))
    }

    /// Waits until the store is known to be away.
    pub async fn store_missed(&self) -> Problem {
        let mut outage = self.board.store_outage();
        match outage
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|it| it.as_ref().map(unavailable))
        {
            Some(problem) => problem,
            // The board is gone, and who asks soon is too.
            None => std::future::pending().await,
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

/// The problem of a submission that the store had not confirmed when it was missed.
pub(super) fn unconfirmed(problem: Problem) -> Problem {
    problem.remedy(
        "the job was on its way: look whether it is there once the store is back, or submit it \
         again; with an Idempotency-Key a job is submitted once however often it is sent",
    )
}
