//! Runs the scheduler with simulated workers and prints the measurements.

use std::process::ExitCode;
use std::time::Instant;

use scheduler::sim::faults::Fired;
use scheduler::sim::scenario::Scenario;
use scheduler::sim::{chaos, table};
use scheduler::speculation::Rule;

const USAGE: &str = "sim [policies [SEEDS] | sizes | million | chaos [SEEDS]]
  policies   all scenarios and policies: completion time relative to the lower
             bound, duplicate work, idle fraction
  sizes      no stragglers, 10 to 1,000,000 objects, 1 to 10,000 workers
  million    a million leaf tasks on ten thousand workers: time and memory
  chaos      random runs with faults; SEED=n in the environment runs one of them
The default is policies, sizes and million.";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = words.get(1).and_then(|word| word.parse().ok());
    let result = match words.first().map(String::as_str) {
        None => policies(10).and_then(|()| sizes()).and_then(|()| million()),
        Some("policies") => policies(number.unwrap_or(10)),
        Some("sizes") => sizes(),
        Some("million") => million(),
        Some("chaos") => chaos(number.unwrap_or(2_000).into()),
        Some(_) => Err(USAGE.to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn policies(seeds: u32) -> Result<(), String> {
    println!(
        "Completion time / lower bound · duplicate work · idle fraction, mean of {seeds} seeds\n"
    );
    println!("{}", table::policies(seeds)?);
    Ok(())
}

fn sizes() -> Result<(), String> {
    println!("Workers of equal speed, no stragglers\n");
    println!("{}", table::sizes()?);
    Ok(())
}

fn million() -> Result<(), String> {
    let scenario: Scenario = table::million();
    let before = resident_bytes();
    let begun = Instant::now();
    let (world, bound_us) = scenario.run(Rule::Resume, 0)?;
    let took = begun.elapsed();
    let score = scenario.score_of(&world, bound_us);
    let tasks: u64 = world.plans().map(protocol::Plan::tasks).sum();
    println!(
        "{tasks} tasks on {} workers simulated in {:.1} s: {:.0} events, {:.2} µs per event",
        scenario.workers,
        took.as_secs_f64(),
        score.events,
        score.handle_us,
    );
    if let (Some(before), Some(after)) = (before, resident_bytes()) {
        println!(
            "{} bytes per task, including the simulated workers and their store",
            after.saturating_sub(before) / tasks.max(1)
        );
    }
    println!(
        "completion time / lower bound {:.3}, duplicate work {:.2} %",
        score.time,
        score.twice * 100.0
    );
    Ok(())
}

fn chaos(seeds: u64) -> Result<(), String> {
    let one = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let range = match one {
        Some(seed) => seed..seed + 1,
        None => 0..seeds,
    };
    let mut fired = Fired::default();
    for seed in range {
        fired.add(&chaos::run(seed)?);
    }
    for (fault, times) in fired.each() {
        println!("{fault:20} {times}");
    }
    Ok(())
}

/// The peak resident memory of this process, in bytes; `None` without `/proc`.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}
