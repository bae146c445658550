//! Worlds without faults, to compare policies in.

use protocol::request::{FanIn, Speculation};

use super::chance::Chance;
use super::machine::Speed;
use super::terms::{Load, Measures, Terms};
use super::world::World;
use crate::Settings;
use crate::event::JobTerms;
use crate::plan::{Costs, PlanInputs, PlanLimits};
use crate::speculation::Rule;

/// How fast the workers of a scenario are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speeds {
    /// All the same.
    Uniform,
    /// One in ten is eight times slower.
    OneInTen,
    /// One in ten becomes eight times slower on the way.
    Midway,
    /// One machine of four is four times slower.
    SlowNode,
    /// Log-normal, sigma 0.5.
    LogNormal,
    /// The second of two is eight times slower.
    OneOfTwo,
}

/// One job on workers that stay.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// What it is called in the table.
    pub name: &'static str,
    /// F.
    pub objects: u64,
    /// C.
    pub columns: u64,
    /// Whether reading can begin at any column.
    pub seekable: bool,
    /// P.
    pub fan_in: FanIn,
    /// W, and the size of the pool.
    pub workers: u32,
    /// How fast they are.
    pub speeds: Speeds,
    /// How often workers speak, in microseconds.
    pub heartbeat_us: u64,
}

/// The scenarios of the table.
pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "uniform", speeds: Speeds::Uniform, ..LARGE },
    Scenario { name: "1 in 10 8x slower", speeds: Speeds::OneInTen, ..LARGE },
    Scenario { name: "slower midway", speeds: Speeds::Midway, ..LARGE },
    Scenario { name: "a slow node", speeds: Speeds::SlowNode, ..LARGE },
    Scenario { name: "log-normal", speeds: Speeds::LogNormal, ..LARGE },
    Scenario { name: "text, 1 in 10 slow", speeds: Speeds::OneInTen, seekable: false, ..LARGE },
    Scenario {
        name: "P = 5, 1 in 10 slow",
        speeds: Speeds::OneInTen,
        fan_in: FanIn::Fixed(5),
        ..LARGE
    },
    Scenario {
        name: "small C, 1 in 10 slow",
        speeds: Speeds::OneInTen,
        columns: 10_000,
        objects: 1_000_000,
        ..LARGE
    },
    Scenario {
        name: "few tasks, 1 slow",
        objects: 40,
        fan_in: FanIn::Fixed(4),
        workers: 10,
        speeds: Speeds::OneInTen,
        ..LARGE
    },
    Scenario {
        name: "text of 40, 1 slow",
        objects: 40,
        fan_in: FanIn::Fixed(4),
        seekable: false,
        workers: 10,
        speeds: Speeds::OneInTen,
        ..LARGE
    },
    Scenario {
        name: "W = 2, one slow",
        objects: 64,
        workers: 2,
        speeds: Speeds::OneOfTwo,
        ..LARGE
    },
];

const LARGE: Scenario = Scenario {
    name: "",
    objects: 10_000,
    columns: 10_000_000,
    seekable: true,
    fan_in: FanIn::Auto,
    workers: 100,
    speeds: Speeds::Uniform,
    heartbeat_us: 1_000_000,
};

/// What came of one scenario under one policy.
#[derive(Clone, Copy, Debug, Default)]
pub struct Score {
    /// The time over the lower bound: all work over all speed.
    pub time: f64,
    /// Work done in vain over work that had to be done.
    pub twice: f64,
    /// The part of the workers' time in which they did nothing.
    pub idle: f64,
    /// The part of the workers' time, until the last task was first given out,
    /// in which they did something; absent where there is one task.
    pub busy: Option<f64>,
    /// Events handled.
    pub events: f64,
    /// Microseconds that handling one took.
    pub handle_us: f64,
}

impl Score {
    fn add(&mut self, other: &Score, part: f64) {
        self.time += other.time * part;
        self.twice += other.twice * part;
        self.idle += other.idle * part;
        self.busy = other.busy.map(|busy| self.busy.unwrap_or(0.0) + busy * part);
        self.events += other.events * part;
        self.handle_us += other.handle_us * part;
    }
}

