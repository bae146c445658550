//! The planner: builds the sum tree of a job from the properties of its objects.
//!
//! # Goals
//!
//! - All W workers are busy until the end: at the top of the tree, with few
//!   large objects, and with fewer objects than workers.
//! - Few partial sums are read back.
//! - A lost attempt loses little work.
//! - A worker's memory is bounded by the settings.
//! - A fan-in that the user chose is kept.
//!
//! # Model
//!
//! A plan consists of a fan-in P, the number of columns of a segment, and the
//! number of segments of a range for every level of the tree. The rest follows
//! from these.
//!
//! **Segments.** The number of columns is a power of two, at most 2^20, whose
//! accumulators take 16 MiB. With workers of equal speed it may be smaller, so
//! that every worker gets the same number of segments of equal length. A task has
//! several segments, so that a speculative attempt can reuse some, and the root
//! can be split into W ranges. A segment is large enough that writing it takes
//! longer than the latency of the store.
//!
//! **Ranges.** A level's `range_segments` is a power of two and divides that of
//! the level below. Text cannot be read from the middle, so its leaf tasks have
//! all columns.
//!
//! **Fan-in.** A large P reads back less and makes fewer requests. A small P gives
//! more and shorter tasks, so that workers finish together and a lost attempt
//! loses less. The best P depends on the number of ranges, so the planner
//! chooses both together.
//!
//! # Algorithm
//!
//! The cost of a plan is its estimated duration. For every level this is the
//! duration of one task times the number of rounds in which W workers execute
//! the level. A fraction of one leaf task is added, because workers do not finish
//! together: the whole task if it has one segment, little more than half of it if
//! it has many, since idle workers then help; less if the workers have equal
//! speed. A level takes at least as long as the one server needs for its tasks. Task durations
//! follow from bytes and requests and the [`Costs`] of the store.
//!
//! For a given P and segment size, the ranges of every level are chosen to
//! minimize the cost, from the leaves upwards. P is given, or is one of about
//! thirty candidates from 2 to F; with workers of equal speed, the candidates
//! include those that give every worker the same number of leaf tasks. Merge
//! tasks may have a smaller fan-in than leaf tasks, which gives the top of the
//! tree more levels and more tasks. The segment size is the largest that gives a task several
//! segments, or a smaller one, down to a sixteenth of that which gives every worker a segment
//! of the total: small ones split the top of the tree further, and cost more requests. The
//! planner takes
//! the combination of least cost; on a tie, the one with larger segments and
//! smaller P.
//!
//! Where C is only an estimate, as for text, the last range is open-ended, and
//! ranges beyond C turn out to be empty. A wrong estimate costs time. It never
//! changes the result.

mod cost;

use protocol::plan::Estimate;
use protocol::request::{FanIn, SUM_COLUMN_BYTES};
use protocol::{Plan, PlanLevel};

pub use cost::Costs;
use cost::Shape;

/// The properties of a job's objects.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlanInputs {
    /// F, the number of objects; 0 counts as 1.
    pub objects: u64,
    /// Their total size in the store, in bytes.
    pub bytes: u64,
    /// C, if the format gives it without reading a whole object.
    pub columns: Option<u64>,
    /// An estimate of C. For text: the size of an object divided by the mean
    /// size of a number in a sample.
    pub columns_estimate: u64,
    /// Whether reading can start at any column.
    pub seekable: bool,
    /// Whether the objects are compressed streams, which can only be read from the
    /// start.
    pub compressed: bool,
    /// Bytes per column of a partial sum; 16 for the mean alone.
    pub partial_column_bytes: u64,
    /// The bytes that each open object takes in memory beside its ranges, such as those of a
    /// chunk while it is decompressed.
    pub reading_bytes: u64,
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
            reading_bytes: 0,
        }
    }
}

impl PlanInputs {
    /// C if known, otherwise its estimate; at least 1.
    fn columns(&self) -> u64 {
        self.columns.unwrap_or(self.columns_estimate).max(1)
    }
}

/// Limits on the memory of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanLimits {
    /// Maximum number of input objects that a worker reads at the same time.
    pub open_objects: u32,
    /// Bytes buffered per input object, prefetched ones included.
    pub block_bytes: u64,
    /// Maximum number of columns of a segment; a power of two.
    pub segment_columns: u64,
}

impl Default for PlanLimits {
    fn default() -> Self {
        PlanLimits { open_objects: 5, block_bytes: 16 << 20, segment_columns: 1 << 20 }
    }
}

