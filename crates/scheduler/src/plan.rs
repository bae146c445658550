//! The sum tree of a job, from what is known about its objects.
//!
//! # Wanted
//!
//! All W workers have work until the end, also where the tree alone would not
//! give it to them: at its top, with few large objects, with fewer objects
//! than workers. Little is read back. Losing an attempt loses little. A worker
//! holds no more than a fixed amount of memory. And a user who names a fan-in
//! gets it.
//!
//! # The abstraction
//!
//! A plan is a fan-in P, the columns of a segment, and for every level of the
//! tree how many segments make a range. Everything else follows from these.
//!
//! **Segments.** A power of two of columns, at most 2^20, whose accumulators
//! take 16 MiB; where workers are alike also somewhat less, so that each worker
//! gets as many of them and all are as long. Few enough that a task has several
//! segments, so that a second attempt finds some done, and that the root can be
//! cut into W ranges; many enough that writing one takes longer than the store
//! needs to answer.
//!
//! **Ranges.** A level's `range_segments` is a power of two, and divides that
//! of the level below. Text cannot be sought before it has been read, so its
//! leaf tasks take all columns.
//!
//! **Fan-in.** A large P reads back less and asks the store less often; a
//! small one makes more and shorter tasks, so that workers end together and
//! less is lost with one. What P is best depends on how far columns can be
//! cut instead, so P and the ranges are weighed together.
//!
//! # The algorithm
//!
//! The cost of a plan is the time that it takes: for every level the duration
//! of one task, times how often W workers have to take one; and a part of a
//! leaf task more, for the workers do not end at the same moment: all of it, or
//! hardly more than half if it has many segments, as those who are done help
//! the others; less where all workers are alike. Durations come from bytes and
//! requests by the [`Costs`] of the store. Given P and the columns of a segment,
//! every level's ranges are chosen to cost least, from the leaves upwards. P is
//! given, or one of some thirty candidates from 2 to F (where workers are alike
//! also those that give every worker as many leaf tasks), and then merge tasks
//! may have a smaller one, which makes the top of the tree deeper and its tasks
//! more; segments are as large as the rules above want them, or up to sixteen
//! times smaller. The combination with the least cost is taken; of equals the
//! one with larger segments and smaller P.
//!
//! Where C is only estimated, as for text, the last range goes on to the end
//! and those beyond it turn out to be empty; a wrong guess costs time, never
//! the result.

mod cost;

use protocol::plan::Estimate;
use protocol::request::{FanIn, SUM_COLUMN_BYTES};
use protocol::{Plan, PlanLevel};

pub use cost::Costs;
use cost::Shape;

/// What is known about the objects of a job.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlanInputs {
    /// F, how many objects there are; at least 1.
    pub objects: u64,
    /// How many bytes they hold together, as they lie in the store.
    pub bytes: u64,
    /// C, if the format tells it before a whole object has been read.
    pub columns: Option<u64>,
    /// C as well as it can be told: for text the bytes of an object by the
    /// bytes that a number takes in a sample.
    pub columns_estimate: u64,
    /// Whether reading can begin at any column.
    pub seekable: bool,
    /// Whether the objects can only be read from their beginning, all at a time.
    pub compressed: bool,
    /// Bytes that one column of a partial sum takes: 16 for the mean alone.
    pub partial_column_bytes: u64,
}

impl Default for PlanInputs {
    fn default() -> Self {
        PlanInputs {
            objects: 1,
            bytes: 0,
            columns: None,
            columns_estimate: 0,
            seekable: false,
            compressed: false,
            partial_column_bytes: SUM_COLUMN_BYTES,
        }
    }
}

impl PlanInputs {
    /// C, or the best guess at it.
    fn columns(&self) -> u64 {
        self.columns.unwrap_or(self.columns_estimate).max(1)
    }
}

/// What a worker may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanLimits {
    /// The most input objects that a worker reads at the same time.
    pub open_objects: u32,
    /// How many bytes of each it holds, with what is on its way.
    pub block_bytes: u64,
    /// The most columns of a segment; a power of two.
    pub segment_columns: u64,
}

impl Default for PlanLimits {
    fn default() -> Self {
        PlanLimits { open_objects: 5, block_bytes: 16 << 20, segment_columns: 1 << 20 }
    }
}

/// A level is not cut into more tasks than this many for each worker …
const TASKS_PER_WORKER_MAX: u64 = 64;
/// … nor are there more tasks in all, to bound the scheduler's memory, than
/// this many and the nodes of the tree.
const CUT_TASKS_MAX: u64 = 1 << 20;
/// Several segments a task: so many where the columns allow it.
const SEGMENTS_WANTED: u64 = 8;
/// So many sizes of segments are tried, each half the one before.
const SEGMENT_SIZES: u32 = 5;
/// Workers that differ less than this are taken to be alike: see [`Costs::unevenness`].
const ALIKE: f64 = 0.5;
/// Sums are kept in blocks of so many columns; segments have whole ones.
const BLOCK_COLUMNS: u64 = 1 << 10;