impl Scenario {
    /// The mean score over so many seeds.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub fn score(&self, rule: Rule, seeds: u32) -> Result<Score, String> {
        let mut mean = Score::default();
        for seed in 0..u64::from(seeds) {
            let (world, bound_us) = self.run(rule, seed)?;
            mean.add(&self.score_of(&world, bound_us), 1.0 / f64::from(seeds));
        }
        Ok(mean)
    }

    /// Runs it once; the world at its end, and the lower bound in microseconds.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub fn run(&self, rule: Rule, seed: u64) -> Result<(World, f64), String> {
        let terms = Terms {
            settings: Settings {
                external_pool: true,
                max_workers: self.workers,
                ..Settings::default()
            },
            rule: Some(rule),
            heartbeat_us: self.heartbeat_us,
            ..Terms::default()
        };
        let load = self.load();
        let mut chance = Chance::new(seed);
        // When a worker slows down depends on how long the job takes.
        let draft = World::new(terms.clone(), 0, &[], vec![load.clone()]);
        let work = draft.all_work();
        let speeds = self.speeds(&mut chance, work);
        let bound_us = bound_us(work, &speeds);
        let mut world = World::new(terms, chance.bits(), &speeds, vec![load]);
        world.run()?;
        Ok((world, bound_us))
    }

    /// What a world that has run to its end scores.
    #[must_use]
    pub fn score_of(&self, world: &World, bound_us: f64) -> Score {
        let Measures {
            events,
            useful_work,
            double_work,
            busy_us,
            busy_until_last_us,
            last_start_us,
            end_us,
        } = world.measures;
        let workers = f64::from(self.workers);
        Score {
            time: end_us as f64 / bound_us,
            twice: double_work / useful_work,
            idle: 1.0 - busy_us / (workers * end_us as f64),
            busy: (busy_until_last_us > 0.0)
                .then(|| busy_until_last_us / (workers * last_start_us as f64)),
            events: events as f64,
            handle_us: world.handle_time.as_secs_f64() * 1e6 / events as f64,
        }
    }

    fn load(&self) -> Load {
        let number_bytes = if self.seekable { 8 } else { 18 };
        Load {
            inputs: PlanInputs {
                objects: self.objects,
                bytes: self.objects * self.columns * number_bytes,
                columns: self.seekable.then_some(self.columns),
                columns_estimate: self.columns,
                seekable: self.seekable,
                ..PlanInputs::default()
            },
            columns: self.columns,
            fan_in: self.fan_in,
            terms: JobTerms { workers: self.workers, speculation: Speculation::default() },
            limits: PlanLimits::default(),
            costs: Costs::REAL,
            at_us: 0,
        }
    }

    fn speeds(&self, chance: &mut Chance, work: f64) -> Vec<(Speed, &'static str)> {
        const NODES: [&str; 4] = ["a", "b", "c", "d"];
        let usual_us = work / f64::from(self.workers);
        (0..self.workers)
            .map(|worker| {
                let node = NODES[worker as usize % NODES.len()];
                let speed = match self.speeds {
                    Speeds::Uniform => Speed::steady(1.0),
                    Speeds::OneInTen if worker % 10 == 3 => Speed::steady(1.0 / 8.0),
                    Speeds::Midway if worker % 10 == 3 => Speed {
                        first: 1.0,
                        then: Some((crate::durations::whole(chance.part() * usual_us), 1.0 / 8.0)),
                    },
                    Speeds::SlowNode if node == "b" => Speed::steady(1.0 / 4.0),
                    Speeds::OneOfTwo if worker == 1 => Speed::steady(1.0 / 8.0),
                    Speeds::LogNormal => Speed::steady((0.5 * chance.normal()).exp()),
                    _ => Speed::steady(1.0),
                };
                (speed, node)
            })
            .collect()
    }
}

/// When all work is done if all workers are busy all the time.
fn bound_us(work: f64, speeds: &[(Speed, &str)]) -> f64 {
    let done_by = |us: u64| -> f64 {
        let done = speeds.iter().map(|(speed, _)| speed.work_between(0, us));
        done.sum()
    };
    let (mut low, mut high) = (0_u64, 1_u64);
    while done_by(high) < work {
        high *= 2;
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if done_by(middle) < work {
            low = middle;
        } else {
            high = middle;
        }
    }
    high as f64
}
