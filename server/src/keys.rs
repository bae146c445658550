//! Where a job's objects lie in the store. All follow from the job and its plan.

use protocol::JobId;
use protocol::request::{Choice, Statistic};

/// All jobs lie below this prefix.
pub const JOBS: &str = "jobs/";
/// An empty object for each job lies below this prefix, so that the jobs can
/// be listed without listing all that belongs to them.
pub const INDEX: &str = "index/";

/// An empty object for each job whose partial sums are to be deleted once it
/// is over lies below this prefix, until they are.
pub const CLEANING: &str = "cleaning/";
/// Names the server that uses the store, where the store has no locks.
pub const SERVER: &str = "server.json";

/// Whether an object is the program's own, and no user's.
#[must_use]
pub fn is_own(key: &str) -> bool {
    key == SERVER || [JOBS, INDEX, CLEANING].iter().any(|prefix| key.starts_with(prefix))
}

/// That the job's partial sums are to be deleted.
#[must_use]
pub fn cleaning(id: JobId) -> String {
    format!("{CLEANING}{id}")
}

/// The job's entry in the index.
#[must_use]
pub fn index(id: JobId) -> String {
    format!("{INDEX}{id}")
}

/// The prefix of everything that belongs to a job.
#[must_use]
pub fn job(job: JobId) -> String {
    format!("{JOBS}{job}/")
}

/// What was asked for.
#[must_use]
pub fn request(id: JobId) -> String {
    format!("{}request.json", job(id))
}

/// The plan and the list of input objects.
#[must_use]
pub fn plan(id: JobId) -> String {
    format!("{}plan.json", job(id))
}

/// How the job ended; present only once it has.
#[must_use]
pub fn report(id: JobId) -> String {
    format!("{}report.json", job(id))
}

/// Generated inputs.
#[must_use]
pub fn inputs(id: JobId) -> String {
    format!("{}inputs/", job(id))
}

/// The prefix of all partial sums of a job.
#[must_use]
pub fn sums(id: JobId) -> String {
    format!("{}sums/", job(id))
}

/// The prefix of the segments of a node of the sum tree.
#[must_use]
pub fn node(id: JobId, level: u8, node: u32) -> String {
    format!("{}{level}/{node}/", sums(id))
}

/// The mean.
#[must_use]
pub fn mean(id: JobId) -> String {
    format!("{}result/mean.npy", job(id))
}

/// What was computed beside the mean.
#[must_use]
pub fn statistic(id: JobId, statistic: Statistic) -> String {
    format!("{}result/{}.npy", job(id), statistic.word())
}
