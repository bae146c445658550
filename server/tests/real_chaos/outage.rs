//! One long outage of the store or the broker, in the midst of jobs.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;
use tokio::time::sleep;

use crate::jobs::{Jobs, Load};
use crate::observer::{Observed, Observer};
use crate::recovery;
use crate::residue::{Holding, holdings};
use crate::world::{PAUSE, RECOVERY_MAX, World, is_open};

/// Jobs that last, of which none fails and none has tasks that are computed twice on purpose.
const LOAD: Load = Load {
    open_max: 8,
    files_max: 24,
    columns_max: 20_000,
    bad: 0.0,
    deleted: 0.0,
    cancelled: 0.0,
    speculation: false,
};
/// Slow enough that every job is in the midst of its tasks.
const SLOWNESS: u32 = 40;
/// How many tasks are complete before the outage.
const COMPLETED_MIN: u64 = 10;
/// How soon work must go on once the part is back.
const MOVES_WITHIN: Duration = Duration::from_secs(10);
/// Between two lines about what goes on.
const SAY_EVERY: Duration = Duration::from_mins(1);

/// The part that is away.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Part {
    /// The S3 server.
    Store,
    /// RabbitMQ.
    Broker,
}

impl Part {
    async fn stop(self, world: &mut World) {
        match self {
            Part::Store => world.store.stop().await,
            Part::Broker => world.broker.stop().await,
        }
    }

    async fn start(self, world: &mut World) {
        match self {
            Part::Store => world.store.start_again().await,
            Part::Broker => world.broker.start_again().await,
        }
    }
}

/// Stops a part for some time while jobs run; returns the number of violations, and what
/// has happened.
pub(crate) async fn outage(
    (seed, part, time): (u64, Part, Duration),
    logs: Option<PathBuf>,
) -> (usize, String) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut world = World::start(logs, SLOWNESS).await;
    let observed = Observed::default();
    let (url, http) = (world.client.url.clone(), world.http.clone());
    let observer = Observer::start(url, http, observed.clone());
    let mut jobs = Jobs::new(seed, LOAD, observed.clone());
    let before = midst(&world, &mut jobs, &mut random).await;
    let begun = Instant::now();
    part.stop(&mut world).await;
    let noticed = noticed(&world, begun).await;
    while begun.elapsed() < time {
        let left = time.saturating_sub(begun.elapsed());
        sleep(SAY_EVERY.min(left)).await;
        println!("{part:?} away for {} s", begun.elapsed().as_secs());
    }
    let away = begun.elapsed();
    let held = holdings(&world);
    part.start(&mut world).await;
    let moved = recovery::recovery(&mut world, &jobs).await;
    let mut violations = observer.stop();
    violations.extend(jobs.verify(&mut world).await);
    let after = jobs.listed(&world).await.unwrap_or_default();
    violations.extend(after.iter().filter_map(done_again));
    world.note_writes();
    let twice = world.writes.twice(begun, Instant::now());
    if twice > 0 {
        violations.push(format!("{twice} partial sums were written twice"));
    }
    match (&noticed, &moved) {
        (None, _) => violations.push("the server has not noticed".to_owned()),
        (_, Err(why)) => violations.push(why.clone()),
        (_, Ok(moved)) if *moved > MOVES_WITHIN => {
            violations.push(format!("work went on only after {} s", moved.as_secs()));
        }
        _ => {}
    }
    world.stop().await;
    let mut text = format!("## {part:?} away for {} s, seed {seed}\n\n", away.as_secs());
    let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
    let noticed = noticed.map_or_else(|| "never".to_owned(), seconds);
    let moved = moved.map_or_else(|_| "never".to_owned(), seconds);
    let (open, completed) = before;
    // Writing into a string does not fail.
    let _ = write!(
        text,
        "{open} jobs were under way, {completed} of their tasks complete. It was noticed after \
         {noticed}, and work went on {moved} after the end. {}. {} results compared, {} input \
         bytes read, {} of them twice.\n",
        observed.summary(),
        jobs.counts.compared,
        jobs.counts.read_bytes,
        jobs.counts.read_twice_bytes,
    );
    for Holding { name, resident_mib, descriptors, .. } in held {
        let _ = writeln!(
            text,
            "At the end of the outage {name} held {resident_mib} MiB and {descriptors} \
             descriptors."
        );
    }
    let _ = writeln!(text, "\n{} violations.\n", violations.len());
    for violation in &violations {
        let _ = writeln!(text, "- {violation}");
    }
    (violations.len(), text)
}

/// Submits jobs until enough of their tasks are complete; returns how many jobs are open
/// then, and how many tasks are complete.
async fn midst(world: &World, jobs: &mut Jobs, random: &mut StdRng) -> (usize, u64) {
    let deadline = Instant::now() + RECOVERY_MAX;
    loop {
        jobs.act(world, random).await;
        let listed = jobs.listed(world).await.unwrap_or_default();
        let open: Vec<&Value> = listed.iter().filter(|job| is_open(job)).collect();
        let completed = open.iter().map(|job| attempts(job, "completed")).sum();
        if open.len() >= LOAD.open_max && completed >= COMPLETED_MIN {
            return (open.len(), completed);
        }
        assert!(Instant::now() < deadline, "jobs do not get under way: {listed:?}");
        sleep(PAUSE).await;
    }
}

/// After what time the server said that it is not ready.
async fn noticed(world: &World, begun: Instant) -> Option<Duration> {
    while begun.elapsed() < RECOVERY_MAX {
        if !world.is_ready().await {
            return Some(begun.elapsed());
        }
        sleep(PAUSE).await;
    }
    None
}

/// What of a job was done twice, or counted against somebody. A range that was being read is
/// read again; nothing is computed again for that.
fn done_again(job: &Value) -> Option<String> {
    let again = ["failed", "lost", "superseded"].map(|name| attempts(job, name));
    let text = format!("{}: {again:?} attempts failed, were lost, were superseded", job["id"]);
    (again != [0; 3]).then_some(text)
}

fn attempts(job: &Value, outcome: &str) -> u64 {
    job["attempts"][outcome].as_u64().unwrap_or_default()
}
