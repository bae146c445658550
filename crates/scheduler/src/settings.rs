//! What an operator can set about scheduling.

/// Settings that hold for all jobs. Durations are in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// The fewest workers that are kept.
    pub min_workers: u32,
    /// The most workers that are kept.
    pub max_workers: u32,
    /// How long nothing must have happened before workers are let go.
    pub idle_ms: u64,
    /// How long an attempt, or an idle worker, is waited for after its last word.
    pub lease_ms: u64,
    /// How many attempts at a task may fail or be lost before its job fails.
    pub attempts_max: u32,
    /// How many attempts in a row a worker may fail before it is set aside.
    pub worker_failures_max: u32,
    /// How long a task that failed is left alone before its next attempt;
    /// four times as long after every further failure.
    pub retry_delay_ms: u64,
    /// How long a message may take to a worker and its answer back. So much
    /// work is published beyond what idle workers can take at once, that they
    /// need not wait for it; nothing where tasks take much longer anyway.
    pub look_ahead_ms: u64,
    /// Whether somebody else starts and stops the workers: none are asked for
    /// and none are sent away for want of work.
    pub external_pool: bool,
    /// How many jobs may be past Planning at once; the others wait.
    pub running_jobs_max: u32,
}

impl Settings {
    /// What holds where nothing else is said.
    pub const DEFAULT: Settings = Settings {
        min_workers: 0,
        max_workers: 32,
        idle_ms: 60_000,
        lease_ms: 15_000,
        attempts_max: 4,
        worker_failures_max: 3,
        retry_delay_ms: 250,
        look_ahead_ms: 10,
        external_pool: false,
        running_jobs_max: 16,
    };
}

impl Default for Settings {
    fn default() -> Self {
        Settings::DEFAULT
    }
}
