//! Where the program's own objects lie in the store. Those of a job follow from
//! the job and its plan.

use platform::store::RESERVED;
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

/// The names that the program keeps for itself, each the first part of keys.
/// The store keeps [`RESERVED`] for itself.
const OWN: [&str; 4] = [JOBS, INDEX, CLEANING, SERVER];

/// Whether a key is the program's own or the store's, and no user's: its first
/// part is one of their names, whether anything follows it or not.
#[must_use]
pub fn is_own(key: &str) -> bool {
    let first = key.split('/').next().unwrap_or_default();
    own_names().any(|name| name == first)
}

/// The first parts of the keys that no user may write, as [`is_own`] knows them.
pub fn own_names() -> impl Iterator<Item = &'static str> {
    OWN.into_iter().map(|name| name.trim_end_matches('/')).chain(RESERVED)
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

#[cfg(test)]
mod tests {
    use protocol::Timestamp;

    use super::*;

    #[test]
    fn every_own_key_is_own_in_every_spelling() {
        let id = JobId::from_parts(Timestamp::default(), 7);
        let made = [cleaning(id), index(id), job(id), request(id), plan(id), report(id), mean(id)];
        let made = made.into_iter().chain([inputs(id), sums(id), node(id, 1, 2)]);
        for key in made.chain([statistic(id, Statistic::Min), SERVER.to_owned()]) {
            assert!(is_own(&key), "{key}");
        }
        let names = ["jobs", "index", "cleaning", "server.json", ".server.lock", ".unfinished"];
        assert!(own_names().eq([&names[..4], &RESERVED].concat()), "each is tested");
        for name in names {
            for rest in ["", "/", "/a", "/a/b", "//a"] {
                assert!(is_own(&format!("{name}{rest}")), "{name}{rest}");
            }
        }
    }

    #[test]
    fn keys_that_only_look_alike_are_their_users() {
        for key in ["", "a", "jobs.csv", "jobs-2024/a", "a/jobs/b", "a/index", "server.json.gz"] {
            assert!(!is_own(key), "{key}");
        }
    }
}
