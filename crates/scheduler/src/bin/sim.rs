//! Runs the scheduler with simulated workers and prints the measurements.

use std::process::ExitCode;
use std::time::Instant;

use scheduler::sim::faults::Fired;
use scheduler::sim::scenario::Scenario;
use scheduler::sim::{chaos, table};
use scheduler::speculation::Rule;

const USAGE: &str = "sim [policies [SEEDS] | text [SEEDS] | stopped [SEEDS] | sharing | scaling | disruptions [SEEDS] | sizes | million | chaos [SEEDS]]
  policies     all scenarios and policies: completion time relative to the lower
               bound, duplicate work, idle fraction
  text         the same for text, as it is read and as it could be
  stopped      how many attempts are stopped, and how often a task is given out
  sharing      several jobs on one pool: what it means for one of them
  scaling      a pool that is scaled for one job: idle worker-seconds
  disruptions  a job during outages of broker, store, node and server
  sizes        no stragglers, 10 to 1,000,000 objects, 1 to 10,000 workers
  million      a million leaf tasks on ten thousand workers: time and memory
  chaos        random runs with faults; SEED=n in the environment runs one of them
The default is all but chaos.";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = words.get(1).and_then(|word| word.parse().ok());
    let seeds = number.unwrap_or(10);
    let result = match words.first().map(String::as_str) {
        None => all(seeds),
        Some("policies") => policies(seeds),
        Some("text") => text(seeds),
        Some("stopped") => stopped(seeds),
        Some("sharing") => sharing(),
        Some("scaling") => scaling(),
        Some("disruptions") => disruptions(seeds),
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

fn all(seeds: u32) -> Result<(), String> {
    policies(seeds)?;
    text(seeds)?;
    stopped(seeds)?;
    sharing()?;
    scaling()?;
    disruptions(seeds)?;
    sizes()?;
    // In a process of its own: the memory that others have freed would not count.
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let status = std::process::Command::new(program).arg("million").status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("sim million: {status}")),
        Err(error) => Err(error.to_string()),
    }
}

fn policies(seeds: u32) -> Result<(), String> {
    println!(
        "Completion time / lower bound · duplicate work · idle fraction, mean of {seeds} seeds; \
         at the end the work of the plan / lower bound\n"
    );
    println!("{}", table::policies(seeds)?);
    Ok(())
}

fn text(seeds: u32) -> Result<(), String> {
    println!("The same for 17 text files on 10 workers, of which one is 8 times slower\n");
    println!("{}", table::text(seeds)?);
    Ok(())
}

fn stopped(seeds: u32) -> Result<(), String> {
    println!("Attempts that were stopped or superseded, with ours, of {seeds} seeds\n");
    println!("{}", table::stopped(seeds)?);
    Ok(())
}

fn sharing() -> Result<(), String> {
    println!("Jobs that share 32 workers\n");
    println!("{}", table::sharing()?);
    Ok(())
}

fn scaling() -> Result<(), String> {
    println!("Pools that are scaled\n");
    println!("{}", table::scaling()?);
    Ok(())
}

fn disruptions(seeds: u32) -> Result<(), String> {
    println!("Outages, mean of {seeds} seeds\n");
    println!("{}", table::disruptions(seeds)?);
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
    let (world, bounds) = scenario.run(Rule::Resume, 0)?;
    let took = begun.elapsed();
    let score = scenario.score_of(&world, bounds);
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
            "{} bytes per task at the peak, including the simulated workers, their store and their \
             messages; {} of them for a task and its attempt in the scheduler",
            after.saturating_sub(before) / tasks.max(1),
            scheduler::Scheduler::TASK_BYTES,
        );
    }
    println!(
        "completion time / lower bound {:.3}, of the plan {:.3}, duplicate work {:.2} %, server \
         occupied {:.0} % of the time",
        score.time,
        score.of_plan,
        score.twice * 100.0,
        score.server * 100.0
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
