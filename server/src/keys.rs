//! The keys of the program's own objects in the store. Those of a job follow
//! from its id and its plan.

use std::fmt::Display;

use platform::store::RESERVED;
use protocol::JobId;
use protocol::problem::{Problem, ProblemKind};
use protocol::request::{Choice, Statistic};
use summation::output::TypedKind;

use crate::idempotency::Mark;

/// The prefix of the objects of all jobs.
pub const JOBS: &str = "jobs/";
/// The prefix of the index: an empty object for each job, so that jobs can be
/// listed without listing their objects.
pub const INDEX: &str = "index/";

/// The prefix of the marks for garbage collection: an empty object for each job
/// whose partial sums are still to be deleted. Stores of earlier versions hold
/// marks under this name, so it stays.
pub const GARBAGE: &str = "cleaning/";
/// The store lease; in a store with locks, who holds it.
pub const SERVER: &str = "server.json";
/// The key that authenticates the sessions of those who have signed in.
pub const SESSION_KEY: &str = "session.key";
/// The number of workers that was set by hand, if one was.
pub const WORKERS_BY_HAND: &str = "workers-by-hand.json";

/// The first parts of keys that are reserved for the program. The store reserves
/// [`RESERVED`] for itself.
const OWN: [&str; 6] = [JOBS, INDEX, GARBAGE, SERVER, SESSION_KEY, WORKERS_BY_HAND];

/// Whether a key is reserved for the program or the store: its first part is one
/// of [`own_names`], whether anything follows it or not.
#[must_use]
pub fn is_own(key: &str) -> bool {
    let first = key.split('/').next().unwrap_or_default();
    own_names().any(|name| name == first)
}

/// Whether an object is a record or a secret of the program, which nobody reads through
/// the calls for files, or averages.
#[must_use]
pub fn is_private(key: &str) -> bool {
    is_own(key) && !is_data(key)
}

/// Whether users may not write or delete a key, because it is reserved, or would be the
/// same in a file system that does not tell capital letters from small ones.
#[must_use]
pub fn is_reserved(key: &str) -> bool {
    let first = key.split('/').next().unwrap_or_default();
    own_names().any(|name| name.eq_ignore_ascii_case(first))
}

/// Whether a prefix lies in the arrays of a job: the test data that was generated for
/// it, or its results. Jobs may average these, and nothing else of the program's own.
#[must_use]
pub fn is_data(prefix: &str) -> bool {
    let mut parts = prefix.split('/');
    parts.next().is_some_and(|first| first == JOBS.trim_end_matches('/'))
        && parts.next().is_some_and(|job| job.parse::<JobId>().is_ok())
        && matches!(parts.next(), Some("inputs" | "result"))
}

/// Checks that a prefix can be one of keys.
///
/// # Errors
///
/// If no key can begin with it.
pub fn check_prefix(prefix: &str) -> Result<(), Problem> {
    // The whole store may be written as a slash.
    if !prefix.starts_with('/') || prefix.trim_start_matches('/').is_empty() {
        return Ok(());
    }
    let detail = format!("the prefix {prefix:?} begins with a slash, and no key does");
    let remedy = format!("write {:?}", prefix.trim_start_matches('/'));
    Err(Problem::new(ProblemKind::InvalidRequest, detail).field("prefix").remedy(remedy))
}

/// The first parts of keys that no user may write.
pub fn own_names() -> impl Iterator<Item = &'static str> {
    OWN.into_iter().map(|name| name.trim_end_matches('/')).chain(RESERVED)
}

/// The job's mark for garbage collection.
#[must_use]
pub fn garbage(id: JobId) -> String {
    format!("{GARBAGE}{id}")
}

/// The job's entry in the index.
#[must_use]
pub fn index(id: JobId) -> String {
    format!("{INDEX}{id}")
}

/// What stands between the id of a job and a size in the key of a mark that the job has
/// generated test data. The mark follows the job's entry in the index.
pub const GENERATED: &str = ".generated.";

/// The mark that a job has generated test data, of a size in bytes.
#[must_use]
pub fn generated(id: JobId, bytes: u64) -> String {
    format!("{}{GENERATED}{bytes}", index(id))
}

/// What stands between the id of a job and the mark of the key that it was submitted with.
pub const KEYED: &str = ".key.";

/// The mark of the key that a job was submitted with.
#[must_use]
pub fn keyed(id: JobId, mark: Mark) -> String {
    format!("{}{KEYED}{mark}", index(id))
}

