//! Several jobs that share a pool, and pools that are scaled.

use protocol::request::{FanIn, Priority};

use super::scenario::{Reading, Scenario, Speeds};
use super::terms::{Load, Terms, Truth};
use super::worker::Speed;
use super::world::World;
use crate::Settings;

/// The size of a shared pool.
const WORKERS: u32 = 32;

/// Jobs on a pool of 32 workers of equal speed, of which one is watched.
#[derive(Clone, Debug)]
pub struct Sharing {
    /// The name in the table.
    pub name: &'static str,
    /// The jobs that are submitted at once.
    pub others: Vec<Load>,
    /// The job that is watched, which is submitted after them.
    pub watched: Load,
    /// How many times as long as alone it may take at the most.
    pub times_max: f64,
}

/// What it meant for a job to share the pool.
#[derive(Clone, Copy, Debug)]
pub struct Shared {
    /// How long the job takes if it has the pool for itself, in seconds.
    pub alone_secs: f64,
    /// How long it took, in seconds.
    pub shared_secs: f64,
}

const JOB: Scenario = Scenario {
    name: "",
    objects: 10_000,
    columns: 10_000_000,
    reading: Reading::AnyColumn,
    fan_in: FanIn::Auto,
    workers: WORKERS,
    speeds: Speeds::Uniform,
    truth: Truth::REAL,
};

/// A job of some hours on the whole pool.
fn long(workers: u32) -> Load {
    Scenario { workers, ..JOB }.load()
}

/// A job of some seconds.
fn short(workers: u32) -> Load {
    Scenario { objects: 20, columns: 1_000_000, workers, ..JOB }.load()
}

fn of_priority(load: Load, priority: Priority) -> Load {
    Load { terms: crate::JobTerms { priority, ..load.terms }, ..load }
}

/// The rows of the table.
#[must_use]
pub fn rows() -> Vec<Sharing> {
    let middle = Scenario { objects: 1_000, ..JOB };
    let beside = |priority| Sharing {
        name: match priority {
            Priority::Low => "low priority beside one of normal",
            Priority::Normal => "normal priority beside one like it",
            Priority::High => "high priority beside one of normal",
        },
        others: vec![long(WORKERS)],
        watched: of_priority(middle.load(), priority),
        times_max: match priority {
            Priority::Low => 6.0,
            Priority::Normal => 2.4,
            Priority::High => 1.5,
        },
    };
    vec![
        Sharing {
            name: "W = 2 beside W = 1,000,000,000",
            others: vec![long(1_000_000_000)],
            watched: Scenario { objects: 64, workers: 2, ..JOB }.load(),
            times_max: 1.5,
        },
        Sharing {
            name: "a short job behind 16 long ones",
            others: (0..16).map(|_| long(WORKERS)).collect(),
            watched: short(4),
            times_max: 10.0,
        },
        Sharing {
            name: "a short job behind 16 long and 3 short ones",
            others: (0..16).map(|_| long(WORKERS)).chain((0..3).map(|_| short(4))).collect(),
            watched: short(4),
            times_max: 10.0,
        },
        beside(Priority::Low),
        beside(Priority::Normal),
        beside(Priority::High),
    ]
}

impl Sharing {
    /// Runs the watched job beside the others, and alone.
    ///
    /// # Errors
    /// A description of the failure.
    pub fn run(&self) -> Result<Shared, String> {
        const AT_US: u64 = 60_000_000;
        let alone = watch(vec![self.watched.clone()])?;
        let watched = Load { at_us: AT_US, ..self.watched.clone() };
        let shared = watch(self.others.iter().cloned().chain([watched]).collect())?;
        Ok(Shared { alone_secs: alone as f64 / 1e6, shared_secs: (shared - AT_US) as f64 / 1e6 })
    }
}

/// When the last one of some jobs ends, in microseconds.
fn watch(loads: Vec<Load>) -> Result<u64, String> {
    let terms = Terms {
        settings: Settings { external_pool: true, max_workers: WORKERS, ..Settings::default() },
        ..Terms::default()
    };
    let nodes = ["a", "b", "c", "d"].into_iter().cycle();
    let speeds: Vec<_> =
        nodes.map(|node| (Speed::steady(1.0), node)).take(WORKERS as usize).collect();
    let mut world = World::new(terms, 1, &speeds, loads);
    let watched = *world.job_ids().last().ok_or("no job")?;
    world.run_until_ended(watched)
}

/// A job for which a pool is scaled, from no worker on.
#[derive(Clone, Copy, Debug)]
pub struct Scaling {
    /// The name in the table.
    pub name: &'static str,
    /// The job.
    pub scenario: Scenario,
}

/// What scaling a pool cost.
#[derive(Clone, Copy, Debug)]
pub struct Scaled {
    /// Number of levels of the sum tree.
    pub levels: usize,
    /// Completion time in seconds.
    pub secs: f64,
    /// Worker-seconds of a pool of W workers from submission to end.
    pub unscaled_secs: f64,
    /// Worker-seconds in which workers executed something.
    pub busy_secs: f64,
    /// Worker-seconds in which workers were there and executed nothing.
    pub idle_secs: f64,
}

/// The rows of the table.
pub const SCALING: &[Scaling] = &[
    Scaling {
        name: "five levels, P = 5",
        scenario: Scenario { objects: 3_125, fan_in: FanIn::Fixed(5), workers: 100, ..JOB },
    },
    Scaling {
        name: "five levels, P = 5, two segments",
        scenario: Scenario {
            objects: 3_125,
            columns: 2_000_000,
            fan_in: FanIn::Fixed(5),
            workers: 100,
            ..JOB
        },
    },
    Scaling {
        name: "five levels, P = 4, W = 16",
        scenario: Scenario { objects: 1_024, fan_in: FanIn::Fixed(4), workers: 16, ..JOB },
    },
    Scaling {
        name: "text, five levels, P = 5",
        scenario: Scenario {
            objects: 3_125,
            reading: Reading::Text,
            fan_in: FanIn::Fixed(5),
            workers: 100,
            ..JOB
        },
    },
    Scaling {
        name: "five levels, P = 5, five seconds",
        scenario: Scenario {
            objects: 3_125,
            columns: 400_000,
            fan_in: FanIn::Fixed(5),
            workers: 100,
            ..JOB
        },
    },
    Scaling { name: "P = auto", scenario: Scenario { workers: 100, ..JOB } },
];

impl Scaling {
    /// Runs the job.
    ///
    /// # Errors
    /// A description of the failure.
    pub fn run(&self) -> Result<Scaled, String> {
        let workers = self.scenario.workers;
        let terms = Terms {
            settings: Settings { max_workers: workers, ..Settings::default() },
            managed_pool: true,
            ..Terms::default()
        };
        let mut world = World::new(terms, 1, &[], vec![self.scenario.load()]);
        world.run()?;
        let measures = world.measures;
        Ok(Scaled {
            levels: world.plans().map(|plan| plan.levels.len()).max().unwrap_or(0),
            secs: measures.end_us as f64 / 1e6,
            unscaled_secs: f64::from(workers) * measures.end_us as f64 / 1e6,
            busy_secs: measures.busy_us / 1e6,
            idle_secs: (measures.present_us - measures.busy_us) / 1e6,
        })
    }
}
