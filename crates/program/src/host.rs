//! The machine that a program runs on.

/// The host name of this machine or container; `None` if it has none.
#[must_use]
pub fn host_name() -> Option<String> {
    let name = std::env::var("HOSTNAME")
        .or_else(|_| std::fs::read_to_string("/proc/sys/kernel/hostname"))
        .ok()?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}