/// The mark that a user, or retention, has begun to delete the job. It is written first and
/// deleted last but the entry, so that a deletion which was interrupted goes on, and is not
/// taken for the loss of a record.
#[must_use]
pub fn deleted(id: JobId) -> String {
    format!("{}{DELETED}", index(id))
}

/// What follows the id of a job in the key of the mark that it is deleted.
pub const DELETED: &str = ".deleted";

/// The prefix of the marks of jobs of whose end somebody is to be told. They are below the
/// index, whose other readers ignore them: no key of a user begins so.
pub const UNTOLD: &str = "index/webhooks/";

/// The mark that somebody is to be told of the end of a job, by the id of the message.
#[must_use]
pub fn untold(message: &str) -> String {
    format!("{UNTOLD}{message}")
}

/// How far the delivery of the message that the job has ended has come.
#[must_use]
pub fn webhook(id: JobId) -> String {
    format!("{}webhook.json", job(id))
}

/// The prefix of uploads that are not finished. They are below the prefix of jobs, where no
/// id of a job is so called: no key of a user begins so.
pub const UNFINISHED_UPLOADS: &str = "jobs/uploads/";
/// What follows the prefix of an upload in the keys of its parts.
pub const PARTS: &str = "parts/";

/// The prefix of everything that belongs to an upload.
#[must_use]
pub fn upload(id: impl Display) -> String {
    format!("{UNFINISHED_UPLOADS}{id}/")
}

/// What an upload becomes.
#[must_use]
pub fn upload_record(id: impl Display) -> String {
    format!("{}upload.json", upload(id))
}

/// The prefix of the parts of an upload.
#[must_use]
pub fn upload_parts(id: impl Display) -> String {
    format!("{}{PARTS}", upload(id))
}

/// The part of an upload that begins at a byte. The parts are listed in their order.
#[must_use]
pub fn upload_part(id: impl Display, offset: u64) -> String {
    format!("{}{offset:020}", upload_parts(id))
}

/// The prefix of all marks that follow a job's entry in the index.
#[must_use]
pub fn marks(id: JobId) -> String {
    format!("{}.", index(id))
}

/// The prefix of everything that belongs to a job.
#[must_use]
pub fn job(job: JobId) -> String {
    format!("{JOBS}{job}/")
}

/// The job's request.
#[must_use]
pub fn request(id: JobId) -> String {
    format!("{}request.json", job(id))
}

/// The mark that a user has cancelled the job. It is written before the job is stopped,
/// so that a server that ends in between does not continue the job.
#[must_use]
pub fn cancelled(id: JobId) -> String {
    format!("{}cancelled", job(id))
}

/// The job's plan, with the list of its input objects.
#[must_use]
pub fn plan(id: JobId) -> String {
    format!("{}plan.json", job(id))
}

/// The times and counts of a job that is not over, a few seconds old at most.
#[must_use]
pub fn checkpoint(id: JobId) -> String {
    format!("{}checkpoint.json", job(id))
}

/// The journal of the job's complete tasks, while it is not over and has many.
#[must_use]
pub fn completions(id: JobId) -> String {
    format!("{}completions.json", job(id))
}

/// What was learned of the job's inputs while they were read.
#[must_use]
pub fn learned(id: JobId) -> String {
    format!("{}learned.json", job(id))
}

/// The attempts of the job over time, once the job is over.
#[must_use]
pub fn timeline(id: JobId) -> String {
    format!("{}timeline.json", job(id))
}

/// The job's report, present once the job is over.
#[must_use]
pub fn report(id: JobId) -> String {
    format!("{}report.json", job(id))
}

/// The link that shows the job to anybody who has it.
#[must_use]
pub fn share(id: JobId) -> String {
    format!("{}share.json", job(id))
}

/// The prefix of generated inputs.
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

/// The line that names the columns of the inputs and the result, if these are tables.
#[must_use]
pub fn header(id: JobId) -> String {
    format!("{}header.csv", job(id))
}

/// The header of a safetensors file with the tensors that are averaged, if the inputs are such
/// files.
#[must_use]
pub fn tensors(id: JobId) -> String {
    format!("{}tensors.json", job(id))
}

/// What results have of the first NetCDF file, if the inputs are such files.
#[must_use]
pub fn netcdf(id: JobId) -> String {
    format!("{}netcdf", job(id))
}

/// The weights of the inputs, if they have weights: a table of their locations.
#[must_use]
pub fn weights(id: JobId) -> String {
    format!("{}weights.csv", job(id))
}

