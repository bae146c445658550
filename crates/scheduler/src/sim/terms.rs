//! What a world is made of, and what is measured in it.

use protocol::request::FanIn;

use super::faults::Faults;
use crate::Settings;
use crate::event::JobTerms;
use crate::plan::{Costs, PlanInputs, PlanLimits};
use crate::speculation::Rule;

/// What a world is made of. Times are in microseconds.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The scheduler's settings.
    pub settings: Settings,
    /// The rule that finds stragglers in every job; the jobs' own if absent.
    pub rule: Option<Rule>,
    /// How long a message takes at least.
    pub message_us: u64,
    /// How much longer it takes on average.
    pub jitter_us: f64,
    /// How often workers speak.
    pub heartbeat_us: u64,
    /// How probable faults are.
    pub faults: Faults,
    /// How many faults that destroy work there may be in all.
    pub faults_max: u32,
    /// Whether the invariants are checked after every event.
    pub checked: bool,
    /// Whether workers that the scheduler asks for appear, and those that die
    /// are replaced.
    pub tended: bool,
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
            tended: false,
        }
    }
}

/// A job to simulate.
#[derive(Clone, Debug)]
pub struct Load {
    /// What is known about its objects.
    pub inputs: PlanInputs,
    /// C as it turns out to be.
    pub columns: u64,
    /// P.
    pub fan_in: FanIn,
    /// W and its speculation.
    pub terms: JobTerms,
    /// What a worker may hold.
    pub limits: PlanLimits,
    /// How long things take at the usual speed.
    pub costs: Costs,
    /// When it is submitted.
    pub at_us: u64,
}

/// What was measured. Work is in microseconds at the usual speed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measures {
    /// Events that the scheduler has handled.
    pub events: u64,
    /// Work whose segments were the first to be there.
    pub useful_work: f64,
    /// All other work.
    pub double_work: f64,
    /// Worker time spent executing.
    pub busy_us: f64,
    /// The same up to the moment when the last task was first started …
    pub busy_until_last_us: f64,
    /// … which is this.
    pub last_start_us: u64,
    /// When the last job was over.
    pub end_us: u64,
}
