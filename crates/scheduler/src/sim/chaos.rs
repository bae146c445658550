//! A small world full of faults, all of it from a seed.

use protocol::Phase;
use protocol::request::{FanIn, Speculation, SpeculationPolicy};

use super::chance::Chance;
use super::faults::{Faults, Fired};
use super::happening::Happening;
use super::machine::Speed;
use super::terms::{Load, Terms};
use super::world::World;
use crate::Settings;
use crate::event::JobTerms;
use crate::plan::{Costs, PlanInputs, PlanLimits};

/// Runs the world of a seed to its end and checks every invariant after every
/// event, and at the end that every job ended as it should. What went wrong.
///
/// # Errors
/// The invariant that does not hold, in words, with the seed.
pub fn run(seed: u64) -> Result<Fired, String> {
    let mut world = world(seed);
    let patient = world.terms.settings.attempts_max > 100;
    live_through(&mut world, patient)
        .map_err(|broken| format!("{}SEED={seed}: {broken}", world.recent()))?;
    Ok(world.fired)
}

fn live_through(world: &mut World, patient: bool) -> Result<(), String> {
    world.run()?;
    let fired = world.fired;
    let excused = fired.fatal_failure + fired.lengths_differ > 0 || !patient;
    for (job, phase) in &world.ended {
        let expected = match phase {
            Phase::Done => true,
            Phase::Cancelled => fired.cancelled > 0,
            Phase::Failed => excused,
            _ => false,
        };
        if !expected {
            return Err(format!("job {job} ended as {phase:?}"));
        }
    }
    // Long enough for every lease to run out and every late word to arrive.
    let lease_us = world.terms.settings.lease_ms * 1_000;
    world.run_on(10 * lease_us + 60_000_000)?;
    world.check_rest()
}

/// The world of a seed.
fn world(seed: u64) -> World {
    let mut chance = Chance::new(seed);
    let tended = chance.happens(0.5);
    let settings = Settings {
        min_workers: 0,
        max_workers: u32::try_from(chance.between(1, 12)).unwrap_or(1),
        idle_ms: chance.between(100, 5_000),
        lease_ms: 10_000,
        attempts_max: if chance.happens(0.9) { 1_000 } else { 2 },
        worker_failures_max: 3,
        retry_delay_ms: chance.between(0, 500),
        look_ahead_ms: chance.between(0, 20),
        external_pool: !tended,
        running_jobs_max: u32::try_from(chance.between(1, 3)).unwrap_or(1),
    };
    let terms = Terms {
        settings,
        rule: None,
        message_us: chance.between(50, 5_000),
        jitter_us: chance.part() * 20_000.0,
        heartbeat_us: chance.between(200_000, 3_000_000),
        faults: faults(&mut chance),
        faults_max: 25,
        checked: true,
        tended,
    };
    let faults = terms.faults;
    let mut speeds = Vec::new();
    if !tended {
        let slow_node = chance.happens(0.3);
        for worker in 0..chance.between(1, 10) {
            let node = ["a", "b", "c"][usize::try_from(worker % 3).unwrap_or(0)];
            let mut speed = Speed::steady((chance.normal() * 0.5).exp());
            if slow_node && node == "b" || chance.happens(0.1) {
                speed.first /= 8.0;
            }
            if chance.happens(0.1) {
                speed.then = Some((chance.between(0, 20_000_000), speed.first / 10.0));
            }
            speeds.push((speed, node));
        }
    }
    let loads: Vec<Load> = (0..chance.between(1, 3)).map(|_| load(&mut chance)).collect();
    let wrong = loads.iter().filter(|load| load.columns != load.inputs.columns_estimate);
    let wrong = wrong.count() as u64;

    let mut world = World::new(terms, chance.bits(), &speeds, loads);
    world.fired.wrong_estimate += wrong;
    for job in world.jobs.values_mut() {
        job.checks = true;
    }
    for worker in 0..world.machines.len() {
        // The first worker is sound, so that somebody goes on.
        world.machines[worker].black_hole = worker > 0 && chance.happens(faults.black_hole);
    }
    for job in world.job_ids() {
        if chance.happens(faults.cancelled) {
            let at = chance.between(1, 60_000_000);
            world.plan_for(at, Happening::Cancel(job));
        }
    }
    if chance.happens(faults.restart) {
        for _ in 0..chance.between(1, 2) {
            let at = chance.between(1, 40_000_000);
            world.plan_for(at, Happening::Restart);
        }
    }
    if tended && chance.happens(faults.by_hand) {
        let at = chance.between(1, 30_000_000);
        let by_hand = u32::try_from(chance.between(1, 8)).ok();
        world.plan_for(at, Happening::ByHand(by_hand));
        world.plan_for(at + 10_000_000, Happening::ByHand(None));
    }
    world
}

/// Each fault is possible in about half of the worlds, and then more or less often.
fn faults(chance: &mut Chance) -> Faults {
    let mut often = |most: f64| {
        if chance.happens(0.5) { most * chance.part() } else { 0.0 }
    };
    Faults {
        duplicate_report: often(0.3),
        late_report: often(0.2),
        duplicate_delivery: often(0.1),
        deaf_worker: often(0.5),
        worker_dies: often(0.2),
        redelivery: often(1.0),
        worker_leaves: often(0.2),
        worker_stalls: often(0.05),
        worker_reborn: often(1.0),
        attempt_fails: often(0.2),
        black_hole: often(0.3),
        fatal_failure: often(0.005),
        lengths_differ: often(0.005),
        cancelled: often(0.3),
        restart: often(0.6),
        by_hand: often(1.0),
        wrong_estimate: often(1.0),
    }
}

fn load(chance: &mut Chance) -> Load {
    let objects = chance.between(1, 60);
    let columns = chance.between(1, 300_000);
    let is_text = chance.happens(0.5);
    let estimate = if is_text && chance.happens(0.5) {
        columns * chance.between(30, 300) / 100 + 1
    } else {
        columns
    };
    let fan_in = if chance.happens(0.3) {
        FanIn::Auto
    } else {
        FanIn::Fixed(u32::try_from(chance.between(2, 9)).unwrap_or(2))
    };
    let policy =
        if chance.happens(0.8) { SpeculationPolicy::Resume } else { SpeculationPolicy::Original };
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
            workers: u32::try_from(chance.between(1, 8)).unwrap_or(1),
            speculation: Speculation {
                enabled: chance.happens(0.9),
                policy,
                share: 0.1 + 0.9 * chance.part(),
                ..Speculation::default()
            },
        },
        limits: PlanLimits {
            segment_columns: 1 << chance.between(13, 18),
            ..PlanLimits::default()
        },
        // So slow that a task takes seconds.
        costs: Costs {
            request_secs: 0.001,
            task_secs: 0.001,
            read_bytes_per_sec: 1e5 * (1.0 + 100.0 * chance.part()),
            write_bytes_per_sec: 1e7,
            ..Costs::REAL
        },
        at_us: chance.between(0, 5_000_000),
    }
}
