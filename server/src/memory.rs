//! Bounds of the memory of whole processes, from the plan of a job.

use protocol::Plan;
use protocol::job::InputSummary;
use protocol::request::Statistic;

use crate::finishing;

/// The memory of a program besides a job's data: code, stacks of threads, and
/// freed memory that the allocator keeps for each thread. Code that is not optimised is
/// larger.
const PROGRAM_BYTES: u64 = if cfg!(debug_assertions) { 72 << 20 } else { 48 << 20 };

/// What an input object takes: its name, size and version, in the plan and while it is listed.
const OBJECT_BYTES: u64 = 500;
/// What a task takes: its state, that of its attempt, and its place in the timeline.
const TASK_BYTES: u64 = 600;

/// The memory bound in bytes of a server that runs one job with its workers inside: its
/// objects and tasks, its workers, and the division of the total.
pub(crate) fn process_bytes(
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

/// The memory bound in bytes of a worker that is a process of its own of one slot, which
/// executes one attempt at a time.
pub(crate) fn worker_bytes(plan: &Plan) -> u64 {
    PROGRAM_BYTES.saturating_add(plan.estimate.worker_memory_bytes)
}
