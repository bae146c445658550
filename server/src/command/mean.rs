//! `distributed-average mean`

mod found;
mod memory;
mod output;
mod plan;

use std::io::{self, IsTerminal};
use std::time::Duration;

use anyhow::{Context, bail};
use indicatif::HumanBytes;
use program::telemetry::{self, LogFormat};
use protocol::{JobId, JobSnapshot, Phase, Plan, ValidRequest};
use scheduler::Settings;

use self::found::{as_paths, find_inputs};
use self::output::Output;
use crate::arguments::MeanArguments;
use crate::engine::Engine;
use crate::parts;

/// The interval at which the board is read even if it does not change.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The number of blocking threads beside those of the workers.
const SPARE_THREADS: usize = 4;

/// The number of threads for blocking reads and writes. Each worker has one of its
/// own. Many more would not make a disk faster, and each takes memory.
#[must_use]
pub fn blocking_threads(arguments: &MeanArguments) -> usize {
    let workers = arguments.workers.unwrap_or_else(super::default_workers);
    usize::try_from(workers).unwrap_or(usize::MAX).saturating_add(SPARE_THREADS)
}

/// Computes the mean of files on this machine.
pub async fn run(arguments: MeanArguments) -> anyhow::Result<()> {
    telemetry::log_from("error", LogFormat::Text);
    let output = arguments.output.as_deref().map(Output::parse).transpose()?;
    if !arguments.statistics.is_empty() && output.as_ref().is_some_and(|o| !o.takes_statistics()) {
        bail!("standard output takes only the mean: --statistics needs a file as --output");
    }
    if arguments.dtype.is_some() && output.as_ref().is_some_and(|output| !output.has_types()) {
        bail!(
            "--dtype needs an --output that ends in .npy, .safetensors or .nc: other results are f64"
        );
    }
    let results = output.as_ref().map(Output::paths).unwrap_or_default();
    let mut locations = find_inputs(&arguments.inputs, &results)?;
    let weights = arguments.weights.as_deref().map(found::location).transpose()?;
    if let Some(weights) = &weights {
        // It may lie among the files.
        locations.retain(|location| location != weights);
        if locations.is_empty() {
            bail!("the only input is the table of weights: name the files that it has weights for");
        }
    }
    let workers = arguments.workers.unwrap_or_else(super::default_workers);
    let mut folder = tempfile::Builder::new();
    let folder = folder.prefix("distributed-average-");
    let scratch = match &arguments.scratch {
        Some(scratch) => folder.tempdir_in(scratch),
        None => folder.tempdir(),
    };
    let scratch =
        scratch.context("creating a folder for partial sums; choose another with --scratch")?;
    let parts = parts::for_files(scratch.path()).await?;
    let request = arguments.request(locations, weights, workers).validate()?;
    let log = CostLog { workers, is_enabled: arguments.verbose || io::stderr().is_terminal() };
    let Some(output) = output.filter(|_| !arguments.plan) else {
        return plan::print(&parts.planner, &request, workers).await;
    };
    let settings = Settings { min_workers: workers, max_workers: workers, ..Settings::default() };
    let engine = Engine::start(parts, settings, workers).await.map_err(as_paths)?;
    tokio::select! {
        done = compute(&engine, request, &output, log) => {
            let done = done?;
            output.write(&engine, &done, scratch.path()).await?;
            log.ended(&done);
        }
        failed = engine.failed() => return Err(failed.into()),
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.context("listening for SIGINT")?;
            bail!("interrupted; nothing was written");
        }
    }
    engine.stop().await;
    Ok(())
}

/// Submits the job and follows it to its end.
async fn compute(
    engine: &Engine,
    request: ValidRequest,
    output: &Output,
    log: CostLog,
) -> anyhow::Result<JobSnapshot> {
    let job = engine.submit(request, None).await.map_err(as_paths)?;
    let snapshot = watch(engine, job, output, log).await?;
    match (snapshot.phase, snapshot.error.clone()) {
        (Phase::Done, _) => Ok(snapshot),
        (_, Some(problem)) => Err(as_paths(problem).into()),
        (phase, None) => bail!("the job is {}", phase.word()),
    }
}

/// Follows a job to its end with a progress bar.
#[expect(clippy::cast_possible_truncation, reason = "a progress bar shows whole steps")]
async fn watch(
    engine: &Engine,
    job: JobId,
    output: &Output,
    log: CostLog,
) -> anyhow::Result<JobSnapshot> {
    const STEPS: u64 = 1000;
    let bar = super::progress_bar(STEPS, "{bar:40} {percent:>3} % · {msg}");
    let mut versions = engine.board().watch();
    let mut is_planned = false;
    loop {
        let snapshot = engine.job(job).await.map_err(as_paths)?;
        if let Some(plan) = snapshot.plan.as_ref().filter(|_| !is_planned) {
            output.check_inputs(&snapshot.inputs, snapshot.request.output.dtype)?;
            bar.suspend(|| log.planned(plan, &snapshot));
            is_planned = true;
        }
        if snapshot.phase.is_over() {
            bar.finish_and_clear();
            return Ok(JobSnapshot::clone(&snapshot));
        }
        bar.set_position((snapshot.fraction() * STEPS as f64) as u64);
        bar.set_message(describe(&snapshot));
        // An error says that the board was dropped; then the next look fails.
        let _ = tokio::time::timeout(POLL_INTERVAL, versions.changed()).await;
    }
}

/// Prints on standard error what a job costs, on a terminal or with `--verbose`.
#[derive(Clone, Copy)]
struct CostLog {
    workers: u32,
    is_enabled: bool,
}

impl CostLog {
    /// Prints the memory bound, before anything is computed.
    fn planned(self, plan: &Plan, job: &JobSnapshot) {
        if self.is_enabled {
            let (statistics, inputs) = (&job.request.statistics, &job.inputs);
            eprintln!("memory  {}", memory::describe(plan, inputs, self.workers, statistics));
        }
    }

    /// Prints the time, the bytes read, and the peak memory beside its bound.
    fn ended(self, job: &JobSnapshot) {
        if !self.is_enabled {
            return;
        }
        let timings = &job.timings;
        if let Some(ended) = timings.ended_at {
            let millis = ended.millis_since(timings.submitted_at);
            let seconds = Duration::from_millis(millis).as_secs_f64();
            eprintln!("time    {seconds:.3} s");
        }
        eprintln!("read    {} of input", HumanBytes(job.bytes.input_read));
        if let Some((peak, plan)) = memory::peak_resident_bytes().zip(job.plan.as_ref()) {
            let (statistics, inputs) = (&job.request.statistics, &job.inputs);
            let bound = crate::memory::process_bytes(plan, inputs, self.workers, statistics);
            eprintln!("memory  {} at its peak, bound {}", HumanBytes(peak), HumanBytes(bound));
        }
    }
}

/// The phase of a job with its throughput and the remaining time.
#[expect(clippy::cast_possible_truncation, reason = "a rate is shown in whole bytes")]
fn describe(job: &JobSnapshot) -> String {
    if let Some(outage) = &job.outage {
        return outage.to_string();
    }
    let rate = HumanBytes(job.bytes_per_sec as u64);
    match job.remaining_least_ms.zip(job.remaining_most_ms) {
        Some((least_ms, most_ms)) => {
            let remaining = app::format::between(least_ms, most_ms);
            format!("{} · {rate}/s · {remaining} left", job.phase.word())
        }
        None => job.phase.word().to_owned(),
    }
}
