//! Ids of jobs, tasks, attempts and workers.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ulid::Ulid;

/// The id of a job, never reused.
///
/// A ULID: 48 bits of submission time, so that ids sort by age, then 80 random
/// bits, so that links are unguessable. Printed as 26 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(Ulid);

impl JobId {
    /// Makes an id from the submission time and random bits, of which the low 80 are used.
    #[must_use]
    pub fn from_parts(submitted_at: crate::Timestamp, random: u128) -> JobId {
        JobId(Ulid::from_parts(submitted_at.as_millis(), random))
    }

    /// When the job was submitted.
    #[must_use]
    pub fn submitted_at(self) -> crate::Timestamp {
        crate::Timestamp::from_millis(self.0.timestamp_ms())
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for JobId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ulid::from_string(text).map(JobId).map_err(|_| InvalidId)
    }
}

/// The id of a task within its job: one node of the sum tree, for one range of columns.
///
/// Printed as `level.node.range`, each from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId {
    /// The level of the sum tree, from 0; level 0 sums input objects.
    pub level: u8,
    /// The node within its level, from 0.
    pub node: u32,
    /// The range of columns within its node, from 0.
    pub range: u32,
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.level, self.node, self.range)
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TaskId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('.');
        let task = TaskId {
            level: parse_part(parts.next())?,
            node: parse_part(parts.next())?,
            range: parse_part(parts.next())?,
        };
        parts.next().is_none().then_some(task).ok_or(InvalidId)
    }
}

/// The id of an attempt: one execution of a task by one worker.
///
/// Printed as `job/level.node.range/number`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId {
    /// The job of the task.
    pub job: JobId,
    /// The task.
    pub task: TaskId,
    /// The number of the attempt within its task, from 1.
    pub number: u32,
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.job, self.task, self.number)
    }
}

impl fmt::Debug for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for AttemptId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('/');
        let attempt = AttemptId {
            job: parse_part(parts.next())?,
            task: parse_part(parts.next())?,
            number: parse_part(parts.next())?,
        };
        parts.next().is_none().then_some(attempt).ok_or(InvalidId)
    }
}

/// The id of a running worker: the name its pool gave it, or host, process and slot.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkerId(Arc<str>);

impl WorkerId {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Compares names as people do: `worker-2` comes before `worker-10`.
    #[must_use]
    pub fn natural_cmp(&self, other: &WorkerId) -> Ordering {
        let (mut one, mut two) = (self.as_str(), other.as_str());
        while !one.is_empty() && !two.is_empty() {
            let (first, second);
            (first, one) = first_run(one);
            (second, two) = first_run(two);
            // Of numbers without zeros before them, the longer one is larger.
            let numbers = [first, second].map(|run| run.trim_start_matches('0'));
            let are_numbers = [first, second].iter().all(|run| run.as_bytes()[0].is_ascii_digit());
            let order = match are_numbers {
                true => numbers[0].len().cmp(&numbers[1].len()).then(numbers[0].cmp(numbers[1])),
                false => first.cmp(second),
            };
            if order.is_ne() {
                return order;
            }
        }
        one.len().cmp(&two.len()).then_with(|| self.cmp(other))
    }
}

/// Splits a text, which is not empty, after its first digits, or before them.
fn first_run(text: &str) -> (&str, &str) {
    let begins_with_digit = text.as_bytes()[0].is_ascii_digit();
    let is_other = |letter: char| letter.is_ascii_digit() != begins_with_digit;
    text.split_at(text.find(is_other).unwrap_or(text.len()))
}

impl<T: Into<Arc<str>>> From<T> for WorkerId {
    fn from(name: T) -> Self {
        WorkerId(name.into())
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The error of parsing a text that is not an id of the expected type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidId;

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a valid id")
    }
}

impl std::error::Error for InvalidId {}

fn parse_part<T: FromStr>(part: Option<&str>) -> Result<T, InvalidId> {
    part.ok_or(InvalidId)?.parse().map_err(|_| InvalidId)
}

/// Serialises a type as its `Display` text.
macro_rules! serialize_as_text {
    ($($id:ty),*) => {$(
        impl Serialize for $id {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $id {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

serialize_as_text!(JobId, TaskId, AttemptId);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    #[test]
    fn an_attempt_id_parses_what_it_prints() {
        let attempt = AttemptId {
            job: JobId::from_parts(Timestamp::from_millis(1_700_000_000_000), 42),
            task: TaskId { level: 2, node: 17, range: 3 },
            number: 1,
        };
        assert_eq!(attempt.to_string().parse(), Ok(attempt));
    }

    #[test]
    fn ids_sort_by_age() {
        let old = JobId::from_parts(Timestamp::from_millis(1), u128::MAX);
        let new = JobId::from_parts(Timestamp::from_millis(2), 0);
        assert!(old < new);
    }

    #[test]
    fn names_of_workers_are_sorted_by_their_numbers() {
        let mut names = ["worker-10", "worker-2", "w", "worker-1", "node-7-2", "node-07-1", "7"]
            .map(WorkerId::from);
        names.sort_by(WorkerId::natural_cmp);
        let names = names.each_ref().map(WorkerId::as_str);
        let sorted = ["7", "node-07-1", "node-7-2", "w", "worker-1", "worker-2", "worker-10"];
        assert_eq!(names, sorted);
    }

    #[test]
    fn a_task_id_with_too_many_parts_is_rejected() {
        assert_eq!("0.1.2.3".parse::<TaskId>(), Err(InvalidId));
    }
}
