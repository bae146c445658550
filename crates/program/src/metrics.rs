//! The figures that each program exports for Prometheus: the registry, its text, and what
//! tells of the process and of the build.

mod process;

use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use self::process::Process;

pub use prometheus_client::encoding::prometheus_text::CONTENT_TYPE;

/// What the names of the programs' own figures begin with.
pub const PREFIX: &str = "distributed_average";

/// A registry with the figures of the process and of the build of `program`, `server` or
/// `worker`. What is registered in [`own`] gets the prefix [`PREFIX`].
#[must_use]
pub fn registry(program: &'static str) -> Registry {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Process));
    let build = [("program", program), ("version", env!("CARGO_PKG_VERSION"))];
    let help = "The program and the version that run";
    registry.sub_registry_with_prefix(PREFIX).register("build", help, Info::new(build));
    registry
}

/// The part of a registry for the programs' own figures.
pub fn own(registry: &mut Registry) -> &mut Registry {
    registry.sub_registry_with_prefix(PREFIX)
}

/// The figures of a registry in the text format of Prometheus ([`CONTENT_TYPE`]).
#[must_use]
pub fn text(registry: &Registry) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = prometheus_text::encode(&mut text, registry);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_tells_of_the_process_and_of_the_build() {
        let text = text(&registry("server"));
        let build = format!(
            "distributed_average_build_info{{program=\"server\",version=\"{}\"}} 1",
            env!("CARGO_PKG_VERSION")
        );
        assert!(text.lines().any(|line| line == build), "{text}");
        let figure = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
            line.unwrap_or_else(|| panic!("{name} is not in\n{text}")).parse().unwrap()
        };
        assert!(figure("process_cpu_seconds_total") >= 0.0);
        assert!(figure("process_open_fds") >= 3.0);
        assert!(figure("process_max_fds") >= figure("process_open_fds"));
        assert!(figure("process_threads") >= 1.0);
        assert!(figure("process_resident_memory_bytes") > 1e6);
        assert!(figure("process_virtual_memory_bytes") > figure("process_resident_memory_bytes"));
        let now = crate::clock::now().as_millis() as f64 / 1000.0;
        let started = figure("process_start_time_seconds");
        assert!((now - 3600.0..=now + 2.0).contains(&started), "{started} at {now}");
    }
}
