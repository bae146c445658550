//! Chaos: random jobs on real parts, while random faults happen to all of them.
//!
//! RabbitMQ, an S3 server, two servers and workers are processes of their own. For a given
//! time, jobs are submitted, cancelled and resumed, and one fault follows the other. Each
//! fault is proven to have happened. Afterwards everything runs again, and then each good
//! job must have its exact bits, each bad one its error, and nothing may be left behind.
//!
//! `scripts/chaos` runs it; `--seed N --seconds S` say what happens and for how long.

#[path = "../program/client.rs"]
#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod client;
#[path = "../program/exact.rs"]
#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod exact;
mod fault;
mod jobs;
mod observer;
mod outage;
mod recovery;
mod residue;
mod soak;
mod tally;
mod world;
mod writes;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use rand::SeedableRng;
use rand::rngs::StdRng;

use self::fault::{ALL, Fault};
use self::jobs::{Jobs, Load};
use self::observer::{Observed, Observer};
use self::outage::Part;
use self::tally::Tally;
use self::world::World;

/// A few jobs at a time, which are not small.
const LOAD: Load = Load {
    open_max: 3,
    files_max: 24,
    columns_max: 20_000,
    bad: 0.2,
    deleted: 0.3,
    cancelled: 0.2,
    speculation: true,
};
/// Slow enough that faults happen in the middle of jobs.
const SLOWNESS: u32 = 10;

/// What happens, and for how long.
#[derive(Parser)]
struct Arguments {
    /// Jobs and faults follow from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long faults happen.
    #[arg(long, default_value_t = 120)]
    seconds: u64,
    /// Only these faults, separated by commas, as they are called in docs/chaos.md.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Fault>,
    /// Faults go on after that until each has happened so many times.
    #[arg(long, default_value_t = 0)]
    least: u32,
    /// Instead of faults: so many jobs, with many event streams, and what memory they take.
    #[arg(long, conflicts_with = "outage")]
    soak: Option<u64>,
    /// Instead of faults: this part is away for the given time in the midst of jobs.
    #[arg(long)]
    outage: Option<Part>,
    /// Where the table is written to, as Markdown; otherwise it is only printed.
    #[arg(long)]
    table: Option<PathBuf>,
    /// Where the logs of all processes are kept; otherwise they are deleted.
    #[arg(long)]
    logs: Option<PathBuf>,
    /// Ignored: cargo passes it to benchmarks.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let Arguments { seed, soak, outage, .. } = arguments;
    let time = Duration::from_secs(arguments.seconds);
    let (violations, text) = match (soak, outage) {
        (Some(jobs), _) => soak::soak(seed, jobs, arguments.logs).await,
        (None, Some(part)) => outage::outage((seed, part, time), arguments.logs).await,
        (None, None) => chaos(&arguments).await,
    };
    println!("\n{text}");
    if let Some(table) = arguments.table {
        std::fs::write(&table, &text).expect("writing the table");
    }
    if violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Lets faults happen; returns the number of violations, and the table.
async fn chaos(arguments: &Arguments) -> (usize, String) {
    let Arguments { seed, seconds, least, .. } = *arguments;
    let mut random = StdRng::seed_from_u64(seed);
    let mut world = World::start(arguments.logs.clone(), SLOWNESS).await;
    let observed = Observed::default();
    let (url, http) = (world.client.url.clone(), world.http.clone());
    let observer = Observer::start(url, http, observed.clone());
    let mut jobs = Jobs::new(seed, LOAD, observed.clone());
    let mut tally = Tally::default();
    let begun = Instant::now();
    let time = Duration::from_secs(seconds);
    let chosen = if arguments.only.is_empty() { ALL.to_vec() } else { arguments.only.clone() };
    let mut faults = fault::shuffled(chosen.clone(), &mut random);
    let mut again = None;
    loop {
        let elapsed = begun.elapsed();
        let is_late = elapsed > time;
        if is_late && (tally.has_each(&chosen, least) || elapsed > time * 2) {
            break;
        }
        jobs.act(&world, &mut random).await;
        let began = Instant::now();
        let was_again = again.is_some();
        let is_wanted = |fault: &Fault| !is_late || !tally.has_each(&[*fault], least);
        // What could not happen is tried again soon, and towards the end only what is missing.
        let fault = again.take().or_else(|| faults.find(is_wanted)).unwrap_or(Fault::WorkerKilled);
        let happened = fault.happen(&mut world, &mut jobs, &mut random).await;
        if happened.is_err() && !was_again {
            again = Some(fault);
        }
        let recovery = match happened {
            Ok(()) => recovery::recovery(&mut world, &jobs).await,
            Err(_) => Ok(Duration::ZERO),
        };
        world.note_writes();
        tally.note(fault, began, happened, recovery);
    }
    let time = begun.elapsed();
    world.calm().await;
    tally.violations.extend(observer.stop());
    tally.violations.extend(jobs.verify(&mut world).await);
    world.note_writes();
    tally.violations.append(&mut world.violations);
    tally.violations.extend(world.writes.violations());
    if !tally.has_each(&chosen, least) {
        tally.violations.push(format!("not each fault has happened {least} times"));
    }
    let holdings = residue::holdings(&world);
    let text = tally.markdown((seed, time), &jobs, &world.writes, &observed, &holdings);
    world.stop().await;
    (tally.violations.len(), text)
}
