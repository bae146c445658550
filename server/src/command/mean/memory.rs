//! The memory of this process: its bound as text, and the measured peak.

use indicatif::HumanBytes;
use protocol::Plan;
use protocol::job::InputSummary;
use protocol::request::Statistic;

use crate::memory::process_bytes;

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
