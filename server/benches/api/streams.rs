//! Streams of the events of all jobs.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Outcome;
use super::server::Server;

/// How many streams are opened at the same time.
const OPENING_AT_ONCE: usize = 64;
/// How a job that is over looks in JSON.
const PHASES_OVER: [&str; 3] =
    [r#""phase":"done""#, r#""phase":"failed""#, r#""phase":"cancelled""#];
/// How often a job is measured with streams, and as often without.
const PROCESSOR_ROUNDS: usize = 5;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// Runs jobs without any stream, opens streams, then runs such jobs again, whose last states
/// must reach each stream.
///
/// # Errors
///
/// If one does not.
pub(crate) async fn measure(server: &Server, streams: u64, jobs: u64) -> Outcome<()> {
    let mut alone = 0;
    // The first time warms up.
    for seeds in [0..jobs, jobs..2 * jobs] {
        let before = server.resident_bytes()?;
        server.forget_peak()?;
        for id in &submit(server, seeds).await? {
            server.done(id).await?;
        }
        alone = server.peak_bytes()?.saturating_sub(before);
    }
    let before = server.resident_bytes()?;
    let opening = Arc::new(Semaphore::new(OPENING_AT_ONCE));
    let opened = Arc::new(AtomicUsize::new(0));
    let (expect, expected) = watch::channel(BTreeSet::<String>::new());
    let mut running = JoinSet::new();
    let begun = Instant::now();
    for _ in 0..streams {
        let (request, expected) = (server.http.get(server.url("/api/events")), expected.clone());
        let (opening, opened) = (opening.clone(), opened.clone());
        running.spawn(async move {
            let permit = opening.acquire().await?;
            let answer = request.send().await?.error_for_status()?;
            let mut events = Events { bytes: answer.bytes_stream().boxed(), text: String::new() };
            events.next().await?;
            drop(permit);
            opened.fetch_add(1, Ordering::SeqCst);
            follow(events, expected).await
        });
    }
    while opened.load(Ordering::SeqCst) < usize::try_from(streams)? {
        if let Some(ended) = running.try_join_next() {
            ended??;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = begun.elapsed().as_secs_f64();
    let open = server.resident_bytes()?;
    println!("{streams} streams of all jobs, opened within {took:.1} s:");
    server.forget_peak()?;
    let begun = Instant::now();
    let ids = submit(server, 2 * jobs..3 * jobs).await?;
    expect.send_replace(ids.clone());
    for id in &ids {
        server.done(id).await?;
    }
    let done = begun.elapsed().as_secs_f64();
    let mut seen = 0_u64;
    while let Some(ended) = timeout(PATIENCE, running.join_next()).await? {
        ended??;
        seen += 1;
    }
    let all = begun.elapsed().as_secs_f64();
    let each = |bytes: u64| bytes.saturating_sub(before) as f64 / streams as f64 / 1000.0;
    println!(
        "  {seen} have got the last state of all {jobs} jobs: jobs done after {done:.1} s, the \
         last stream told after {all:.1} s"
    );
    let peak = server.peak_bytes()?;
    println!(
        "  server: {} MiB before, {:.1} kB for each stream that is open, {:.1} kB at the peak; \
         without the {} MiB that such jobs take alone {:.1} kB",
        before >> 20,
        each(open),
        each(peak),
        alone >> 20,
        each(peak.saturating_sub(alone))
    );
    Ok(())
}

/// Prints what streams of one paced job take of the processor once they are open: the job
/// alone and with all streams in turn, and the medians.
///
/// # Errors
///
/// If a stream does not get the last state of its job.
pub(crate) async fn measure_processor(server: &Server, streams: u64) -> Outcome<()> {
    let data = json!({"files": 30, "count": 4096});
    let request = json!({"inputs": {"generate": data}, "workers": 2, "fan_in": 3, "paced": true});
    let (mut alone, mut with) = (Vec::new(), Vec::new());
    // The first round warms up.
    for round in 0..=PROCESSOR_ROUNDS {
        for (count, shares) in [(0, &mut alone), (streams, &mut with)] {
            let job = server.submit(&request).await?;
            let path = server.url(&format!("/api/jobs/{job}/events"));
            let (mut running, opened) = (JoinSet::new(), Arc::new(AtomicUsize::new(0)));
            for _ in 0..count {
                let (request, opened) = (server.http.get(&path), opened.clone());
                running.spawn(async move {
                    let answer = request.send().await?.error_for_status()?;
                    let bytes = answer.bytes_stream().boxed();
                    let mut events = Events { bytes, text: String::new() };
                    events.next().await?;
                    opened.fetch_add(1, Ordering::SeqCst);
                    let is_over = |data: &str| PHASES_OVER.iter().any(|it| data.contains(it));
                    while !is_over(&timeout(PATIENCE, events.next()).await??) {}
                    Outcome::Ok(())
                });
            }
            while opened.load(Ordering::SeqCst) < usize::try_from(count)? {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let (began, before) = (Instant::now(), server.processor_secs()?);
            server.done(&job).await?;
            while let Some(ended) = running.join_next().await {
                ended??;
            }
            let took = server.processor_secs()? - before;
            if round > 0 {
                shares.push(took / began.elapsed().as_secs_f64());
            }
        }
    }
    let (alone, with) = (median(alone), median(with));
    println!(
        "{streams} streams of one paced job: {:.1} % of a processor, {:.1} % without them: {:.1} % \
         more (medians of {PROCESSOR_ROUNDS})",
        with * 100.0,
        alone * 100.0,
        (with - alone) * 100.0
    );
    Ok(())
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// Submits a job for each seed.
async fn submit(server: &Server, seeds: Range<u64>) -> Outcome<BTreeSet<String>> {
    let mut ids = BTreeSet::new();
    for seed in seeds {
        let data = json!({"files": 60, "count": 1_000, "format": "npy", "seed": seed});
        ids.insert(server.submit(&json!({"inputs": {"generate": data}, "fan_in": 3})).await?);
    }
    Ok(ids)
}

/// Reads until each of the jobs that are expected is over.
async fn follow(
    mut events: Events,
    mut expected: watch::Receiver<BTreeSet<String>>,
) -> Outcome<()> {
    let mut over = BTreeSet::new();
    loop {
        let is_complete = {
            let expected = expected.borrow_and_update();
            !expected.is_empty() && expected.is_subset(&over)
        };
        if is_complete {
            return Ok(());
        }
        let data = tokio::select! {
            data = timeout(PATIENCE, events.next()) => data??,
            // The jobs may be over before the set of them is known.
            changed = expected.changed() => { changed?; continue }
        };
        // Only what may tell of an end is parsed: the server is to be measured.
        if !PHASES_OVER.iter().any(|phase| data.contains(phase)) {
            continue;
        }
        let data: Value = serde_json::from_str(&data)?;
        let is_over =
            |phase: &Value| matches!(phase.as_str(), Some("done" | "failed" | "cancelled"));
        // Overviews list the jobs, other events are one job.
        let jobs = data["jobs"].as_array().cloned().unwrap_or_else(|| vec![data]);
        for job in jobs.iter().filter(|job| is_over(&job["phase"])) {
            over.extend(job["id"].as_str().map(str::to_owned));
        }
    }
}

/// The data of server-sent events. Dropped futures lose nothing.
struct Events {
    bytes: BoxStream<'static, reqwest::Result<Bytes>>,
    text: String,
}

impl Events {
    async fn next(&mut self) -> Outcome<String> {
        loop {
            while let Some(end) = self.text.find("\n\n") {
                let event: String = self.text.drain(..end + 2).collect();
                let data = event.lines().filter_map(|line| line.strip_prefix("data: "));
                let data: String = data.collect();
                if !data.is_empty() {
                    return Ok(data);
                }
            }
            let bytes = self.bytes.next().await.ok_or("the stream has ended")??;
            self.text.push_str(std::str::from_utf8(&bytes)?);
        }
    }
}