/// Maximum number of tasks per worker into which a level is split.
const TASKS_PER_WORKER_MAX: u64 = 64;
/// Maximum number of tasks into which a level is split, however many workers
/// there are, but at least one per node. It bounds the memory of the scheduler.
const CUT_TASKS_MAX: u64 = 1 << 20;
/// Desired number of segments of a task, if C is large enough.
const SEGMENTS_PER_TASK: u64 = 8;
/// How often the size that gives every worker a segment is halved, at the most, where that is
/// faster.
const SEGMENT_HALVINGS: u32 = 4;
/// What a stored segment takes in addition to its columns, in bytes: its header and
/// trailer.
const SEGMENT_OVERHEAD_BYTES: u64 = 144;
/// Below this [`Costs::skew`], workers count as equally fast.
const UNIFORM_SKEW: f64 = 0.5;
/// Columns of an accumulator block. Segments consist of whole blocks.
const BLOCK_COLUMNS: u64 = 1 << 10;

/// Plans the sum tree of a job for W workers.
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
        // A compressed stream must stay open from one segment to the next, or is read from its
        // beginning again for each. Only a user chooses that.
        let stays_open = inputs.compressed && inputs.columns().div_ceil(segment_columns) > 1;
        let leaf_max = match fan_in {
            FanIn::Auto if stays_open => limits.open_objects.max(2),
            _ => u32::MAX,
        };
        for &fan_ins in fan_ins.iter().filter(|(leaf, _)| *leaf <= leaf_max) {
            let (plan, seconds) = build(inputs, fan_ins, workers, segment_columns, limits, costs);
            if best.as_ref().is_none_or(|(_, least)| seconds < *least) {
                best = Some((plan, seconds));
            }
        }
    }
    let mut plan = match best {
        Some((plan, _)) => plan,
        None => build(inputs, (2, 2), workers, limits.segment_columns, limits, costs).0,
    };
    let seconds = measured_seconds(&plan, inputs, workers, limits, costs);
    plan.estimate.duration_ms = Some(crate::durations::saturating_u64(seconds * 1000.0));
    plan
}

/// The estimated duration of a plan in seconds, with the overheads that were measured. The
/// plan itself is chosen with [`Costs::request_secs`] and [`Costs::task_secs`].
fn measured_seconds(
    plan: &Plan,
    inputs: &PlanInputs,
    workers: u32,
    limits: &PlanLimits,
    costs: &Costs,
) -> f64 {
    let costs = &costs.measured();
    let shape = Shape {
        inputs,
        segment_columns: plan.segment_columns,
        segments: inputs.columns().div_ceil(plan.segment_columns).max(1),
        open_objects: limits.open_objects.max(1),
        costs,
    };
    let mut below = inputs.objects.max(1);
    let mut seconds = 0.0;
    for (number, level) in plan.levels.iter().enumerate() {
        let inputs_of_node = below.min(u64::from(level.fan_in));
        let nodes = u64::from(level.nodes);
        let tasks = (nodes, inputs_of_node, level.range_segments);
        seconds += level_seconds(&shape, number == 0, tasks, u64::from(workers));
        below = nodes;
    }
    seconds
}

/// The estimated duration of a level in seconds, given its nodes, the inputs of a node and
/// the segments of a range.
fn level_seconds(
    shape: &Shape<'_>,
    is_leaf: bool,
    (nodes, inputs_of_node, range_segments): (u64, u64, u64),
    workers: u64,
) -> f64 {
    let tasks = nodes.saturating_mul(shape.segments.div_ceil(range_segments));
    let task_seconds = shape.task_seconds(is_leaf, inputs_of_node, range_segments);
    let of_workers = tasks.div_ceil(workers) as f64 * task_seconds;
    let mut seconds = of_workers.max(tasks as f64 * shape.costs.server_secs);
    if is_leaf {
        // Workers that finish their last task early are idle.
        let task_segments = range_segments.min(shape.segments) as f64;
        let idle = task_seconds * (1.0 + 1.0 / task_segments) / 2.0;
        seconds += idle * shape.costs.skew;
    }
    seconds
}

/// The estimated duration of a task at speed 1, in seconds. The simulator uses
/// the cost model of [`plan`].
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

/// Maximum fan-in that is tried. Several tasks sum more inputs faster.
const FAN_IN_MAX: u32 = 4096;

/// Candidate fan-ins: 2 to 10, then three per octave, and the number of inputs.
fn candidates(inputs: u64) -> impl Iterator<Item = u32> {
    let all = u32::try_from(inputs).unwrap_or(u32::MAX).clamp(2, FAN_IN_MAX);
    let steps = (2..=10).chain((4..).flat_map(|octave: u32| {
        let base = 1_u32 << octave;
        [base - base / 4, base, base + base / 4]
    }));
    steps.take_while(move |fan_in| *fan_in < all).chain(std::iter::once(all))
}

