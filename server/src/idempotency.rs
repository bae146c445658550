//! Keys by which a client sends a request again without submitting a second job
//! (`Idempotency-Key`).
//!
//! The mark of a key lies beside its job's entry in the index, so it is there after a
//! restart and is deleted with the job. Memory holds the marks of one day.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::problem::{Problem, ProblemKind};
use protocol::{JobId, Timestamp};
use sha2::{Digest, Sha256};

/// How long a key stands for its job: long enough for any retry.
pub const KEPT_FOR: Duration = Duration::from_hours(24);
/// The most keys that are remembered; beyond it the oldest are forgotten. Each takes about
/// 200 bytes.
pub const KEYS_MAX: usize = 100_000;

/// The name that a client has given to a request, and what it asks for, both as digests.
/// It is written as two numbers of 32 hexadecimal digits with a dot between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    key: u128,
    request: u128,
}

impl Mark {
    /// The mark of the key `key` of a caller, for a request that is encoded as `request`.
    /// Callers do not share keys.
    #[must_use]
    pub fn new(caller: Option<&str>, key: &str, request: &[u8]) -> Mark {
        // No name contains the byte between the two.
        let named = [caller.unwrap_or_default().as_bytes(), b"\n", key.as_bytes()].concat();
        Mark { key: digest(&named), request: digest(request) }
    }
}

fn digest(bytes: &[u8]) -> u128 {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    digest.iter().take(16).fold(0, |number, byte| number << 8 | u128::from(*byte))
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}.{:032x}", self.key, self.request)
    }
}

impl FromStr for Mark {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Mark, Self::Err> {
        let (key, request) = text.split_once('.').unwrap_or((text, ""));
        let number = |text| u128::from_str_radix(text, 16);
        Ok(Mark { key: number(key)?, request: number(request)? })
    }
}

/// The keys that are known. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Keys(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    by_key: HashMap<u128, Use>,
    /// The keys whose jobs are submitted, oldest job first.
    by_job: BTreeMap<JobId, u128>,
}

/// What a key was used for.
#[derive(Clone, Copy, Debug)]
struct Use {
    request: u128,
    /// `None` while the job is being submitted.
    job: Option<JobId>,
}

/// What comes of a request with a key.
#[derive(Debug)]
pub enum Claim {
    /// It is the first: submit the job.
    First(Claimed),
    /// It was submitted before, as this job.
    Earlier(JobId),
}

impl Keys {
    /// Adds the mark of a job that the store holds.
    pub(crate) fn add(&self, job: JobId, mark: Mark) {
        self.lock().add(job, mark);
    }

    /// Claims a key at the time `now`.
    ///
    /// # Errors
    ///
    /// If the same key is being used at this moment, or was used for another request.
    pub(crate) fn claim(&self, mark: Mark, now: Timestamp) -> Result<Claim, Problem> {
        let mut known = self.lock();
        known.forget_old(now);
        match known.by_key.get(&mark.key) {
            Some(earlier) if earlier.request != mark.request => {
                let detail = "the Idempotency-Key was used for another request";
                Err(Problem::new(ProblemKind::Conflict, detail)
                    .field("Idempotency-Key")
                    .remedy("use a new key for each new request"))
            }
            Some(Use { job: Some(job), .. }) => Ok(Claim::Earlier(*job)),
            Some(Use { job: None, .. }) => {
                let detail = "a request with the same Idempotency-Key is being answered";
                Err(Problem::new(ProblemKind::Conflict, detail)
                    .field("Idempotency-Key")
                    .remedy("send it again in a second; its answer will be the same job"))
            }
            None => {
                known.by_key.insert(mark.key, Use { request: mark.request, job: None });
                drop(known);
                Ok(Claim::First(Claimed { keys: self.clone(), mark, is_used: false }))
            }
        }
    }

