//! The parameters of a simulation and its measurements.

use protocol::job::FanIn;

use super::faults::Faults;
use crate::Settings;
use crate::event::JobTerms;
use crate::plan::{Costs, PlanInputs, PlanLimits};
use crate::speculation::Rule;

/// The parameters of a simulation. Times are in microseconds.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The scheduler's settings.
    pub settings: Settings,
    /// The speculation rule of all jobs; `None` for each job's own.
    pub rule: Option<Rule>,
    /// Minimum message latency.
    pub message_us: u64,
    /// Mean of the exponentially distributed additional latency.
    pub jitter_us: f64,
    /// Heartbeat interval.
    pub heartbeat_us: u64,
    /// The probabilities of the faults.
    pub faults: Faults,
    /// Maximum total number of faults that destroy work.
    pub faults_max: u32,
    /// Whether the invariants are checked after every event.
    pub checked: bool,
    /// Whether the simulation starts the workers that the scheduler requests and
    /// replaces crashed ones.
    pub managed_pool: bool,
}

impl Default for Terms {
    fn default() -> Self {
        Terms {
            settings: Settings { external_pool: true, ..Settings::default() },
            rule: None,
            message_us: 1_000,
            jitter_us: 0.0,
            heartbeat_us: 1_000_000,
            faults: Faults::default(),
            faults_max: 0,
            checked: false,
            managed_pool: false,
        }
    }
}

/// A job to simulate.
#[derive(Clone, Debug)]
pub struct Load {
    /// The properties of its objects, as the planner sees them.
    pub inputs: PlanInputs,
    /// The true C, which may differ from the estimate.
    pub columns: u64,
    /// P, the fan-in.
    pub fan_in: FanIn,
    /// W and the speculation parameters.
    pub terms: JobTerms,
    /// The limits on the memory of a worker.
    pub limits: PlanLimits,
    /// The cost model at speed 1.
    pub costs: Costs,
    /// Time of submission, in microseconds.
    pub at_us: u64,
}

/// The measurements of a simulation. Work is in microseconds at speed 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measures {
    /// Number of events that the scheduler handled.
    pub events: u64,
    /// Work on segments that were not stored before.
    pub useful_work: f64,
    /// All other work: duplicate or unfinished segments.
    pub double_work: f64,
    /// Total worker time spent executing, in microseconds.
    pub busy_us: f64,
    /// `busy_us` at `last_start_us`.
    pub busy_until_last_us: f64,
    /// When the last task was started for the first time, in microseconds.
    pub last_start_us: u64,
    /// When the last job ended, in microseconds.
    pub end_us: u64,
}
