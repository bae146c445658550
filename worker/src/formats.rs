//! What is known of the objects of a job, from one attempt to the next.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use protocol::task::{InputObject, ObjectPart};
use protocol::{JobId, ObjectVersion};
use summation::Format;

/// More than these are not remembered, to bound the memory.
const FORMATS_MAX: usize = 10_000;

/// Nor more than these bytes: the names of the columns of a table may be long.
const FORMAT_BYTES_MAX: usize = 32 << 20;

/// The formats of objects that attempts of one job have opened: asking a
/// distant store for a header takes about as long as for all that an attempt at
/// a few columns wants. A job reads one version of each object, which it is pinned to; the
/// next job may read another, and so may the same job once it has been resumed. Formats are
/// aligned with one reference: with another version of it, all are found out anew.
#[derive(Debug, Default)]
pub(crate) struct Formats {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    job: Option<JobId>,
    /// The object whose parts all others have, in its order.
    reference: Option<InputObject>,
    by_location: HashMap<String, Seen>,
    /// How much memory they take.
    bytes: usize,
}

/// The format of one version of an object.
#[derive(Debug)]
struct Seen {
    bytes: u64,
    version: Option<ObjectVersion>,
    parts: Box<[ObjectPart]>,
    format: Format,
}

impl Formats {
    /// The format of an object, if an attempt of the job has found it out.
    pub(crate) fn get(
        &self,
        job: JobId,
        reference: Option<&InputObject>,
        object: &InputObject,
    ) -> Option<Format> {
        let known = self.lock();
        let is_of_job = known.is_of(job, reference);
        let seen = known.by_location.get(&object.location).filter(|_| is_of_job)?;
        let is_same = seen.version == object.version
            && seen.bytes == object.bytes
            && seen.parts == object.parts;
        is_same.then(|| seen.format.clone())
    }

    /// Remembers the format of an object, and forgets those of other jobs.
    pub(crate) fn remember(
        &self,
        job: JobId,
        reference: Option<&InputObject>,
        object: &InputObject,
        format: &Format,
    ) {
        let mut known = self.lock();
        if !known.is_of(job, reference) {
            let reference = reference.cloned();
            *known = Known { job: Some(job), reference, ..Known::default() };
        }
        let bytes = known.bytes.saturating_add(format.memory_bytes());
        if known.by_location.len() < FORMATS_MAX && bytes <= FORMAT_BYTES_MAX {
            known.bytes = bytes;
            let InputObject { location, bytes, version, parts, .. } = object.clone();
            let seen = Seen { bytes, version, parts, format: format.clone() };
            known.by_location.insert(location, seen);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        // What was remembered is whole whatever happened.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn is_of(&self, job: JobId, reference: Option<&InputObject>) -> bool {
        self.job == Some(job) && self.reference.as_ref() == reference
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
        let object = |location: &str, etag: &str| InputObject {
            location: location.to_owned(),
            bytes: 3,
            version: Some(ObjectVersion::of_etag(etag)),
            weight: None,
            parts: Box::default(),
        };
        let a = object("a.csv", "1");
        formats.remember(one, None, &a, &text);
        assert!(formats.get(one, None, &a).is_some());
        assert!(formats.get(one, None, &object("b.csv", "1")).is_none());
        assert!(formats.get(other, None, &a).is_none());
        formats.remember(other, None, &object("b.csv", "1"), &text);
        assert!(formats.get(one, None, &a).is_none());
    }

    #[test]
    fn a_resumed_job_finds_out_anew_what_has_changed() {
        let Ok(Detection::Format(text)) = Format::detect(b"1,2", 3, None) else {
            panic!("text is told");
        };
        let formats = Formats::default();
        let job = JobId::from_parts(Timestamp::from_millis(1), 0);
        let object = |location: &str, etag: &str| InputObject {
            location: location.to_owned(),
            bytes: 3,
            version: Some(ObjectVersion::of_etag(etag)),
            weight: None,
            parts: Box::default(),
        };
        let [first, first_later] = ["1", "2"].map(|etag| object("a.csv", etag));
        let [other, other_later] = ["1", "2"].map(|etag| object("b.csv", etag));
        formats.remember(job, Some(&first), &other, &text);
        assert!(formats.get(job, Some(&first), &other).is_some());
        assert!(formats.get(job, Some(&first), &other_later).is_none());
        assert!(formats.get(job, Some(&first_later), &other).is_none(), "it may have its order");
        // A shard may change while the index of the model does not.
        let part = |etag: &str| ObjectPart {
            location: "b-1".to_owned(),
            bytes: 3,
            version: Some(ObjectVersion::of_etag(etag)),
        };
        let [model, model_later] =
            ["1", "2"].map(|etag| InputObject { parts: Box::new([part(etag)]), ..other.clone() });
        formats.remember(job, Some(&first), &model, &text);
        assert!(formats.get(job, Some(&first), &model).is_some());
        assert!(formats.get(job, Some(&first), &model_later).is_none());
    }
}