    /// Forgets the key of a job, which was deleted.
    pub(crate) fn forget(&self, job: JobId) {
        let mut known = self.lock();
        if let Some(key) = known.by_job.remove(&job) {
            known.by_key.remove(&key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Each change is whole even if somebody panicked afterwards.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn add(&mut self, job: JobId, mark: Mark) {
        self.by_key.insert(mark.key, Use { request: mark.request, job: Some(job) });
        self.by_job.insert(job, mark.key);
        while self.by_job.len() > KEYS_MAX {
            self.forget_oldest();
        }
    }

    fn forget_old(&mut self, now: Timestamp) {
        let is_old =
            |job: JobId| u128::from(now.millis_since(job.submitted_at())) > KEPT_FOR.as_millis();
        while self.by_job.first_key_value().is_some_and(|(job, _)| is_old(*job)) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((job, key)) = self.by_job.pop_first()
            // A newer job may have taken the key of one that was deleted.
            && self.by_key.get(&key).is_some_and(|it| it.job == Some(job))
        {
            self.by_key.remove(&key);
        }
    }
}

/// A key whose job is being submitted. Dropped before it is used, it is free again.
#[derive(Debug)]
pub struct Claimed {
    keys: Keys,
    mark: Mark,
    is_used: bool,
}

impl Claimed {
    /// The mark that is to be stored with the job.
    pub(crate) fn mark(&self) -> Mark {
        self.mark
    }

    /// The job is in the store, with the mark.
    pub(crate) fn used_for(mut self, job: JobId) {
        self.is_used = true;
        self.keys.add(job, self.mark);
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        if !self.is_used {
            self.keys.lock().by_key.remove(&self.mark.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + hours * 3_600_000)
    }

    fn job(hours: u64) -> JobId {
        JobId::from_parts(at(hours), u128::from(hours))
    }

    #[track_caller]
    fn first(keys: &Keys, mark: Mark, now: Timestamp) -> Claimed {
        match keys.claim(mark, now) {
            Ok(Claim::First(claimed)) => claimed,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_mark_is_read_back_and_tells_callers_keys_and_requests_apart() {
        let mark = Mark::new(Some("ada"), "k", b"request");
        assert_eq!(mark.to_string().parse(), Ok(mark));
        let others = [
            Mark::new(Some("bob"), "k", b"request"),
            Mark::new(None, "k", b"request"),
            Mark::new(Some("ada"), "l", b"request"),
        ];
        assert!(others.iter().all(|other| other.key != mark.key && other.request == mark.request));
        assert_ne!(Mark::new(Some("ada"), "k", b"another").request, mark.request);
        assert!("x".parse::<Mark>().is_err());
    }

    #[test]
    fn a_key_stands_for_one_request() {
        let keys = Keys::default();
        let mark = Mark::new(None, "k", b"1");
        let claimed = first(&keys, mark, at(0));
        assert_eq!(keys.claim(mark, at(0)).unwrap_err().status, 409, "it is under way");
        drop(claimed);
        first(&keys, mark, at(0)).used_for(job(0));
        assert!(matches!(keys.claim(mark, at(1)), Ok(Claim::Earlier(it)) if it == job(0)));
        let other = keys.claim(Mark::new(None, "k", b"2"), at(1)).unwrap_err();
        assert_eq!(other.field.as_deref(), Some("Idempotency-Key"));
        keys.forget(job(0));
        drop(first(&keys, mark, at(1)));
    }

    #[test]
    fn keys_are_forgotten_after_a_day() {
        let keys = Keys::default();
        let mark = Mark::new(None, "k", b"1");
        first(&keys, mark, at(0)).used_for(job(0));
        assert!(matches!(keys.claim(mark, at(24)), Ok(Claim::Earlier(_))));
        first(&keys, mark, at(25)).used_for(job(25));
        assert!(matches!(keys.claim(mark, at(26)), Ok(Claim::Earlier(it)) if it == job(25)));
        assert_eq!(keys.lock().by_job.len(), 1);
    }
}
