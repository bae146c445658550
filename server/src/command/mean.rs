//! `distributed-average mean`

mod found;
mod memory;
mod output;
mod plan;

use std::io::{self, IsTerminal};
use std::time::Duration;

use anyhow::{Context, bail};
use indicatif::HumanBytes;
use protocol::request::Statistic;
use protocol::{JobId, JobSnapshot, Phase, Plan, Problem, ValidRequest};
use scheduler::Settings;

use self::found::{as_paths, find_inputs};
use self::output::Output;
use crate::arguments::MeanArguments;
use crate::engine::Engine;
use crate::parts;

/// How soon the end of a job is noticed if nothing tells of it.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Threads for reading and writing beside those that workers add on.
const SPARE_THREADS: usize = 4;

/// How many threads may wait for files. Each worker has one to itself; many
/// more would not make a disk faster, and each takes memory.
#[must_use]
pub fn blocking_threads(arguments: &MeanArguments) -> usize {
    let workers = arguments.workers.unwrap_or_else(super::default_workers);
    usize::try_from(workers).unwrap_or(usize::MAX).saturating_add(SPARE_THREADS)
}

/// Computes the mean of files on this machine.
pub async fn run(arguments: MeanArguments) -> anyhow::Result<()> {
    program::telemetry::log_from("error");
    let output = arguments.output.as_deref().map(Output::parse).transpose()?;
    if !arguments.statistics.is_empty() && output.as_ref().is_some_and(|o| !o.takes_statistics()) {
        bail!("standard output takes the mean alone: name a file with --output for --statistics");
    }
    let locations = find_inputs(&arguments.inputs)?;
    let workers = arguments.workers.unwrap_or_else(super::default_workers);
    let mut folder = tempfile::Builder::new();
    let folder = folder.prefix("distributed-average-");
    let scratch = match &arguments.scratch {
        Some(scratch) => folder.tempdir_in(scratch),
        None => folder.tempdir(),
    };
    let scratch = scratch.context("making a folder for partial sums; --scratch names another")?;
    let parts = parts::for_files(scratch.path()).await?;
    let request = arguments.request(locations, workers).validate()?;
    let tell = Tell { workers, is_wanted: arguments.verbose || io::stderr().is_terminal() };
    let Some(output) = output.filter(|_| !arguments.plan) else {
        return plan::print(&parts.planner, &request, workers).await;
    };
    let settings = Settings { min_workers: workers, max_workers: workers, ..Settings::default() };
    let engine = Engine::start(parts, settings, workers).await.map_err(as_paths)?;
    tokio::select! {
        done = compute(&engine, request, tell) => {
            let done = done?;
            output.write(&engine, &done, scratch.path()).await?;
            tell.ended(&done);
        }
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.context("listening for an interrupt")?;
            bail!("interrupted; nothing was written");
        }
    }
    engine.stop().await;
    Ok(())
}

/// Has the job computed, and shows how far it is.
async fn compute(
    engine: &Engine,
    request: ValidRequest,
    tell: Tell,
) -> anyhow::Result<JobSnapshot> {
    let job = engine.submit(request).await.map_err(as_paths)?;
    let snapshot = watch(engine, job, tell).await.map_err(as_paths)?;
    match (snapshot.phase, snapshot.error.clone()) {
        (Phase::Done, _) => Ok(snapshot),
        (_, Some(problem)) => Err(as_paths(problem).into()),
        (phase, None) => bail!("the job is {}", phase.word()),
    }
}

/// Follows a job to its end with a progress bar.
#[expect(clippy::cast_possible_truncation, reason = "a progress bar shows whole steps")]
async fn watch(engine: &Engine, job: JobId, tell: Tell) -> Result<JobSnapshot, Problem> {
    const STEPS: u64 = 1000;
    let bar = super::progress_bar(STEPS, "{bar:40} {percent:>3} % · {msg}");
    let mut versions = engine.board().watch();
    let mut is_told = false;
    loop {
        let snapshot = engine.job(job)?;
        if let Some(plan) = snapshot.plan.as_ref().filter(|_| !is_told) {
            bar.suspend(|| tell.begins(plan, &snapshot.request.statistics));
            is_told = true;
        }
        if snapshot.phase.is_over() {
            bar.finish_and_clear();
            return Ok(JobSnapshot::clone(&snapshot));
        }
        bar.set_position((snapshot.fraction() * STEPS as f64) as u64);
        bar.set_message(describe(&snapshot));
        // An error would say that the board is gone; then the job is too.
        let _ = tokio::time::timeout(LOOK_AGAIN, versions.changed()).await;
    }
}

/// Tells on standard error what a job takes, if anybody wants to know.
#[derive(Clone, Copy)]
struct Tell {
    workers: u32,
    is_wanted: bool,
}

impl Tell {
    /// Before anything is added: the bound of memory.
    fn begins(self, plan: &Plan, statistics: &[Statistic]) {
        if self.is_wanted {
            eprintln!("memory  {}", memory::describe(plan, self.workers, statistics));
        }
    }

    /// What it took.
    fn ended(self, job: &JobSnapshot) {
        if !self.is_wanted {
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
            let bound = memory::process_bytes(plan, self.workers, &job.request.statistics);
            eprintln!("memory  {} at its peak, bound {}", HumanBytes(peak), HumanBytes(bound));
        }
    }
}

/// What a job is doing, in a few words.
#[expect(clippy::cast_possible_truncation, reason = "a rate is shown in whole bytes")]
fn describe(job: &JobSnapshot) -> String {
    let rate = HumanBytes(job.bytes_per_sec as u64);
    match job.remaining_ms {
        Some(remaining) => {
            let remaining = indicatif::HumanDuration(Duration::from_millis(remaining));
            format!("{} · {rate}/s · {remaining} left", job.phase.word())
        }
        None => job.phase.word().to_owned(),
    }
}
