//! The control plane: how many tasks a second pass through the server, the queue and the
//! workers when there is nothing to do, and how long one takes at a constant rate; beside the
//! same messages through the same broker with nothing behind them.
//!
//! `scripts/bench control-plane` runs it with a broker of its own. The store is a folder. The
//! workers are tasks of this process, each with a connection of its own, that do everything
//! but sum. `DISTRIBUTED_AVERAGE_BENCH_TASKS` sets how many tasks are measured with 8
//! workers; three times as many are with 1,000. `DISTRIBUTED_AVERAGE_BENCH_WORKERS` measures
//! only that number of workers.

mod bare;
mod ends;
mod engine;

use testbed::RabbitMq;

use self::engine::Server;

pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How many tasks are measured with the fewest workers.
const TASKS: u64 = 20_000;
/// With how many workers, and how many times as many tasks.
const MEASURED: [(usize, u64); 2] = [(8, 1), (1_000, 3)];
/// The constant rate, and with how many workers it is kept.
const PER_SEC: f64 = 1_500.0;
const PACED_WORKERS: usize = 100;

#[tokio::main]
async fn main() -> Outcome<()> {
    // A connection for each of a thousand workers.
    program::open_files::raise_limit();
    let tasks = std::env::var("DISTRIBUTED_AVERAGE_BENCH_TASKS");
    let tasks: u64 = tasks.ok().and_then(|text| text.parse().ok()).unwrap_or(TASKS);
    let only = std::env::var("DISTRIBUTED_AVERAGE_BENCH_WORKERS");
    let only: Option<usize> = only.ok().and_then(|text| text.parse().ok());
    let broker = RabbitMq::start().await;
    for (workers, times) in MEASURED {
        if only.is_some_and(|only| only != workers) {
            continue;
        }
        let tasks = tasks * times;
        println!("{workers} workers, {tasks} tasks that do nothing:");
        let bare = bare::tasks_per_sec(&broker, workers, tasks.min(TASKS)).await?;
        println!(
            "  bare messages, one for a task and one for its report: {bare:.0} tasks a second"
        );
        let prefix = format!("bench-{workers}");
        let server = Server::start(&broker, &prefix, workers, tasks * 6 / 5).await?;
        let done = server.throughput(workers, tasks).await?;
        println!(
            "  the program: {:.0} tasks a second ({:.2} of bare); server {:.2} cores, {} MiB at its peak",
            done.tasks_per_sec,
            done.tasks_per_sec / bare,
            done.server_cores,
            done.server_bytes >> 20,
        );
    }
    if only.is_some_and(|only| only != PACED_WORKERS) {
        return Ok(());
    }
    let tasks = tasks / 2;
    let server = Server::start(&broker, "bench-paced", PACED_WORKERS, tasks * 6 / 5).await?;
    let paced = server.latency(PACED_WORKERS, PER_SEC, tasks).await?;
    println!(
        "{PER_SEC} tasks a second, {PACED_WORKERS} workers, from publishing to counted completion:"
    );
    println!(
        "  p50 {:.1} ms, p99 {:.1} ms ({} tasks); server {:.2} cores",
        percentile(&paced.took_ms, 50),
        percentile(&paced.took_ms, 99),
        paced.took_ms.len(),
        paced.server_cores,
    );
    println!(
        "  the {} tasks before them: p50 {:.1} ms, p99 {:.1} ms",
        paced.first_ms.len(),
        percentile(&paced.first_ms, 50),
        percentile(&paced.first_ms, 99),
    );
    Ok(())
}

/// A percentile of sorted values; not a number if there is none.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let at = (sorted.len().max(1) - 1) * percent / 100;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}
