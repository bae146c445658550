//! The program `distributed-average-worker`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Parser;
use platform::backends;
use platform::store::measured::StoreMetrics;
use program::host::host_name;
use program::signals::stop_on_signal;
use program::telemetry;
use protocol::WorkerId;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use traces::Traces;
use worker::arguments::Arguments;
use worker::metrics::{Exporter, WorkerMetrics};
use worker::{Settings, Worker, health};

/// How long the last spans may take to be sent, once everything else has ended.
const SPANS_TIME_MAX: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    telemetry::log_from("info", arguments.shared.log_format);
    let traces = Traces::from_environment("distributed-average-worker");
    let ended = run(arguments, &traces).await;
    traces.finish(SPANS_TIME_MAX);
    match ended {
        Ok(()) => {
            telemetry::flush();
            ExitCode::SUCCESS
        }
        Err(error) => {
            telemetry::print_error(&error);
            ExitCode::FAILURE
        }
    }
}

/// Runs until told to stop or drained.
async fn run(arguments: Arguments, traces: &Traces) -> anyhow::Result<()> {
    let health_file = arguments.health_file.clone();
    if let Some(path) = health_file.as_ref().filter(|_| arguments.check_health) {
        return health::check(path);
    }
    ensure!(
        arguments.queue.is_shared(),
        "a worker needs a queue that it can reach: --queue {}",
        backends::shared_queue_forms()
    );
    let leave = CancellationToken::new();
    // Before anything else: opening the store and the queue may take long.
    let overdue = leave_on_signal(leave.clone(), Duration::from_secs(arguments.grace_secs))?;
    if arguments.until_input_ends {
        leave_when_input_ends(leave.clone());
    }
    tokio::select! {
        ended = work(arguments, leave, traces) => ended,
        overdue = overdue => overdue,
    }
}

/// Runs one worker in each slot.
async fn work(
    arguments: Arguments,
    leave: CancellationToken,
    traces: &Traces,
) -> anyhow::Result<()> {
    let mut registry = program::metrics::registry("worker");
    let own = program::metrics::own(&mut registry);
    let (store_metrics, metrics) = (StoreMetrics::new(own), WorkerMetrics::new(own));
    if let Some(address) = arguments.metrics {
        let exporter = Exporter::listen(address, registry).await?;
        // On standard output: scripts that start the worker wait for this line.
        println!("metrics on http://{}/metrics", exporter.address());
        tokio::spawn(exporter.serve());
    }
    // Before it connects: a restart would bring neither the broker nor the store back.
    if let Some(path) = arguments.health_file.clone() {
        tokio::spawn(show_health(path, leave.clone()));
    }
    let connecting = Box::pin(connect(&arguments, &store_metrics, &metrics, traces));
    let Some(connected) = leave.run_until_cancelled(connecting).await else {
        return Ok(());
    };
    let mut slots = JoinSet::new();
    for worker in connected? {
        slots.spawn(worker::run(worker, leave.clone()));
    }
    while let Some(slot) = slots.join_next().await {
        slot.context("running a slot")?.context("using the queue")?;
    }
    let linger = Duration::from_secs(arguments.linger_secs);
    leave.run_until_cancelled(tokio::time::sleep(linger)).await;
    Ok(())
}

/// A worker for each slot, each with its own connection to the queue.
async fn connect(
    arguments: &Arguments,
    store_metrics: &StoreMetrics,
    metrics: &WorkerMetrics,
    traces: &Traces,
) -> anyhow::Result<Vec<Worker>> {
    let name = arguments.name.clone().unwrap_or_else(default_name);
    let store = store_metrics.measured(arguments.store.open().await?);
    let inputs = backends::inputs(store.clone(), &arguments.shared.allow_inputs).await?;
    let inputs = inputs.with_others(|store| store_metrics.measured(store));
    let inputs = inputs.own_at(arguments.store.location());
    let queue = arguments.queue.open(&arguments.shared.queue_prefix);
    let mut workers = Vec::new();
    for slot in 1..=arguments.slots {
        let name = match arguments.slots {
            1 => name.clone(),
            _ => format!("{name}-{slot}"),
        };
        let connected = queue.connect_worker(&name).await;
        workers.push(Worker {
            id: WorkerId::from(name),
            node: arguments.node.clone().or_else(host_name),
            queue: connected
                .with_context(|| format!("connecting to the queue at {}", arguments.queue))?,
            store: store.clone(),
            inputs: inputs.clone(),
            settings: Settings::from(&arguments.shared),
            metrics: metrics.clone(),
            traces: traces.clone(),
        });
    }
    Ok(workers)
}

/// Keeps the health file until the worker is told to leave.
async fn show_health(path: PathBuf, leave: CancellationToken) {
    if let Some(Err(error)) = leave.run_until_cancelled(health::keep(path)).await {
        tracing::error!(error = format!("{error:#}"), "health file not written");
    }
}

/// Tells the worker to leave when its standard input ends.
fn leave_when_input_ends(leave: CancellationToken) {
    // A thread of its own, because it may wait for ever and must not delay the exit.
    std::thread::spawn(move || {
        // An error counts as the end.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        leave.cancel();
    });
}

/// Tells the worker to leave on SIGINT or SIGTERM. The future returns an error if
/// the worker has not finished its segment within the grace period; the queue
/// then redelivers its task to another worker.
fn leave_on_signal(
    leave: CancellationToken,
    grace: Duration,
) -> anyhow::Result<impl Future<Output = anyhow::Result<()>>> {
    let signalled = stop_on_signal(leave)?;
    Ok(async move {
        signalled.await;
        tokio::time::sleep(grace).await;
        anyhow::bail!("the segment was not finished within --grace-secs ({} s)", grace.as_secs())
    })
}

/// The host name and the process id.
fn default_name() -> String {
    let host = host_name().unwrap_or_else(|| "worker".to_owned());
    format!("{host}-{}", std::process::id())
}
