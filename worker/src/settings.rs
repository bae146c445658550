//! How much a worker reads at a time, and what it is told to do wrong.

use std::fmt;
use std::time::Duration;

use program::arguments::SharedArguments;
use reading::FILE_RANGE_BYTES;

/// How a worker works. The defaults need no thought.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How many objects are read at the same time, at most.
    pub max_open_objects: usize,
    /// How many bytes are asked of the store at a time, for one object.
    pub range_bytes: usize,
    /// How often a worker without an attempt says that it is there.
    pub alive_ms: u64,
    /// What it does wrong on purpose.
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

/// What the flags say that the worker shares with its server.
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

/// What a worker does wrong on purpose, for tests and demonstrations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Faults {
    /// How many times slower than it could it works; 1 is as fast as it can.
    pub slowness: f64,
}

impl Default for Faults {
    fn default() -> Self {
        Faults { slowness: 1.0 }
    }
}

impl Faults {
    /// Waits for as much longer as work that took so long is told to take.
    pub(crate) async fn slow_down(&self, worked: Duration) {
        if self.slowness > 1.0 {
            tokio::time::sleep(worked.mul_f64(self.slowness - 1.0)).await;
        }
    }

    /// The faults in words, if there are any; shown wherever the worker is.
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
