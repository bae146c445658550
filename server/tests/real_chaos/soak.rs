//! Many small jobs with many event streams, and how much memory every part takes
//! meanwhile.

use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::jobs::{Jobs, Load};
use crate::observer::{Observed, Observer};
use crate::residue::{Holding, holdings};
use crate::world::{SERVERS, World};

const LOAD: Load = Load {
    open_max: 12,
    files_max: 8,
    columns_max: 1_000,
    bad: 0.2,
    deleted: 0.1,
    cancelled: 0.01,
    speculation: true,
};
/// How many event streams are open, half of them on each server.
const STREAMS: usize = 200;
const PAUSE: Duration = Duration::from_millis(100);
/// Between two rows of the table.
const ROW_EVERY: Duration = Duration::from_secs(20);
/// By how much a process may grow from the first half of the rows to the last quarter.
const GROWTH_MAX_MIB: u64 = 24;

/// What every part holds at one time.
struct Row {
    at: Duration,
    submitted: u64,
    events: u64,
    holdings: Vec<Holding>,
    /// `None` if the broker did not say.
    broker_mib: Option<u64>,
}

/// Runs so many jobs; returns the number of violations, and the table.
pub(crate) async fn soak(seed: u64, jobs_max: u64, logs: Option<PathBuf>) -> (usize, String) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut world = World::start(logs, 1).await;
    let observed = Observed::default();
    let (url, http) = (world.client.url.clone(), world.http.clone());
    let observer = Observer::start(url, http, observed.clone());
    let mut jobs = Jobs::new(seed, LOAD, observed.clone());
    let events = Arc::new(AtomicU64::new(0));
    let mut streams = JoinSet::new();
    for number in 0..STREAMS {
        let url = format!("{}/api/events", world.server_url(number % SERVERS));
        streams.spawn(listen(url, events.clone()));
    }
    let begun = Instant::now();
    let mut rows: Vec<Row> = Vec::new();
    while jobs.counts.submitted < jobs_max {
        jobs.act(&world, &mut random).await;
        if rows.last().is_none_or(|row| begun.elapsed() > row.at + ROW_EVERY) {
            let row = Row {
                at: begun.elapsed(),
                submitted: jobs.counts.submitted,
                events: events.load(Ordering::Relaxed),
                holdings: holdings(&world),
                broker_mib: broker_mib(&world).await,
            };
            println!("{}", row.markdown());
            rows.push(row);
        }
        world.note_writes();
        sleep(PAUSE).await;
    }
    let time = begun.elapsed();
    streams.shutdown().await;
    let mut violations = observer.stop();
    violations.extend(jobs.verify(&mut world).await);
    violations.extend(growth(&rows));
    world.stop().await;
    (violations.len(), markdown(seed, time, &jobs, &rows, &violations))
}

/// Reads an event stream, and opens it again when it ends.
async fn listen(url: String, events: Arc<AtomicU64>) {
    // Without a time limit: a stream does not end.
    let http = reqwest::Client::new();
    loop {
        if let Ok(answer) = http.get(&url).send().await {
            let mut bytes = answer.bytes_stream();
            while let Some(Ok(chunk)) = bytes.next().await {
                let count = chunk.windows(2).filter(|two| two == b"\n\n").count() as u64;
                events.fetch_add(count, Ordering::Relaxed);
            }
        }
        sleep(PAUSE).await;
    }
}

async fn broker_mib(world: &World) -> Option<u64> {
    let bytes: u64 = world.broker.eval("erlang:memory(total).").await?.parse().ok()?;
    Some(bytes >> 20)
}

/// The processes that grew.
fn growth(rows: &[Row]) -> Vec<String> {
    let quarter = (rows.len() / 4).max(1);
    let (early, late) = (&rows[..(2 * quarter).min(rows.len())], &rows[rows.len() - quarter..]);
    let names = rows.first().map(|row| row.holdings.iter().map(|it| it.name.as_str()));
    let names = names.into_iter().flatten().chain(["broker"]);
    let grown = names.enumerate().filter_map(|(index, name)| {
        let most = |rows: &[Row]| rows.iter().filter_map(|row| row.resident_mib(index)).max();
        let (before, after) = (most(early)?, most(late)?);
        let text = format!("{name} grew from {before} to {after} MiB");
        (after > before + GROWTH_MAX_MIB).then_some(text)
    });
    grown.collect()
}

impl Row {
    /// The memory of a process, the broker being the last.
    fn resident_mib(&self, index: usize) -> Option<u64> {
        self.holdings.get(index).map_or(self.broker_mib, |held| Some(held.resident_mib))
    }

    fn markdown(&self) -> String {
        let mut text = format!("| {} | {} | {} ", self.at.as_secs(), self.submitted, self.events);
        for held in &self.holdings {
            // Writing into a string does not fail.
            let _ = write!(text, "| {} ", held.resident_mib);
        }
        let broker = self.broker_mib.map_or_else(String::new, |mib| mib.to_string());
        text + &format!("| {broker} |")
    }
}

fn markdown(seed: u64, time: Duration, jobs: &Jobs, rows: &[Row], violations: &[String]) -> String {
    let mut text = format!(
        "## Soak, seed {seed}: {} jobs in {} s, {STREAMS} event streams\n\nMemory in MiB.\n\n",
        jobs.counts.submitted,
        time.as_secs()
    );
    let names = rows.first().map(|row| row.holdings.iter().map(|it| it.name.as_str()));
    let names: Vec<&str> = names.into_iter().flatten().collect();
    text += &format!("| s | jobs | events | {} | broker |\n", names.join(" | "));
    text += &format!("|{}\n", " ---: |".repeat(names.len() + 4));
    for row in rows {
        text += &row.markdown();
        text.push('\n');
    }
    text +=
        &format!("\n{} results compared, {} violations.\n", jobs.counts.compared, violations.len());
    for violation in violations {
        text += &format!("- {violation}\n");
    }
    text
}