/// Lays out the sum tree of a job for W workers.
#[must_use]
pub fn plan(
    inputs: &PlanInputs,
    fan_in: FanIn,
    workers: u32,
    limits: &PlanLimits,
    costs: &Costs,
) -> Plan {
    let workers = workers.max(1);
    let fan_ins: Vec<(u32, u32)> = match fan_in {
        FanIn::Fixed(fan_in) => vec![(fan_in.max(2), fan_in.max(2))],
        FanIn::Auto => leaf_candidates(inputs.objects, workers, costs)
            .into_iter()
            .flat_map(|leaf| merge_candidates(leaf).map(move |merge| (leaf, merge)))
            .collect(),
    };
    let mut best: Option<(Plan, f64)> = None;
    for segment_columns in segment_sizes(inputs, workers, limits, costs) {
        for &fan_ins in &fan_ins {
            let (plan, seconds) = lay_out(inputs, fan_ins, workers, segment_columns, limits, costs);
            if best.as_ref().is_none_or(|(_, least)| seconds < *least) {
                best = Some((plan, seconds));
            }
        }
    }
    match best {
        Some((plan, _)) => plan,
        None => lay_out(inputs, (2, 2), workers, limits.segment_columns, limits, costs).0,
    }
}

/// How long a task takes at the usual speed, in seconds: the model behind
/// [`plan`], for the simulator.
#[cfg(feature = "sim")]
pub(crate) fn task_seconds(
    inputs: &PlanInputs,
    limits: &PlanLimits,
    costs: &Costs,
    segment_columns: u64,
    is_leaf: bool,
    node_inputs: u64,
    columns: u64,
) -> f64 {
    let shape = Shape {
        inputs,
        segment_columns,
        segments: u64::MAX,
        open_objects: limits.open_objects.max(1),
        costs,
    };
    shape.columns_seconds(is_leaf, node_inputs, columns)
}

/// More inputs than these are better summed by several tasks.
const FAN_IN_MAX: u32 = 4096;

/// The fan-ins that are worth a look: the small ones, then about three for
/// every doubling, and all inputs at once.
fn candidates(inputs: u64) -> impl Iterator<Item = u32> {
    let all = u32::try_from(inputs).unwrap_or(u32::MAX).clamp(2, FAN_IN_MAX);
    let steps = (2..=10).chain((4..).flat_map(|octave: u32| {
        let base = 1_u32 << octave;
        [base - base / 4, base, base + base / 4]
    }));
    steps.take_while(move |fan_in| *fan_in < all).chain(std::iter::once(all))
}

