//! Which implementations the program is made of: the only place that names them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use platform::queue::embedded::EmbeddedQueue;
use platform::store::local::LocalStore;
use platform::{InputStores, ObjectStore};
use scheduler::Settings;
use scheduler::plan::{Costs, PlanLimits};

use crate::arguments::{PoolKind, ServeArguments};
use crate::driver::Parts;
use crate::planning::Planner;
use crate::pool::embedded::EmbeddedPool;

/// How often an attempt tells how far it is: often enough to see it move.
const HEARTBEAT_MS: u64 = 500;
/// What locations of files on this machine begin with, on the command line.
pub const FILES: &str = "file:///";

/// The parts that `serve` was told to take.
pub fn for_serving(arguments: &ServeArguments) -> anyhow::Result<Parts> {
    if arguments.queue != "embedded" {
        bail!("the queue {:?} is not known: it is \"embedded\"", arguments.queue);
    }
    if arguments.store.contains("://") {
        bail!("the store {:?} is not known: it is a directory", arguments.store);
    }
    if arguments.pool != PoolKind::Embedded {
        bail!("this pool needs a queue that other processes can reach");
    }
    let store = local_store(Path::new(&arguments.store))?;
    let inputs = InputStores::new(store.clone());
    let worker = worker::Settings {
        faults: worker::Faults { slowness: arguments.slowness },
        ..worker::Settings::default()
    };
    Ok(embedded(store, inputs, worker, arguments.keep_partial_sums))
}

/// The parts that compute a mean of files on this machine, with `scratch` for
/// what lies in between.
pub fn for_files(scratch: &Path) -> anyhow::Result<Parts> {
    let store = local_store(scratch)?;
    let files = Arc::new(LocalStore::read_only("/"));
    let inputs = InputStores::new(store.clone()).with(FILES, files);
    Ok(embedded(store, inputs, worker::Settings::default(), false))
}

/// Where `serve` finds what browsers download, if it is there.
#[must_use]
pub fn site(arguments: &ServeArguments) -> Option<PathBuf> {
    if arguments.site.is_some() {
        return arguments.site.clone();
    }
    let program = std::env::current_exe().ok()?;
    let folders = program.ancestors().skip(1).take(2);
    folders.map(|folder| folder.join("site")).find(|site| site.join("hash.txt").is_file())
}

/// How the scheduler is set for `serve`.
#[must_use]
pub fn settings(arguments: &ServeArguments, workers: u32) -> Settings {
    Settings {
        min_workers: workers.min(arguments.max_workers),
        max_workers: arguments.max_workers,
        idle_ms: arguments.idle_secs.saturating_mul(1000),
        external_pool: arguments.pool == PoolKind::External,
        ..Settings::default()
    }
}

fn embedded(
    store: Arc<dyn ObjectStore>,
    inputs: InputStores,
    worker: worker::Settings,
    keep_partial_sums: bool,
) -> Parts {
    let queue = EmbeddedQueue::new();
    let limits = PlanLimits {
        open_objects: u32::try_from(worker.max_open_objects).unwrap_or(u32::MAX),
        block_bytes: worker.range_bytes as u64,
        ..PlanLimits::default()
    };
    let pool = EmbeddedPool::new(queue.clone(), store.clone(), inputs.clone(), worker);
    Parts {
        queue: Arc::new(queue),
        planner: Planner {
            store: store.clone(),
            inputs: inputs.clone(),
            limits,
            costs: Costs::EMBEDDED,
        },
        store,
        inputs,
        pool: Arc::new(pool),
        heartbeat_ms: HEARTBEAT_MS,
        keep_partial_sums,
    }
}

fn local_store(folder: &Path) -> anyhow::Result<Arc<dyn ObjectStore>> {
    let store = LocalStore::open(folder)
        .with_context(|| format!("opening the store in {}", folder.display()))?;
    Ok(Arc::new(store))
}
