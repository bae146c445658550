//! Small random runs with faults, each determined by its seed.

use protocol::Phase;
use protocol::request::{FanIn, Speculation, SpeculationPolicy};

use super::faults::{Faults, Fired};
use super::random::Random;
use super::sim_event::SimEvent;
use super::terms::{Load, Terms};
use super::worker::Speed;
use super::world::World;
use crate::Settings;
use crate::event::JobTerms;
use crate::plan::{Costs, PlanInputs, PlanLimits};

/// Runs the world of a seed to its end. Checks every invariant after every event,
/// and the phase of every job at the end. Returns the number of injected faults.
///
/// # Errors
/// A description of the first violation, with the seed.
pub fn run(seed: u64) -> Result<Fired, String> {
    let mut world = world(seed);
    let is_retry_unlimited = world.terms.settings.attempts_max > 100;
    run_world(&mut world, is_retry_unlimited)
        .map_err(|broken| format!("{}SEED={seed}: {broken}", world.recent()))?;
    Ok(world.fired)
}

fn run_world(world: &mut World, is_retry_unlimited: bool) -> Result<(), String> {
    world.run()?;
    let fired = world.fired;
    let is_failure_allowed = fired.fatal_failure + fired.lengths_differ > 0 || !is_retry_unlimited;
    for (job, phase) in &world.ended {
        let is_killer = world.scheduler.job(*job).is_some_and(|job| job.killer.is_some());
        let expected = match phase {
            Phase::Done => true,
            Phase::Cancelled => fired.job_cancelled > 0,
            Phase::Failed if is_killer => fired.worker_crashes + fired.worker_stalls >= 3,
            Phase::Failed => is_failure_allowed,
            _ => false,
        };
        if !expected {
            return Err(format!("job {job} ended as {phase:?}"));
        }
    }
    // Long enough for every lease to expire and every late message to arrive.
    let lease_us = world.terms.settings.lease_ms * 1_000;
    world.run_for(10 * lease_us + 60_000_000)?;
    world.check_quiescent()
}

/// Builds the world of a seed.
fn world(seed: u64) -> World {
    let mut random = Random::new(seed);
    let managed_pool = random.bernoulli(0.5);
    let settings = Settings {
        min_workers: 0,
        max_workers: u32::try_from(random.between(1, 12)).unwrap_or(1),
        idle_ms: random.between(100, 5_000),
        lease_ms: 10_000,
        attempts_max: if random.bernoulli(0.9) { 1_000 } else { 2 },
        deaths_max: if random.bernoulli(0.5) { 1_000 } else { 3 },
        worker_failures_max: 3,
        retry_delay_ms: random.between(0, 500),
        look_ahead_ms: random.between(0, 20),
        external_pool: !managed_pool,
        running_jobs_max: u32::try_from(random.between(1, 3)).unwrap_or(1),
    };
    let terms = Terms {
        settings,
        rule: None,
        message_us: random.between(50, 5_000),
        jitter_us: random.fraction() * 20_000.0,
        heartbeat_us: random.between(200_000, 3_000_000),
        faults: faults(&mut random),
        faults_max: 25,
        checked: true,
        managed_pool,
    };
    let faults = terms.faults;
    let mut speeds = Vec::new();
    if !managed_pool {
        let slow_node = random.bernoulli(0.3);
        for worker in 0..random.between(1, 10) {
            let node = ["a", "b", "c"][usize::try_from(worker % 3).unwrap_or(0)];
            let mut speed = Speed::steady((random.normal() * 0.5).exp());
            if slow_node && node == "b" || random.bernoulli(0.1) {
                speed.first /= 8.0;
            }
            if random.bernoulli(0.1) {
                speed.then = Some((random.between(0, 20_000_000), speed.first / 10.0));
            }
            speeds.push((speed, node));
        }
    }
    let loads: Vec<Load> = (0..random.between(1, 3)).map(|_| load(&mut random)).collect();
    let misestimated = loads.iter().filter(|load| load.columns != load.inputs.columns_estimate);
    let misestimated = misestimated.count() as u64;

    let mut world = World::new(terms, random.next_u64(), &speeds, loads);
    world.fired.columns_misestimated += misestimated;
    for job in world.jobs.values_mut() {
        job.checks = true;
    }
    for worker in 0..world.workers.len() {
        // The first worker is healthy, so that the jobs can finish.
        world.workers[worker].black_hole = worker > 0 && random.bernoulli(faults.black_hole);
    }
    for job in world.job_ids() {
        if random.bernoulli(faults.job_cancelled) {
            let at = random.between(1, 60_000_000);
            world.schedule(at, SimEvent::JobCancelled(job));
        }
    }
    if random.bernoulli(faults.server_restarts) {
        for _ in 0..random.between(1, 2) {
            let at = random.between(1, 40_000_000);
            world.schedule(at, SimEvent::ServerRestarted);
        }
    }
    if managed_pool && random.bernoulli(faults.manual_scaling) {
        let at = random.between(1, 30_000_000);
        let by_hand = u32::try_from(random.between(1, 8)).ok();
        world.schedule(at, SimEvent::DesiredWorkersSet(by_hand));
        world.schedule(at + 10_000_000, SimEvent::DesiredWorkersSet(None));
    }
    world
}

