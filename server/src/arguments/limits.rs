//! The flags that bound what jobs may take, and how long they are kept.

use std::time::Duration;

use clap::Args;

use crate::limits::{JobLimits, Limits};

/// The maximum that jobs may take, and how long they are kept.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits")]
pub struct LimitArguments {
    /// Number of jobs whose inputs are listed at the same time, and of jobs whose test
    /// data is generated at the same time; further jobs wait.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_PLANNING_JOBS", default_value_t = 4,
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub planning_jobs: u32,
    /// Maximum number of jobs that wait to run; more are rejected with status 429.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_MAX_QUEUED_JOBS", default_value_t = 1000,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_queued_jobs: u32,
    /// Maximum number of jobs of one user that run or wait; more are rejected with status
    /// 429. A user is a token, or whom a trusted proxy names [default: any number].
    #[arg(long, env = "DISTRIBUTED_AVERAGE_MAX_JOBS_PER_USER",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_jobs_per_user: Option<u32>,
    /// Maximum number of input objects of a job.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_MAX_OBJECTS", default_value_t = 1_000_000,
        value_parser = clap::value_parser!(u64).range(1..))]
    pub max_objects: u64,
    /// Maximum number of columns of a job.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_MAX_COLUMNS", default_value_t = 10_000_000_000,
        value_parser = clap::value_parser!(u64).range(1..))]
    pub max_columns: u64,
    /// Maximum number of tasks of a job; each takes about 200 bytes of memory.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_MAX_TASKS", default_value_t = 2_000_000,
        value_parser = clap::value_parser!(u64).range(1..))]
    pub max_tasks: u64,
    /// Maximum size in bytes of the partial sums and results of a job; never less than
    /// 16 times the size of its inputs.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_MAX_JOB_BYTES", default_value_t = 64 << 30,
        value_parser = clap::value_parser!(u64).range(1..))]
    pub max_job_bytes: u64,
    /// Maximum size in bytes of the test data of all jobs together.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_MAX_GENERATED_BYTES", default_value_t = 128 << 30)]
    pub max_generated_bytes: u64,
    /// Number of finished jobs in memory; older ones are read from the store when they
    /// are requested.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_JOBS_IN_MEMORY", default_value_t = 1000,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub jobs_in_memory: u32,
    /// Time after which a finished job is deleted with all its objects, such as 30d,
    /// 12h, 90m or 45s [default: never].
    #[arg(long, env = "DISTRIBUTED_AVERAGE_KEEP_JOBS", value_name = "DURATION",
        value_parser = duration)]
    pub keep_jobs: Option<Duration>,
    /// Time for which the partial sums of a failed or cancelled job are kept, so that it
    /// can be resumed where it stands, such as 30d, 12h, 90m or 45s; 0s deletes them at
    /// once.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_KEEP_RESUMABLE", value_name = "DURATION",
        default_value = "24h", value_parser = duration_or_none)]
    pub keep_resumable: Duration,
    /// Maximum size in bytes of what has arrived of all uploads that are not finished, of
    /// those that can be resumed.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_MAX_UPLOAD_BYTES", default_value_t = 64 << 30)]
    pub max_upload_bytes: u64,
    /// Time for which an upload that nobody continues is kept, such as 2d, 12h or 90m.
    #[arg(long, env = "DISTRIBUTED_AVERAGE_KEEP_UPLOADS", value_name = "DURATION",
        default_value = "24h", value_parser = duration)]
    pub keep_uploads: Duration,
}

impl LimitArguments {
    /// The limits that the flags set.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        Limits {
            job: JobLimits {
                objects: self.max_objects,
                columns: self.max_columns,
                tasks: self.max_tasks,
                written_bytes: self.max_job_bytes,
            },
            planning_jobs: count(self.planning_jobs),
            queued_jobs: count(self.max_queued_jobs),
            jobs_per_user: self.max_jobs_per_user.map(count),
            generated_bytes: self.max_generated_bytes,
            jobs_in_memory: count(self.jobs_in_memory),
            keep_jobs: self.keep_jobs,
            keep_resumable: self.keep_resumable,
            upload_bytes: self.max_upload_bytes,
            keep_uploads: self.keep_uploads,
        }
    }
}

/// Parses a duration that may be zero.
fn duration_or_none(text: &str) -> Result<Duration, String> {
    if text == "0s" { Ok(Duration::ZERO) } else { duration(text) }
}

/// Parses a duration: a whole number from 1 and its unit.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let invalid = || "expected a number and a unit, such as 30d, 12h, 90m or 45s".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(invalid)?;
    let unit_secs: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(invalid()),
    };
    let number: u64 = number.parse().map_err(|_| invalid())?;
    match number.checked_mul(unit_secs) {
        Some(secs) if secs > 0 => Ok(Duration::from_secs(secs)),
        _ => Err(invalid()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("45s"), Ok(Duration::from_secs(45)));
        assert_eq!(duration("90m"), Ok(Duration::from_mins(90)));
        assert_eq!(duration("12h"), Ok(Duration::from_hours(12)));
        assert_eq!(duration("30d"), Ok(Duration::from_hours(720)));
        for wrong in ["", "d", "30", "0d", "-1d", "1.5h", "30 d", "18446744073709551615d", "1é"] {
            assert!(duration(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(duration_or_none("0s"), Ok(Duration::ZERO));
        assert_eq!(duration_or_none("24h"), Ok(Duration::from_hours(24)));
        assert!(duration_or_none("0").is_err());
    }
}
