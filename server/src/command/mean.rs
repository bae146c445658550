//! `distributed-average mean`

mod found;
mod output;
mod plan;

use std::time::Duration;

use anyhow::Context;
use protocol::{Inputs, JobId, JobRequest, JobSnapshot, Phase, Problem};
use scheduler::Settings;

use self::found::{as_paths, find_inputs};
use self::output::Output;
use crate::arguments::MeanArguments;
use crate::engine::Engine;
use crate::parts;

/// How soon the end of a job is noticed if nothing tells of it.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Computes the mean of files on this machine.
pub async fn run(arguments: MeanArguments) -> anyhow::Result<()> {
    super::log_from("error");
    let output = arguments.output.as_deref().map(Output::parse).transpose()?;
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
    let mut request = JobRequest::new(Inputs::Objects(locations));
    request.fan_in = arguments.fan_in;
    request.workers = Some(workers);
    let Some(output) = output.filter(|_| !arguments.plan) else {
        return plan::print(&parts.planner, &request, workers).await;
    };
    let settings = Settings { min_workers: workers, max_workers: workers, ..Settings::default() };
    let engine = Engine::start(parts, settings, workers).await.map_err(as_paths)?;
    tokio::select! {
        done = compute(&engine, request) => output.write(&engine, &done?).await?,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.context("listening for an interrupt")?;
            anyhow::bail!("interrupted; nothing was written");
        }
    }
    engine.stop().await;
    Ok(())
}

/// Has the job computed, and shows how far it is.
async fn compute(engine: &Engine, request: JobRequest) -> anyhow::Result<JobSnapshot> {
    let job = engine.submit(request).await.map_err(as_paths)?;
    let snapshot = watch(engine, job).await.map_err(as_paths)?;
    match (snapshot.phase, snapshot.error.clone()) {
        (Phase::Done, _) => Ok(snapshot),
        (_, Some(problem)) => Err(as_paths(problem).into()),
        (phase, None) => anyhow::bail!("the job is {}", phase.word()),
    }
}

/// Follows a job to its end with a progress bar.
#[expect(clippy::cast_possible_truncation, reason = "a progress bar shows whole steps")]
async fn watch(engine: &Engine, job: JobId) -> Result<JobSnapshot, Problem> {
    const STEPS: u64 = 1000;
    let bar = super::progress_bar(STEPS, "{bar:40} {percent:>3} % · {msg}");
    let mut versions = engine.board().watch();
    loop {
        let snapshot = engine.job(job)?;
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

/// What a job is doing, in a few words.
#[expect(clippy::cast_possible_truncation, reason = "a rate is shown in whole bytes")]
fn describe(job: &JobSnapshot) -> String {
    let rate = indicatif::HumanBytes(job.bytes_per_sec as u64);
    match job.remaining_ms {
        Some(remaining) => {
            let remaining = indicatif::HumanDuration(Duration::from_millis(remaining));
            format!("{} · {rate}/s · {remaining} left", job.phase.word())
        }
        None => job.phase.word().to_owned(),
    }
}
