//! The memory of a job: its bound, from the plan, and the measured peak.

use indicatif::HumanBytes;
use protocol::Plan;
use protocol::job::InputSummary;
use protocol::request::Statistic;

use crate::finishing;

/// The memory of the program besides a job's data: code, stacks of threads, and
/// freed memory that the allocator keeps for each thread. Code that is not optimised is
/// larger.
const PROGRAM_BYTES: u64 = if cfg!(debug_assertions) { 72 << 20 } else { 48 << 20 };

/// What an input object takes: its name, size and version, in the plan and while it is listed.
const OBJECT_BYTES: u64 = 500;
/// What a task takes: its state, that of its attempt, and its place in the timeline.
const TASK_BYTES: u64 = 600;

/// The memory bound of this process for a job, in bytes: its objects and tasks, its workers,
/// and the division of the total.
pub(super) fn process_bytes(
    plan: &Plan,
    inputs: &InputSummary,
    workers: u32,
    statistics: &[Statistic],
) -> u64 {
    let workers = u64::from(workers).min(plan.tasks());
    PROGRAM_BYTES
        + plan.objects.saturating_mul(OBJECT_BYTES)
        + plan.tasks().saturating_mul(TASK_BYTES)
        + workers.saturating_mul(plan.estimate.worker_memory_bytes)
        + finishing::memory_bytes(plan, statistics, inputs.is_typed())
}

/// The memory bound as text, with the part of a worker.
pub(super) fn describe(
    plan: &Plan,
    inputs: &InputSummary,
    workers: u32,
    statistics: &[Statistic],
) -> String {
    let bound = HumanBytes(process_bytes(plan, inputs, workers, statistics));
    let worker = HumanBytes(plan.estimate.worker_memory_bytes);
    format!("at most {bound}, of which {worker} a worker")
}

/// The peak resident memory of this process, in bytes; `None` if the system does
/// not report it.
pub(super) fn peak_resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_the_peak() {
        let held = vec![1_u8; 64 << 20];
        assert!(peak_resident_bytes().unwrap() > 64 << 20);
        drop(held);
    }
}
