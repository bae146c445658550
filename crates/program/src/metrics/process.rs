//! The figures of the process, under the names that all client libraries of Prometheus
//! use. A system without `/proc` has none.

use std::fmt;
use std::fs;
use std::sync::OnceLock;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// The figures of this process, read when they are asked for.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(figures) = Figures::read() else {
            return Ok(());
        };
        let mut export = |name: &str, help: &str, metric: &dyn EncodeMetric| {
            metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
        };
        let cpu = ConstCounter::new(figures.cpu_secs);
        export("process_cpu_seconds", "User and system CPU time in seconds.", &cpu)?;
        let gauge = |value: u64| ConstGauge::new(value);
        export("process_threads", "Number of threads.", &gauge(figures.threads))?;
        let help = "Resident memory in bytes.";
        export("process_resident_memory_bytes", help, &gauge(figures.resident_bytes))?;
        let help = "Virtual memory in bytes.";
        export("process_virtual_memory_bytes", help, &gauge(figures.virtual_bytes))?;
        if let Some(started) = figures.started_secs() {
            let help = "Start of the process, in seconds since 1970.";
            export("process_start_time_seconds", help, &ConstGauge::new(started))?;
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            let open = gauge(open.count() as u64);
            export("process_open_fds", "Number of open file descriptors.", &open)?;
        }
        if let Some(most) = getrlimit(Resource::Nofile).current {
            let help = "Largest number of open file descriptors.";
            export("process_max_fds", help, &gauge(most))?;
        }
        Ok(())
    }
}

/// What `/proc/self/stat` tells.
#[derive(Debug, PartialEq)]
struct Figures {
    cpu_secs: f64,
    threads: u64,
    /// From the start of the system, in ticks of its clock.
    started_ticks: u64,
    virtual_bytes: u64,
    resident_bytes: u64,
}

impl Figures {
    fn read() -> Option<Figures> {
        Figures::parse(
            &fs::read_to_string("/proc/self/stat").ok()?,
            clock_ticks_per_second(),
            page_size() as u64,
        )
    }

    /// The fields are numbered from 1 in `proc(5)`. The second is the name of the program,
    /// which may contain spaces and parentheses.
    fn parse(stat: &str, ticks_per_sec: u64, page_bytes: u64) -> Option<Figures> {
        let (_, after_name) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Figures {
            cpu_secs: (field(14)? + field(15)?) as f64 / ticks_per_sec as f64,
            threads: field(20)?,
            started_ticks: field(22)?,
            virtual_bytes: field(23)?,
            resident_bytes: field(24)?.saturating_mul(page_bytes),
        })
    }

    /// When the process was started, in seconds since 1970.
    fn started_secs(&self) -> Option<f64> {
        Some(booted_secs()? + self.started_ticks as f64 / clock_ticks_per_second() as f64)
    }
}

/// When the system was started, in seconds since 1970. It is read once, because the file
/// is long where there are many processors.
fn booted_secs() -> Option<f64> {
    static BOOTED: OnceLock<Option<f64>> = OnceLock::new();
    *BOOTED.get_or_init(|| {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_is_skipped() {
        let stat = "17 (a (b) c) S 1 17 17 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 7 0 1234 8192 3 1";
        let expected = Figures {
            cpu_secs: 2.0,
            threads: 7,
            started_ticks: 1234,
            virtual_bytes: 8192,
            resident_bytes: 3 * 4096,
        };
        assert_eq!(Figures::parse(stat, 100, 4096), Some(expected));
        assert_eq!(Figures::parse("17 (a) S 1", 100, 4096), None);
    }
}
