//! Scenarios without faults, to compare policies.

use protocol::request::FanIn;

use super::random::Random;
use super::terms::{Load, Measures, Terms, Truth};
use super::worker::Speed;
use super::world::World;
use crate::Settings;
use crate::event::JobTerms;
use crate::plan::{Costs, PlanInputs, PlanLimits};
use crate::speculation::Rule;

/// The distribution of worker speeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speeds {
    /// All workers are equally fast.
    Uniform,
    /// One worker in ten is eight times slower.
    OneInTen,
    /// One worker in ten becomes eight times slower at a random time.
    Midway,
    /// The workers of one node of four are four times slower.
    SlowNode,
    /// Speeds are log-normal with sigma 0.5.
    LogNormal,
    /// The second of two workers is eight times slower.
    OneOfTwo,
    /// Six of eight workers are about five times slower, each a little differently.
    MostSlow,
}

/// How the objects of a scenario can be read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reading {
    /// At any column.
    AnyColumn,
    /// Text: from the beginning only.
    Text,
    /// Text whose C is known: from the beginning, and from the end by counting separators
    /// backwards. A design that the engine does not have.
    TextFromBothEnds,
    /// Text of which a first pass counts the separators, so that any worker can begin at any
    /// column. A design that the engine does not have.
    IndexedText,
}

/// What the pass that counts separators takes, relative to reading and summing. It runs as
/// fast as the bytes come, five times as fast as a worker sums.
const INDEXING: f64 = 0.2;

/// One job on a pool of constant size.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// The name in the table.
    pub name: &'static str,
    /// F, the number of objects.
    pub objects: u64,
    /// C, the number of columns.
    pub columns: u64,
    /// How the objects can be read.
    pub reading: Reading,
    /// P, the fan-in.
    pub fan_in: FanIn,
    /// W, which is also the size of the pool.
    pub workers: u32,
    /// The distribution of worker speeds.
    pub speeds: Speeds,
    /// What work takes.
    pub truth: Truth,
}

/// The scenarios of the table.
pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "uniform", ..LARGE },
    Scenario { name: "1 in 10 8x slower", speeds: Speeds::OneInTen, ..LARGE },
    Scenario { name: "slower midway", speeds: Speeds::Midway, ..LARGE },
    Scenario { name: "a slow node", speeds: Speeds::SlowNode, ..LARGE },
    Scenario { name: "log-normal", speeds: Speeds::LogNormal, ..LARGE },
    Scenario {
        name: "text, 1 in 10 slow",
        speeds: Speeds::OneInTen,
        reading: Reading::Text,
        ..LARGE
    },
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
        reading: Reading::Text,
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
    Scenario {
        name: "6 of 8 slow",
        objects: 64,
        fan_in: FanIn::Fixed(4),
        workers: 8,
        speeds: Speeds::MostSlow,
        ..LARGE
    },
];

/// Seventeen text files on ten workers, one of which is slow: as the engine reads text, and
/// as it could.
pub const TEXT: &[Scenario] = &[
    Scenario { name: "from the beginning", ..SEVENTEEN },
    Scenario { name: "from both ends", reading: Reading::TextFromBothEnds, ..SEVENTEEN },
    Scenario { name: "with an index", reading: Reading::IndexedText, ..SEVENTEEN },
];

const LARGE: Scenario = Scenario {
    name: "",
    objects: 10_000,
    columns: 10_000_000,
    reading: Reading::AnyColumn,
    fan_in: FanIn::Auto,
    workers: 100,
    speeds: Speeds::Uniform,
    truth: Truth::REAL,
};

const SEVENTEEN: Scenario = Scenario {
    objects: 17,
    columns: 100_000_000,
    reading: Reading::Text,
    workers: 10,
    speeds: Speeds::OneInTen,
    ..LARGE
};

/// The result of a scenario under a policy.
#[derive(Clone, Copy, Debug, Default)]
pub struct Score {
    /// Completion time relative to the time in which all workers together can do the work of
    /// the job, whatever its plan ([`Load::least_work`]); at least 1.
    pub time: f64,
    /// Completion time relative to the time in which they can do the work of its plan; at
    /// least about 1.
    pub of_plan: f64,
    /// Duplicate work as a fraction of the useful work.
    pub twice: f64,
    /// Idle fraction of the worker time, 0 to 1.
    pub idle: f64,
    /// Utilization, 0 to 1: the busy fraction of the worker time until the last
    /// task started; `None` if the job has one task.
    pub busy: Option<f64>,
    /// Attempts that were stopped or superseded, as a fraction of the tasks.
    pub stopped: f64,
    /// The most attempts at one task.
    pub attempts_most: f64,
    /// Fraction of the time in which the server was occupied, 0 to 1.
    pub server: f64,
    /// Number of events handled.
    pub events: f64,
    /// Mean time to handle an event, in microseconds.
    pub handle_us: f64,
}

impl Score {
    fn add(&mut self, other: &Score, weight: f64) {
        self.time += other.time * weight;
        self.of_plan += other.of_plan * weight;
        self.twice += other.twice * weight;
        self.idle += other.idle * weight;
        self.busy = other.busy.map(|busy| self.busy.unwrap_or(0.0) + busy * weight);
        self.stopped += other.stopped * weight;
        self.attempts_most = self.attempts_most.max(other.attempts_most);
        self.server += other.server * weight;
        self.events += other.events * weight;
        self.handle_us += other.handle_us * weight;
    }
}

/// The least times in which the pool of a scenario can do its work, in microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The work of the job, whatever its plan.
    pub least_us: f64,
    /// The work of its plan.
    pub planned_us: f64,
}

