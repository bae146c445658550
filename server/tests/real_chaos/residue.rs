//! What is left at the end that nothing needs any more.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::world::{NAME, SERVERS, WORKERS, World};

/// How long it may take until nothing is left: connections that are not used any more are
/// closed after a minute and a half.
const CLEAN_MAX: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_millis(200);
/// How much memory a process may hold once all jobs are over. The programs that chaos runs
/// are compiled without optimisation.
const RESIDENT_MAX_MIB: u64 = 160;
/// How many descriptors a process may hold: its connections, and some for itself.
const DESCRIPTORS_MAX: usize = 80;

/// What a process holds.
#[derive(Clone, Debug)]
pub(crate) struct Holding {
    pub(crate) name: String,
    pub(crate) resident_mib: u64,
    pub(crate) peak_mib: u64,
    pub(crate) descriptors: usize,
}

/// What is left that nothing needs any more: partial sums, marks, parts of uploads,
/// messages, queues, descriptors, memory.
///
/// Those that were deleted soon after their end keep a mark for two hours, by which late
/// partial sums are found; `is_deleted` tells them.
pub(crate) async fn left_behind(world: &World, is_deleted: impl Fn(&str) -> bool) -> Vec<String> {
    let begun = Instant::now();
    let left = loop {
        let pool = world.client.get_json("/api/workers").await;
        let queued = ["assignments", "reports"].map(|it| pool["queue"][it].as_u64());
        let mut left: Vec<String> = world.segments().await;
        let marks = world.below(&format!("{NAME}/cleaning/")).await;
        let job = |mark: &str| mark.rsplit('/').next().unwrap_or_default().to_owned();
        left.extend(marks.into_iter().filter(|mark| !is_deleted(&job(mark))));
        left.extend(world.below(".uploads/").await);
        left.extend(world.below(&format!("{NAME}/jobs/uploads/")).await);
        if queued != [Some(0), Some(0)] {
            left.push(format!("messages in the queue: {queued:?}"));
        }
        let controls = control_queues(world).await;
        if controls != Some(WORKERS.len()) {
            left.push(format!("queues of control messages: {controls:?}"));
        }
        let is_much = |held: &Holding| {
            held.resident_mib > RESIDENT_MAX_MIB || held.descriptors > DESCRIPTORS_MAX
        };
        let much = holdings(world).into_iter().filter(is_much);
        left.extend(much.map(|held| format!("{held:?}")));
        if left.is_empty() || begun.elapsed() > CLEAN_MAX {
            break left;
        }
        sleep(PAUSE).await;
    };
    left.into_iter().map(|it| format!("left behind: {it}")).collect()
}

/// How many workers' ends have a queue at the broker; `None` while it does not answer.
async fn control_queues(world: &World) -> Option<usize> {
    let names = "[element(4, Name) || Name <- rabbit_amqqueue:list_names()].";
    let listed = world.broker.eval(names).await?;
    Some(listed.matches("amq.gen-").count())
}

/// What each process holds now.
pub(crate) fn holdings(world: &World) -> Vec<Holding> {
    let mut holdings = Vec::new();
    for index in 0..SERVERS {
        if let Some(server) = &world.servers[index] {
            holdings.extend(holding(format!("server {index}"), server.id()));
        }
    }
    for (index, name) in WORKERS.iter().enumerate() {
        if let Some(worker) = &world.workers[index] {
            holdings.extend(holding(format!("worker {name}"), worker.id()));
        }
    }
    holdings
}

/// What a process holds; `None` if it has ended.
pub(crate) fn holding(name: String, id: u32) -> Option<Holding> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let mib = |field: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(field))?;
        let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kib / 1024)
    };
    Some(Holding {
        name,
        resident_mib: mib("VmRSS:")?,
        peak_mib: mib("VmHWM:")?,
        descriptors: std::fs::read_dir(format!("/proc/{id}/fd")).ok()?.count(),
    })
}
