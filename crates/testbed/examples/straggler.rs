//! A demonstration of a straggler: RabbitMQ, an S3 server, the server on
//! 127.0.0.1:3000 and three workers, one of them eight times slower.
//!
//! `scripts/straggler` builds and starts everything. Ctrl-C stops it.

use std::path::PathBuf;
use std::process::Command;

use testbed::{Process, RabbitMq, SeaweedFs};

const LISTEN: &str = "127.0.0.1:3000";
/// Slowness of the normal workers, so that there is time to watch.
const NORMAL_SLOWNESS: &str = "20";
/// Slowness of the straggler.
const STRAGGLER_SLOWNESS: &str = "160";

#[tokio::main]
async fn main() {
    let programs = PathBuf::from(std::env::args().nth(1).expect("the directory of the programs"));
    println!("starting RabbitMQ and an S3 server");
    let (broker, page) = RabbitMq::start_with_page().await;
    let store = SeaweedFs::start().await;
    let logs = tempfile::tempdir().expect("a temporary directory");
    let start = |name: &str, program: &str, arguments: &[&str]| {
        let mut command = Command::new(programs.join(program));
        command
            .args(arguments)
            .env("DISTRIBUTED_AVERAGE_QUEUE", broker.url())
            .env("DISTRIBUTED_AVERAGE_QUEUE_MANAGEMENT_URL", &page)
            .env("DISTRIBUTED_AVERAGE_STORE", format!("s3://{}/demo", store.bucket()))
            .envs(store.environment());
        Process::start(name, &mut command, &logs.path().join(name))
    };
    let serve = ["serve", "--listen", LISTEN, "--pool", "external", "--workers", "3"];
    let mut server = start("server", "distributed-average", &serve);
    server.announced("listening on ").await;
    let worker = "distributed-average-worker";
    let _workers = [
        ("worker-1", NORMAL_SLOWNESS),
        ("worker-2", NORMAL_SLOWNESS),
        ("slow-worker", STRAGGLER_SLOWNESS),
    ]
    .map(|(name, slowness)| start(name, worker, &["--name", name, "--slowness", slowness]));
    println!("open http://{LISTEN} and submit 60 generated files of 100,000 numbers");
    println!("with W = 3; press Ctrl-C to stop");
    println!("RabbitMQ's own page, to which the dashboard links: user guest, password guest");
    tokio::signal::ctrl_c().await.expect("listening for Ctrl-C");
}