/// Candidate fan-ins of leaf tasks. With workers of equal speed, this includes
/// those that give every worker the same small number of tasks. With skewed
/// workers, equal numbers would not make them finish together.
fn leaf_candidates(objects: u64, workers: u32, costs: &Costs) -> Vec<u32> {
    let most = if costs.skew < UNIFORM_SKEW { 8 } else { 0 };
    let fair = (1..=most).map(|tasks| objects.div_ceil(u64::from(workers) * tasks));
    let fair = fair.filter_map(|fan_in| u32::try_from(fan_in).ok());
    let mut all: Vec<u32> = candidates(objects)
        .chain(fair.filter(|fan_in| (2..=FAN_IN_MAX).contains(fan_in)))
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Candidate fan-ins of merge tasks: that of the leaf tasks, or smaller ones,
/// which give the top of the tree more tasks.
fn merge_candidates(leaf: u32) -> impl Iterator<Item = u32> {
    /// A smaller fan-in costs more in reads than it gains in parallelism.
    const LEAST: u32 = 4;
    let less = candidates(u64::from(leaf)).filter(move |merge| (LEAST..leaf).contains(merge));
    std::iter::once(leaf).chain(less)
}

/// The plan of least cost for given fan-ins of leaf and merge tasks, and its cost
/// in seconds.
fn build(
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
        let fan_in = if is_leaf { leaf_fan_in } else { merge_fan_in };
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
        estimate: estimate(inputs, &levels, segment_columns, segments, limits),
        levels,
    };
    (plan, seconds)
}

/// Candidate segment sizes in columns, the largest first.
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
    // Rounds down to a power of two, so that there are at least so many segments.
    let wanted = |segments: u64| {
        let wanted: u64 = 1 << (columns / segments).max(1).ilog2();
        wanted.clamp(worthwhile, most)
    };
    let largest = wanted(SEGMENTS_PER_TASK);
    let one_each = wanted(SEGMENTS_PER_TASK.max(u64::from(workers)));
    let halvings = largest.ilog2() - one_each.ilog2() + SEGMENT_HALVINGS;
    let even = inputs.seekable && costs.skew < UNIFORM_SKEW;
    (0..=halvings).map(move |halvings| (largest >> halvings).max(1)).flat_map(move |size| {
        std::iter::once(size)
            .chain(even.then(|| even_segment_columns(columns, size, u64::from(workers))))
    })
}

/// The largest segment size up to `size`, in columns, that gives every worker the
/// same number of segments of about equal length.
fn even_segment_columns(columns: u64, size: u64, workers: u64) -> u64 {
    let segments = columns.div_ceil(size).next_multiple_of(workers);
    columns.div_ceil(segments).next_multiple_of(BLOCK_COLUMNS).min(size)
}

/// The number of segments per range that minimizes the duration of a level, and
/// that duration in seconds.
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
        let level = (nodes, inputs_of_node, range_segments);
        let seconds = level_seconds(shape, is_leaf, level, workers);
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
    segments: u64,
    limits: &PlanLimits,
) -> Estimate {
    let sum_bytes = inputs.columns().saturating_mul(inputs.partial_column_bytes);
    let sum_bytes = sum_bytes.saturating_add(segments.saturating_mul(SEGMENT_OVERHEAD_BYTES));
    let written = |levels: &[PlanLevel]| {
        let nodes: u64 = levels.iter().map(|level| u64::from(level.nodes)).sum();
        nodes.saturating_mul(sum_bytes)
    };
    let open =
        levels.iter().map(|level| level.fan_in).max().unwrap_or(1).min(limits.open_objects.max(1));
    // With an estimated C, assume that segments are full.
    let columns = inputs.columns.unwrap_or(segment_columns).min(segment_columns);
    let segment_bytes = columns.saturating_mul(inputs.partial_column_bytes);
    Estimate {
        input_bytes: inputs.bytes,
        partial_read_bytes: written(&levels[..levels.len().saturating_sub(1)]),
        written_bytes: written(levels),
        // One segment each for the accumulators, the encoded segment, and the
        // previous segment that is being written.
        worker_memory_bytes: u64::from(open)
            .saturating_mul(limits.block_bytes.saturating_add(inputs.reading_bytes))
            .saturating_add(3 * segment_bytes),
        duration_ms: None,
        learned_factor: None,
    }
}
