//! The parameters of a simulation and its measurements.

use protocol::request::FanIn;

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
    /// What the broker takes for a message. Messages wait for each other.
    pub broker_us: u64,
    /// What the server takes for an event, and for a command that it sends. Events wait
    /// for each other.
    pub server_us: u64,
    /// Heartbeat interval of an attempt in a small pool.
    pub heartbeat_us: u64,
    /// Heartbeat interval of an idle worker.
    pub idle_heartbeat_us: u64,
    /// When a worker starts after it was requested: at the least and at the most.
    pub start_us: (u64, u64),
    /// The speed of a worker that the simulation starts: at the least and at the most.
    pub start_speed: (f64, f64),
    /// The probabilities of the faults.
    pub faults: Faults,
    /// Maximum total number of faults that destroy work.
    pub faults_max: u32,
    /// Maximum number of failures of the program that are injected into a task.
    pub failures_per_task_max: u32,
    /// Maximum number of crashes and stalls of workers that are injected into a task.
    pub deaths_per_task_max: u32,
    /// Whether the invariants are checked after every event.
    pub checked: bool,
    /// Whether the simulation starts the workers that the scheduler requests and
    /// replaces crashed ones.
    pub managed_pool: bool,
}

/// What a broker takes for a message: RabbitMQ with quorum queues passed 8,100 tasks of two
/// messages each a second on two cores.
const BROKER_US: u64 = 60;
/// What the server takes for an event or a command: with RabbitMQ and workers on the same
/// two cores, 5,000 tasks a second pass through it.
const SERVER_US: u64 = 100;
/// Heartbeat interval of an attempt in a small pool, as the server sets it.
const HEARTBEAT_US: u64 = 500_000;
/// Heartbeat interval of an idle worker, as workers set it.
const IDLE_HEARTBEAT_US: u64 = 5_000_000;

impl Default for Terms {
    fn default() -> Self {
        Terms {
            settings: Settings { external_pool: true, ..Settings::default() },
            rule: None,
            message_us: 1_000,
            jitter_us: 0.0,
            broker_us: BROKER_US,
            server_us: SERVER_US,
            heartbeat_us: HEARTBEAT_US,
            idle_heartbeat_us: IDLE_HEARTBEAT_US,
            start_us: (1_000_000, 3_000_000),
            start_speed: (1.0, 1.0),
            faults: Faults::default(),
            faults_max: 0,
            failures_per_task_max: u32::MAX,
            deaths_per_task_max: u32::MAX,
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
    /// The cost model of the planner.
    pub costs: Costs,
    /// What work takes in the simulated world.
    pub truth: Truth,
    /// Time of submission, in microseconds.
    pub at_us: u64,
}

/// What work takes in the simulated world, at speed 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Truth {
    /// The costs of requests and bytes.
    pub costs: Costs,
    /// Variation of the duration of a segment: the sigma of a log-normal distribution with
    /// mean 1.
    pub variation: f64,
}

impl Truth {
    /// A store that is slower than the planner believes, and not always equally fast.
    pub const REAL: Truth = Truth {
        costs: Costs {
            request_secs: 0.030,
            read_bytes_per_sec: 170e6,
            write_bytes_per_sec: 90e6,
            ..Costs::REAL
        },
        variation: 0.2,
    };

    /// A world that is as the planner believes.
    #[must_use]
    pub const fn as_planned(costs: Costs) -> Truth {
        Truth { costs, variation: 0.0 }
    }
}

impl Load {
    /// The work that every plan has to do, in microseconds at speed 1: to open each object
    /// once, to read each byte once, and to write the total once.
    #[must_use]
    pub fn least_work(&self) -> f64 {
        let costs = &self.truth.costs;
        let opened = self.inputs.objects.div_ceil(self.limits.open_objects.max(1).into());
        let written = self.columns * self.inputs.partial_column_bytes;
        let seconds = opened as f64 * costs.request_secs
            + self.inputs.bytes as f64 / costs.read_bytes_per_sec
            + written as f64 / costs.write_bytes_per_sec;
        seconds * 1e6
    }
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
    /// Total time of workers in the pool, from start to exit, in microseconds.
    pub present_us: f64,
    /// `busy_us` at `last_start_us`.
    pub busy_until_last_us: f64,
    /// When the last task was started for the first time, in microseconds.
    pub last_start_us: u64,
    /// When the last job ended, in microseconds.
    pub end_us: u64,
    /// How long the server was occupied, in microseconds.
    pub server_us: u64,
}