impl Scenario {
    /// The mean score over the seeds from 0 to `seeds`.
    ///
    /// # Errors
    /// A description of the failure.
    pub fn score(&self, rule: Rule, seeds: u32) -> Result<Score, String> {
        let mut mean = Score::default();
        for seed in 0..u64::from(seeds) {
            let (world, bounds) = self.run(rule, seed)?;
            mean.add(&self.score_of(&world, bounds), 1.0 / f64::from(seeds));
        }
        Ok(mean)
    }

    /// Runs the scenario once. Returns the final world and the lower bounds.
    ///
    /// # Errors
    /// A description of the failure.
    pub fn run(&self, rule: Rule, seed: u64) -> Result<(World, Bounds), String> {
        let (mut world, bounds) = self.world(rule, seed);
        world.run()?;
        Ok((world, bounds))
    }

    /// The scenario at its beginning, and the lower bounds.
    #[must_use]
    pub fn world(&self, rule: Rule, seed: u64) -> (World, Bounds) {
        let terms = Terms {
            settings: Settings {
                external_pool: true,
                max_workers: self.workers,
                ..Settings::default()
            },
            rule: Some(rule),
            ..Terms::default()
        };
        let load = self.load();
        let mut random = Random::new(seed);
        // The time of a slowdown depends on the total work.
        let draft = World::new(terms.clone(), 0, &[], vec![load.clone()]);
        let work = draft.planned_work();
        let speeds = self.speeds(&mut random, work);
        let bounds = Bounds {
            // The text itself has no index.
            least_us: bound_us(
                Scenario { reading: self.reading.plain(), ..*self }.load().least_work(),
                &speeds,
            ),
            planned_us: bound_us(work, &speeds),
        };
        (World::new(terms, random.next_u64(), &speeds, vec![load]), bounds)
    }

    /// The score of a finished world.
    #[must_use]
    pub fn score_of(&self, world: &World, bounds: Bounds) -> Score {
        let Measures {
            events,
            useful_work,
            double_work,
            busy_us,
            busy_until_last_us,
            last_start_us,
            end_us,
            server_us,
            ..
        } = world.measures;
        let workers = f64::from(self.workers);
        let stopped: u64 =
            world.views().map(|job| job.attempts.stopped + job.attempts.superseded).sum();
        let tasks: u64 = world.plans().map(protocol::Plan::tasks).sum();
        Score {
            time: end_us as f64 / bounds.least_us,
            of_plan: end_us as f64 / bounds.planned_us,
            twice: double_work / useful_work,
            idle: 1.0 - busy_us / (workers * end_us as f64),
            busy: (busy_until_last_us > 0.0)
                .then(|| busy_until_last_us / (workers * last_start_us as f64)),
            stopped: stopped as f64 / tasks as f64,
            attempts_most: f64::from(world.scheduler.attempts_most()),
            server: server_us as f64 / end_us as f64,
            events: events as f64,
            handle_us: world.handle_time.as_secs_f64() * 1e6 / events as f64,
        }
    }

    /// The job of the scenario, submitted at once.
    #[must_use]
    pub fn load(&self) -> Load {
        let is_text = self.reading != Reading::AnyColumn;
        let number_bytes = if is_text { 18 } else { 8 };
        let mut truth = self.truth;
        if self.reading == Reading::IndexedText {
            truth.costs.read_bytes_per_sec /= 1.0 + INDEXING;
        }
        Load {
            inputs: PlanInputs {
                objects: self.objects,
                bytes: self.objects * self.columns * number_bytes,
                columns: (self.reading != Reading::Text).then_some(self.columns),
                columns_estimate: self.columns,
                seekable: matches!(self.reading, Reading::AnyColumn | Reading::IndexedText),
                ..PlanInputs::default()
            },
            columns: self.columns,
            fan_in: self.fan_in,
            terms: JobTerms { workers: self.workers, ..JobTerms::default() },
            limits: PlanLimits::default(),
            costs: Costs::REAL,
            truth,
            at_us: 0,
        }
    }

    fn speeds(&self, random: &mut Random, work: f64) -> Vec<(Speed, &'static str)> {
        const NODES: [&str; 4] = ["a", "b", "c", "d"];
        let expected_us = work / f64::from(self.workers);
        (0..self.workers)
            .map(|worker| {
                let node = NODES[worker as usize % NODES.len()];
                let speed = match self.speeds {
                    Speeds::Uniform => Speed::steady(1.0),
                    Speeds::OneInTen if worker % 10 == 3 => Speed::steady(1.0 / 8.0),
                    Speeds::Midway if worker % 10 == 3 => Speed {
                        first: 1.0,
                        then: Some((
                            crate::durations::saturating_u64(random.fraction() * expected_us),
                            1.0 / 8.0,
                        )),
                    },
                    Speeds::SlowNode if node == "b" => Speed::steady(1.0 / 4.0),
                    Speeds::OneOfTwo if worker == 1 => Speed::steady(1.0 / 8.0),
                    Speeds::LogNormal => Speed::steady((0.5 * random.normal()).exp()),
                    Speeds::MostSlow if worker >= 2 => {
                        Speed::steady(0.15 + 0.1 * random.fraction())
                    }
                    _ => Speed::steady(1.0),
                };
                (speed, node)
            })
            .collect()
    }
}

impl Reading {
    /// How objects of this kind are read without the help of an index.
    fn plain(self) -> Reading {
        match self {
            Reading::AnyColumn => Reading::AnyColumn,
            Reading::Text | Reading::TextFromBothEnds | Reading::IndexedText => Reading::Text,
        }
    }
}

/// The lower bound of the completion time, in microseconds: all workers are always
/// busy.
pub(super) fn bound_us(work: f64, speeds: &[(Speed, &str)]) -> f64 {
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
