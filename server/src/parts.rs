//! Assembles the parts of the program from the command line: queue and stores by
//! their places, and the worker pool. No other module names the pools.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use platform::{
    InputPlace, InputStores, ObjectStore, OutputStores, Queue, QueuePlace, ServerEnd, backends,
};
use scheduler::Settings;
use scheduler::plan::{Costs, PlanLimits};
use traces::Traces;

use crate::arguments::{PoolKind, ServeArguments};
use crate::driver::Parts;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::outputs::Outputs;
use crate::planning::Planner;
use crate::planning::pace::Pace;
use crate::pool::WorkerPool;
use crate::pool::embedded::EmbeddedPool;
use crate::pool::external::ExternalPool;
use crate::pool::kubernetes::KubernetesPool;
use crate::pool::process::{ProcessPool, WorkerProgram};
use crate::store_lease::Fencing;
use crate::webhooks::Webhooks;

/// The heartbeat interval of attempts: short enough that progress looks steady.
const HEARTBEAT_MS: u64 = 500;
/// The largest segment, in columns, where segments are files. Smaller than the
/// default, because a file costs little to write and smaller buffers leave less
/// memory with the allocator.
const FILE_SEGMENT_COLUMNS: u64 = 1 << 18;

/// The parts for `serve`, around its open store.
pub async fn for_serving(
    arguments: &ServeArguments,
    store: Arc<dyn ObjectStore>,
    traces: Traces,
) -> anyhow::Result<Parts> {
    let shared = &arguments.shared;
    let metrics = Metrics::new();
    let store = metrics.store.measured(store);
    let inputs = backends::inputs(store.clone(), &shared.allow_inputs).await?;
    let inputs = inputs.with_others(|store| metrics.store.measured(store));
    let inputs = inputs.own_at(arguments.store.location());
    let outputs = backends::outputs(arguments.store.location(), &arguments.allow_outputs).await?;
    let outputs = Outputs(outputs.with_each(|store| metrics.store.measured(store)));
    let is_local = arguments.store.is_local();
    let common = CommonParts {
        store,
        inputs,
        outputs,
        worker: worker::Settings::from(shared),
        costs: if is_local { Costs::EMBEDDED } else { Costs::REAL },
        are_files: is_local && shared.allow_inputs.iter().all(InputPlace::is_local),
        keep_partial_sums: arguments.keep_partial_sums,
        queue_management_url: arguments.queue_management_url.clone(),
        limits: arguments.limits.limits(),
        metrics,
        webhooks: Webhooks::new(arguments.webhooks.settings())?,
        traces,
    };
    match (arguments.pool, arguments.queue.is_shared()) {
        (PoolKind::Embedded, true) => bail!(
            "--queue {} needs --pool process, kubernetes or external: embedded workers use the \
             embedded queue",
            backends::shared_queue_forms()
        ),
        (PoolKind::Process | PoolKind::Kubernetes | PoolKind::External, false) => bail!(
            "workers outside the server need a queue that they can reach: --queue {}",
            backends::shared_queue_forms()
        ),
        _ => {}
    }
    let queue = arguments.queue.open(&shared.queue_prefix);
    let connected = queue.connect_server().await;
    let server_end =
        connected.with_context(|| format!("connecting to the queue at {}", arguments.queue))?;
    let pool: Arc<dyn WorkerPool> = match arguments.pool {
        PoolKind::Embedded => common.embedded_pool(queue),
        PoolKind::Process => Arc::new(ProcessPool::new(worker_program(arguments)?)),
        PoolKind::External => Arc::new(ExternalPool),
        PoolKind::Kubernetes => {
            Arc::new(KubernetesPool::connect(&arguments.kubernetes_deployment).await?)
        }
    };
    Ok(common.with(server_end, pool))
}

/// The parts for computing a mean of files on this machine; partial sums are
/// written into `scratch`.
pub async fn for_files(scratch: &Path) -> anyhow::Result<Parts> {
    let store = backends::scratch(scratch).open().await?;
    let inputs = backends::inputs(store.clone(), &[backends::all_files()]).await?;
    let common = CommonParts {
        store,
        inputs,
        outputs: Outputs(OutputStores::new(None)),
        worker: worker::Settings::default(),
        costs: Costs::FILES,
        are_files: true,
        keep_partial_sums: false,
        queue_management_url: None,
        limits: Limits::of_own_machine(),
        // Nobody reads them.
        metrics: Metrics::new(),
        webhooks: Webhooks::none(),
        traces: Traces::default(),
    };
    let queue = QueuePlace::default().open("mean");
    let server_end = queue.connect_server().await.context("making a queue")?;
    let pool = common.embedded_pool(queue);
    Ok(common.with(server_end, pool))
}