/// The prefix of the keys of the rows of the first input, if these are tables with a key
/// column.
#[must_use]
pub fn keys(id: JobId) -> String {
    job(id)
}

/// The prefix of the segments of a node that was computed again because its inputs had changed when the job
/// was resumed for the `resume`-th time. So workers that still read the inputs of before
/// write elsewhere.
#[must_use]
pub fn node_again(id: JobId, level: u8, node: u32, resume: u32) -> String {
    format!("{}{level}/{node}.{resume}/", sums(id))
}

/// Mark that an ended job has been resumed, until its new plan is stored.
#[must_use]
pub fn resuming(id: JobId) -> String {
    format!("{}resuming", job(id))
}

/// The mean, as .npy.
#[must_use]
pub fn mean(id: JobId) -> String {
    format!("{}result/mean.npy", job(id))
}

/// A statistic, as .npy.
#[must_use]
pub fn statistic(id: JobId, statistic: Statistic) -> String {
    format!("{}result/{}.npy", job(id), statistic.word())
}

/// The mean or a statistic, with numbers of types of their own.
#[must_use]
pub fn typed(id: JobId, statistic: Option<Statistic>, kind: TypedKind) -> String {
    format!("{}result/{}", job(id), typed_name(statistic, kind))
}

/// The name of that file.
#[must_use]
pub fn typed_name(statistic: Option<Statistic>, kind: TypedKind) -> String {
    let name = statistic.map_or("mean", Statistic::word);
    match kind {
        // Beside the .npy of f64.
        TypedKind::Npy => format!("{name}.typed.npy"),
        kind => format!("{name}.{}", kind.extension()),
    }
}

/// The checksums of the mean and the statistics. They are beside the folder of results,
/// which jobs may average.
#[must_use]
pub fn checksums(id: JobId) -> String {
    format!("{}checksums.json", job(id))
}

#[cfg(test)]
mod tests {
    use protocol::Timestamp;

    use super::*;

    #[test]
    fn every_own_key_is_own_in_every_spelling() {
        let id = JobId::from_parts(Timestamp::default(), 7);
        let made = [
            garbage(id),
            index(id),
            job(id),
            request(id),
            plan(id),
            report(id),
            mean(id),
            share(id),
            header(id),
            tensors(id),
            netcdf(id),
            typed(id, None, TypedKind::Safetensors),
            typed(id, None, TypedKind::Npy),
        ];
        let made =
            made.into_iter().chain([checksums(id), learned(id), timeline(id), completions(id)]);
        let made = made.chain([resuming(id), node_again(id, 1, 2, 3)]);
        let made = made.chain([webhook(id), untold("a")]);
        let made = made.chain([upload_record(1), upload_part(1, 2)]);
        let made = made.chain([cancelled(id), generated(id, 1), marks(id)]);
        let made = made.into_iter().chain([inputs(id), sums(id), node(id, 1, 2)]);
        let made = made.chain([SERVER.to_owned(), WORKERS_BY_HAND.to_owned()]);
        for key in made.chain([statistic(id, Statistic::Min)]) {
            assert!(is_own(&key), "{key}");
        }
        let names = [
            "jobs",
            "index",
            "cleaning",
            "server.json",
            "session.key",
            "workers-by-hand.json",
            ".server.lock",
            ".unfinished",
        ];
        assert!(own_names().eq([&names[..6], &RESERVED].concat()), "each is tested");
        for name in names {
            for rest in ["", "/", "/a", "/a/b", "//a"] {
                assert!(is_own(&format!("{name}{rest}")), "{name}{rest}");
            }
        }
    }

    #[test]
    fn jobs_may_average_generated_inputs_and_results() {
        let id = JobId::from_parts(Timestamp::default(), 7);
        let typed = typed(id, None, TypedKind::Netcdf);
        for key in [inputs(id), mean(id), typed, format!("{}a/", inputs(id))] {
            assert!(is_data(&key), "{key}");
        }
        for key in [sums(id), node(id, 1, 2), request(id), tensors(id), index(id), JOBS.to_owned()]
        {
            assert!(!is_data(&key), "{key}");
        }
        for key in ["", "a/b/inputs/", "jobs/x/inputs/", &format!("{}-old/a", job(id))] {
            assert!(!is_data(key), "{key}");
        }
    }

    #[test]
    fn keys_that_only_look_alike_are_their_users() {
        for key in ["", "a", "jobs.csv", "jobs-2024/a", "a/jobs/b", "a/index", "server.json.gz"] {
            assert!(!is_own(key), "{key}");
        }
    }
}