/// Each fault is enabled in half of the worlds, with a random probability.
fn faults(random: &mut Random) -> Faults {
    let mut probability = |most: f64| {
        if random.bernoulli(0.5) { most * random.fraction() } else { 0.0 }
    };
    Faults {
        duplicate_report: probability(0.3),
        late_report: probability(0.2),
        duplicate_delivery: probability(0.1),
        control_lost: probability(0.5),
        worker_crashes: probability(0.2),
        redelivery: probability(1.0),
        worker_evicted: probability(0.2),
        worker_stalls: probability(0.05),
        worker_restarts: probability(1.0),
        attempt_fails: probability(0.2),
        black_hole: probability(0.3),
        fatal_failure: probability(0.005),
        lengths_differ: probability(0.005),
        job_cancelled: probability(0.3),
        server_restarts: probability(0.6),
        manual_scaling: probability(1.0),
        columns_misestimated: probability(1.0),
    }
}

fn load(random: &mut Random) -> Load {
    let objects = random.between(1, 60);
    let columns = random.between(1, 300_000);
    let is_text = random.bernoulli(0.5);
    let estimate = if is_text && random.bernoulli(0.5) {
        columns * random.between(30, 300) / 100 + 1
    } else {
        columns
    };
    let fan_in = if random.bernoulli(0.3) {
        FanIn::Auto
    } else {
        FanIn::Fixed(u32::try_from(random.between(2, 9)).unwrap_or(2))
    };
    let policy =
        if random.bernoulli(0.8) { SpeculationPolicy::Resume } else { SpeculationPolicy::Original };
    Load {
        inputs: PlanInputs {
            objects,
            bytes: objects * columns * 8,
            columns: (!is_text).then_some(columns),
            columns_estimate: estimate,
            seekable: !is_text,
            ..PlanInputs::default()
        },
        columns,
        fan_in,
        terms: JobTerms {
            workers: u32::try_from(random.between(1, 8)).unwrap_or(1),
            speculation: Speculation {
                enabled: random.bernoulli(0.9),
                policy,
                share: 0.1 + 0.9 * random.fraction(),
                ..Speculation::default()
            },
        },
        limits: PlanLimits {
            segment_columns: 1 << random.between(13, 18),
            ..PlanLimits::default()
        },
        // Slow enough that a task takes seconds.
        costs: Costs {
            request_secs: 0.001,
            task_secs: 0.001,
            read_bytes_per_sec: 1e5 * (1.0 + 100.0 * random.fraction()),
            write_bytes_per_sec: 1e7,
            ..Costs::REAL
        },
        at_us: random.between(0, 5_000_000),
    }
}