/// The worker program with its arguments, for `--pool process`.
fn worker_program(arguments: &ServeArguments) -> anyhow::Result<WorkerProgram> {
    let own = std::env::current_exe().context("locating the program's own folder")?;
    let shared = &arguments.shared;
    let mut flags = vec![
        format!("--queue-prefix={}", shared.queue_prefix),
        format!("--max-open-objects={}", shared.max_open_objects),
        format!("--range-bytes={}", shared.range_bytes),
        format!("--slowness={}", shared.slowness),
        format!("--log-format={}", shared.log_format.word()),
    ];
    if !shared.allow_inputs.is_empty() {
        let allowed: Vec<&str> = shared.allow_inputs.iter().map(InputPlace::prefix).collect();
        flags.push(format!("--allow-inputs={}", allowed.join(",")));
    }
    Ok(WorkerProgram {
        path: own.with_file_name("distributed-average-worker"),
        arguments: flags.into_iter().map(OsString::from).collect(),
        environment: vec![
            ("DISTRIBUTED_AVERAGE_QUEUE".to_owned(), arguments.queue.secret_text().to_owned()),
            ("DISTRIBUTED_AVERAGE_STORE".to_owned(), arguments.store.to_string()),
        ],
    })
}

/// The folder of the browser bundle, if there is one.
#[must_use]
pub fn site(arguments: &ServeArguments) -> Option<PathBuf> {
    if arguments.site.is_some() {
        return arguments.site.clone();
    }
    let program = std::env::current_exe().ok()?;
    let folders = program.ancestors().skip(1).take(2);
    folders.map(|folder| folder.join("site")).find(|site| site.join("hash.txt").is_file())
}

/// The scheduler's settings for `serve`.
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

/// What the parts of every pool and queue have in common.
struct CommonParts {
    store: Arc<dyn ObjectStore>,
    inputs: InputStores,
    outputs: Outputs,
    worker: worker::Settings,
    costs: Costs,
    /// Whether all inputs and partial sums are files on this machine.
    are_files: bool,
    keep_partial_sums: bool,
    queue_management_url: Option<String>,
    limits: Limits,
    metrics: Metrics,
    webhooks: Webhooks,
    traces: Traces,
}

impl CommonParts {
    /// Workers inside the process, connected to `queue`.
    fn embedded_pool(&self, queue: Arc<dyn Queue>) -> Arc<dyn WorkerPool> {
        let (store, inputs) = (self.store.clone(), self.inputs.clone());
        let (worker, traces) = (self.worker.clone(), self.traces.clone());
        Arc::new(EmbeddedPool::new(queue, store, inputs, worker, traces))
    }

    fn with(self, queue: Arc<dyn ServerEnd>, pool: Arc<dyn WorkerPool>) -> Parts {
        let open_objects = u32::try_from(self.worker.max_open_objects).unwrap_or(u32::MAX);
        let planner = Planner {
            store: self.store.clone(),
            inputs: self.inputs.clone(),
            limits: PlanLimits {
                open_objects,
                block_bytes: self.worker.object_bytes(self.are_files),
                segment_columns: match self.are_files {
                    true => FILE_SEGMENT_COLUMNS,
                    false => PlanLimits::default().segment_columns,
                },
            },
            costs: self.costs,
            job_limits: self.limits.job,
            pace: Pace::default(),
        };
        Parts {
            queue,
            store: self.store,
            fencing: Fencing::default(),
            inputs: self.inputs,
            outputs: self.outputs,
            pool,
            planner,
            heartbeat_ms: HEARTBEAT_MS,
            keep_partial_sums: self.keep_partial_sums,
            queue_management_url: self.queue_management_url,
            limits: self.limits,
            metrics: self.metrics,
            webhooks: Arc::new(self.webhooks),
            traces: self.traces,
        }
    }
}
