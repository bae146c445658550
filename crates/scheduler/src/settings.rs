//! Settings of the scheduler.

/// Settings that apply to all jobs. Durations are in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Minimum number of workers in the pool.
    pub min_workers: u32,
    /// Maximum number of workers in the pool.
    pub max_workers: u32,
    /// How long workers must be surplus before the pool is scaled down.
    pub idle_ms: u64,
    /// Lease duration: an attempt or an idle worker is lost after this long
    /// without a report.
    pub lease_ms: u64,
    /// Attempts at one task that failed by an unexpected error, after which its job
    /// fails; 0 counts as 1. Lost attempts and errors of workers and stores do not count.
    pub attempts_max: u32,
    /// Workers that died in the midst of one segment of a task, after which its job fails,
    /// as the task seems to kill them; 0 counts as 1.
    pub deaths_max: u32,
    /// Consecutive failures after which a worker is drained and gets no more
    /// attempts; 0 counts as 1.
    pub worker_failures_max: u32,
    /// Back-off before a failed task is retried. It quadruples with every
    /// further failure.
    pub retry_delay_ms: u64,
    /// Round-trip time of a message to a worker. Enough short tasks are
    /// published ahead to keep workers busy during a round trip; 0 disables
    /// publishing ahead.
    pub look_ahead_ms: u64,
    /// Work that is published together, as one message for one worker: as many short tasks
    /// as take this long. Otherwise messages would take longer than such tasks; 0 publishes
    /// each alone.
    pub bundle_ms: u64,
    /// Whether the pool is managed externally. The scheduler then neither
    /// scales the pool nor drains surplus workers.
    pub external_pool: bool,
    /// Maximum number of jobs in phase Running; 0 counts as 1. Further planned
    /// jobs wait, except for a few that are planned to take seconds.
    pub running_jobs_max: u32,
}

impl Settings {
    /// The default settings, as a constant.
    pub const DEFAULT: Settings = Settings {
        min_workers: 0,
        max_workers: 32,
        idle_ms: 60_000,
        lease_ms: 15_000,
        attempts_max: 4,
        deaths_max: 3,
        worker_failures_max: 3,
        retry_delay_ms: 250,
        look_ahead_ms: 10,
        bundle_ms: 25,
        external_pool: false,
        running_jobs_max: 16,
    };
}

impl Default for Settings {
    fn default() -> Self {
        Settings::DEFAULT
    }
}
