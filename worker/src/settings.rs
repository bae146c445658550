//! How much a worker reads at a time, and its injected faults.

use std::fmt;
use std::time::Duration;

use program::arguments::SharedArguments;
use reading::FILE_RANGE_BYTES;

/// The settings of a worker. The defaults suit most stores.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The most objects that are open at the same time.
    pub max_open_objects: usize,
    /// The size in bytes of one read from an object.
    pub range_bytes: usize,
    /// The heartbeat interval of a worker without an attempt, in milliseconds.
    pub alive_ms: u64,
    /// The faults injected on purpose.
    pub faults: Faults,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            max_open_objects: 5,
            range_bytes: 8 << 20,
            alive_ms: 5_000,
            faults: Faults::default(),
        }
    }
}

/// From the flags that server and worker share.
impl From<&SharedArguments> for Settings {
    fn from(arguments: &SharedArguments) -> Self {
        Settings {
            max_open_objects: arguments.max_open_objects,
            range_bytes: arguments.range_bytes,
            faults: Faults { slowness: arguments.slowness },
            ..Settings::default()
        }
    }
}

impl Settings {
    /// The memory that reading one object takes, in bytes: one range that is
    /// being added and one that is on its way, or one small one of a file.
    #[must_use]
    pub const fn object_bytes(&self, is_file: bool) -> u64 {
        let range = self.range_bytes as u64;
        match is_file {
            true if range > FILE_RANGE_BYTES as u64 => FILE_RANGE_BYTES as u64,
            true => range,
            false => 2 * range,
        }
    }
}

/// Faults injected on purpose, for tests and demonstrations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Faults {
    /// How many times slower than its hardware the worker is; 1 is full speed.
    pub slowness: f64,
}

impl Default for Faults {
    fn default() -> Self {
        Faults { slowness: 1.0 }
    }
}

impl Faults {
    /// Slows work down that took this long at full speed: sleeps for the rest.
    pub(crate) async fn slow_down(&self, worked: Duration) {
        if self.slowness > 1.0 {
            tokio::time::sleep(worked.mul_f64(self.slowness - 1.0)).await;
        }
    }

    /// How many times longer than at full speed work takes, at least 1.
    pub(crate) const fn factor(&self) -> f64 {
        self.slowness.max(1.0)
    }

    /// The faults as text, if there are any; the dashboard shows them.
    #[must_use]
    pub fn describe(&self) -> Option<String> {
        (*self != Faults::default()).then(|| self.to_string())
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}× slower on purpose", self.slowness)
    }
}