/// Those that leaf tasks may have. Where workers are alike, also such that each
/// gets the same number of tasks, if that is small; where they are not, that
/// would not make them end together.
fn leaf_candidates(objects: u64, workers: u32, costs: &Costs) -> Vec<u32> {
    let most = if costs.unevenness < ALIKE { 8 } else { 0 };
    let fair = (1..=most).map(|tasks| objects.div_ceil(u64::from(workers) * tasks));
    let fair = fair.filter_map(|fan_in| u32::try_from(fan_in).ok());
    let mut all: Vec<u32> = candidates(objects)
        .chain(fair.filter(|fan_in| (2..=FAN_IN_MAX).contains(fan_in)))
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The fan-ins that merge tasks may have where leaf tasks have this one: the
/// same, or less, so that the top of the tree has more tasks.
fn merge_candidates(leaf: u32) -> impl Iterator<Item = u32> {
    /// Less than this reads back more than it can gain.
    const LEAST: u32 = 4;
    let less = candidates(u64::from(leaf)).filter(move |merge| (LEAST..leaf).contains(merge));
    std::iter::once(leaf).chain(less)
}

/// The best plan with these fan-ins of leaf and merge tasks, and its cost in
/// seconds.
fn lay_out(
    inputs: &PlanInputs,
    (leaf_fan_in, merge_fan_in): (u32, u32),
    workers: u32,
    segment_columns: u64,
    limits: &PlanLimits,
    costs: &Costs,
) -> (Plan, f64) {
    let segments = inputs.columns().div_ceil(segment_columns).max(1);
    let shape = Shape {
        inputs,
        segment_columns,
        segments,
        open_objects: limits.open_objects.max(1),
        costs,
    };
    let mut levels: Vec<PlanLevel> = Vec::new();
    let mut below = inputs.objects.max(1);
    let mut seconds = 0.0;
    loop {
        let is_leaf = levels.is_empty();
        // A stream that can only be read from its beginning has to stay open
        // from one segment to the next.
        let fan_in = if is_leaf && inputs.compressed && segments > 1 {
            leaf_fan_in.min(limits.open_objects.max(2))
        } else if is_leaf {
            leaf_fan_in
        } else {
            merge_fan_in
        };
        let nodes = below.div_ceil(u64::from(fan_in));
        let coarsest =
            levels.last().map_or(segments.next_power_of_two(), |level| level.range_segments);
        let inputs_of_node = below.min(u64::from(fan_in));
        let finest = if is_leaf && !inputs.seekable { coarsest } else { 1 };
        let (range_segments, level_seconds) =
            best_ranges(&shape, is_leaf, nodes, inputs_of_node, workers, finest..=coarsest);
        let ranges = segments.div_ceil(range_segments);
        seconds += level_seconds;
        levels.push(PlanLevel {
            nodes: u32::try_from(nodes).unwrap_or(u32::MAX),
            ranges: u32::try_from(ranges).unwrap_or(u32::MAX),
            range_segments,
            fan_in,
        });
        if nodes <= 1 {
            break;
        }
        below = nodes;
    }
    let plan = Plan {
        objects: inputs.objects,
        columns: inputs.columns,
        fan_in: leaf_fan_in,
        segment_columns,
        partial_column_bytes: inputs.partial_column_bytes,
        estimate: estimate(inputs, &levels, segment_columns, limits, seconds),
        levels,
    };
    (plan, seconds)
}

/// How many columns a segment may have, the largest first.
fn segment_sizes(
    inputs: &PlanInputs,
    workers: u32,
    limits: &PlanLimits,
    costs: &Costs,
) -> impl Iterator<Item = u64> {
    let columns = inputs.columns();
    let most = limits.segment_columns.max(1);
    let worthwhile = costs
        .worthwhile_bytes()
        .div_ceil(inputs.partial_column_bytes.max(1))
        .next_power_of_two()
        .min(most);
    let parts = SEGMENTS_WANTED.max(u64::from(workers));
    // The power of two below, so that there are at least so many parts.
    let wanted = (columns / parts).max(1);
    let wanted: u64 = 1 << wanted.ilog2();
    let largest = wanted.clamp(worthwhile, most);
    let shared = inputs.seekable && costs.unevenness < ALIKE;
    (0..SEGMENT_SIZES).map(move |halvings| (largest >> halvings).max(1)).flat_map(move |size| {
        std::iter::once(size).chain(shared.then(|| share(columns, size, u64::from(workers))))
    })
}

/// The size of segments that are no larger than `size`, as many for each worker,
/// and all as long.
fn share(columns: u64, size: u64, workers: u64) -> u64 {
    let segments = columns.div_ceil(size).next_multiple_of(workers);
    columns.div_ceil(segments).next_multiple_of(BLOCK_COLUMNS).min(size)
}

/// How many segments a level's ranges should have, and how long the level takes then.
fn best_ranges(
    shape: &Shape<'_>,
    is_leaf: bool,
    nodes: u64,
    inputs_of_node: u64,
    workers: u32,
    allowed: std::ops::RangeInclusive<u64>,
) -> (u64, f64) {
    let workers = u64::from(workers);
    let (finest, coarsest) = allowed.into_inner();
    let most = (workers * TASKS_PER_WORKER_MAX).min(CUT_TASKS_MAX).max(nodes);
    let mut best = (coarsest, f64::INFINITY);
    let mut range_segments = coarsest;
    loop {
        let ranges = shape.segments.div_ceil(range_segments);
        let tasks = nodes.saturating_mul(ranges);
        if tasks > most && best.1.is_finite() {
            return best;
        }
        let task_seconds = shape.task_seconds(is_leaf, inputs_of_node, range_segments);
        let mut seconds = tasks.div_ceil(workers) as f64 * task_seconds;
        if is_leaf {
            // Those who are done with their last task wait for the others.
            let task_segments = range_segments.min(shape.segments) as f64;
            let idle = task_seconds * (1.0 + 1.0 / task_segments) / 2.0;
            seconds += idle * shape.costs.unevenness;
        }
        if seconds < best.1 {
            best = (range_segments, seconds);
        }
        if range_segments <= finest.max(1) {
            return best;
        }
        range_segments /= 2;
    }
}

fn estimate(
    inputs: &PlanInputs,
    levels: &[PlanLevel],
    segment_columns: u64,
    limits: &PlanLimits,
    seconds: f64,
) -> Estimate {
    let sum_bytes = inputs.columns().saturating_mul(inputs.partial_column_bytes);
    let written = |levels: &[PlanLevel]| {
        let nodes: u64 = levels.iter().map(|level| u64::from(level.nodes)).sum();
        nodes.saturating_mul(sum_bytes)
    };
    let open =
        levels.iter().map(|level| level.fan_in).max().unwrap_or(1).min(limits.open_objects.max(1));
    // Where C is only estimated, a segment may turn out to be full.
    let columns = inputs.columns.unwrap_or(segment_columns).min(segment_columns);
    let segment_bytes = columns.saturating_mul(inputs.partial_column_bytes);
    Estimate {
        input_bytes: inputs.bytes,
        partial_read_bytes: written(&levels[..levels.len().saturating_sub(1)]),
        written_bytes: written(levels),
        // What is summed, its encoding, and the segment before it on its way
        // into the store.
        worker_memory_bytes: u64::from(open) * limits.block_bytes + 3 * segment_bytes,
        duration_ms: Some(crate::durations::whole(seconds * 1000.0)),
    }
}
