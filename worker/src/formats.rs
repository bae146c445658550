//! What is known of the objects of a job, from one attempt to the next.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use protocol::JobId;
use summation::Format;

/// More than these are not remembered, to bound the memory.
const FORMATS_MAX: usize = 10_000;

/// Nor more than these bytes: the names of the columns of a table may be long.
const FORMAT_BYTES_MAX: usize = 32 << 20;

/// The formats of objects that attempts of one job have opened: asking a
/// distant store for a header takes about as long as for all that an attempt at
/// a few columns wants. A job reads one version of each object, which it is pinned to;
/// the next job may read another.
#[derive(Debug, Default)]
pub(crate) struct Formats {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    job: Option<JobId>,
    by_location: HashMap<String, Format>,
    /// How much memory they take.
    bytes: usize,
}

impl Formats {
    /// The format of an object, if an attempt of the job has found it out.
    pub(crate) fn get(&self, job: JobId, location: &str) -> Option<Format> {
        let known = self.lock();
        (known.job == Some(job)).then(|| known.by_location.get(location).cloned())?
    }

    /// Remembers the format of an object, and forgets those of other jobs.
    pub(crate) fn remember(&self, job: JobId, location: &str, format: &Format) {
        let mut known = self.lock();
        if known.job != Some(job) {
            *known = Known { job: Some(job), ..Known::default() };
        }
        let bytes = known.bytes.saturating_add(format.memory_bytes());
        if known.by_location.len() < FORMATS_MAX && bytes <= FORMAT_BYTES_MAX {
            known.bytes = bytes;
            known.by_location.insert(location.to_owned(), format.clone());
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        // What was remembered is whole whatever happened.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use protocol::Timestamp;
    use summation::Detection;

    use super::*;

    #[test]
    fn another_job_finds_out_anew() {
        let Ok(Detection::Format(text)) = Format::detect(b"1,2", 3, None) else {
            panic!("text is told");
        };
        let formats = Formats::default();
        let [one, other] = [1, 2].map(|at| JobId::from_parts(Timestamp::from_millis(at), 0));
        formats.remember(one, "a.csv", &text);
        assert!(formats.get(one, "a.csv").is_some());
        assert!(formats.get(one, "b.csv").is_none());
        assert!(formats.get(other, "a.csv").is_none());
        formats.remember(other, "b.csv", &text);
        assert!(formats.get(one, "a.csv").is_none());
    }
}
