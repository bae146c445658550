//! How long the tasks of a plan take, roughly.

use super::PlanInputs;

/// What reading and writing costs, measured or guessed. Only the proportions
/// matter to a plan; the estimated time is as good as these numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Costs {
    /// Seconds that the store needs to answer, whatever the size.
    pub request_secs: f64,
    /// Seconds that it takes to hand a task to a worker and to hear that it is done.
    pub task_secs: f64,
    /// Bytes a second that one worker reads and sums.
    pub read_bytes_per_sec: f64,
    /// Bytes a second that one worker writes.
    pub write_bytes_per_sec: f64,
    /// How differently fast workers are: with 1 the last leaf task may end as
    /// much later as it is long, with 0 all end together.
    pub unevenness: f64,
    /// The fewest bytes that a segment should have, whatever requests cost.
    pub segment_bytes_min: u64,
}

impl Costs {
    /// A local directory, workers inside the server.
    pub const EMBEDDED: Costs = Costs {
        request_secs: 0.002,
        task_secs: 0.001,
        read_bytes_per_sec: 600e6,
        write_bytes_per_sec: 600e6,
        unevenness: 1.0,
        segment_bytes_min: 0,
    };

    /// Files of this machine in the page cache, and workers that are threads of
    /// one process, which does nothing else: measured.
    pub const FILES: Costs = Costs {
        request_secs: 0.0002,
        task_secs: 0.0005,
        read_bytes_per_sec: 2e9,
        write_bytes_per_sec: 800e6,
        unevenness: 0.1,
        // Then a range of a .npy file is read by a few large reads.
        segment_bytes_min: 2 << 20,
    };

    /// A queue and a store on other machines of the same data centre.
    pub const REAL: Costs = Costs {
        request_secs: 0.020,
        task_secs: 0.005,
        read_bytes_per_sec: 200e6,
        write_bytes_per_sec: 100e6,
        unevenness: 1.0,
        segment_bytes_min: 0,
    };

    /// How many bytes it is worth a request to write.
    pub(super) fn worthwhile_bytes(&self) -> u64 {
        let bytes = crate::durations::whole(self.request_secs * self.write_bytes_per_sec);
        bytes.max(self.segment_bytes_min).max(1)
    }
}

impl Default for Costs {
    fn default() -> Self {
        Costs::EMBEDDED
    }
}

/// What the duration of a task follows from, besides its own size.
pub(super) struct Shape<'a> {
    pub(super) inputs: &'a PlanInputs,
    pub(super) segment_columns: u64,
    pub(super) segments: u64,
    pub(super) open_objects: u32,
    pub(super) costs: &'a Costs,
}

impl Shape<'_> {
    /// How long a task of so many inputs and so many segments takes, in seconds.
    pub(super) fn task_seconds(&self, is_leaf: bool, inputs: u64, range_segments: u64) -> f64 {
        let segments = range_segments.min(self.segments);
        let columns = (segments * self.segment_columns).min(self.inputs.columns());
        self.columns_seconds(is_leaf, inputs, columns)
    }

    /// How long a task of so many inputs and so many columns takes, in seconds.
    pub(super) fn columns_seconds(&self, is_leaf: bool, inputs: u64, columns: u64) -> f64 {
        let costs = self.costs;
        let segments = columns.div_ceil(self.segment_columns).max(1);
        let sum_bytes = columns.saturating_mul(self.inputs.partial_column_bytes) as f64;
        let read_bytes = if is_leaf {
            let whole = self.inputs.bytes as f64 / self.inputs.objects.max(1) as f64;
            inputs as f64 * whole * columns as f64 / self.inputs.columns() as f64
        } else {
            inputs as f64 * sum_bytes
        };
        // Streams that are all open at once go on from one segment to the
        // next; of more, each is asked anew for every segment.
        let groups = inputs.div_ceil(u64::from(self.open_objects));
        let rounds = if is_leaf && groups == 1 { 1 } else { segments * groups };
        let requests = rounds + segments;
        costs.task_secs
            + requests as f64 * costs.request_secs
            + read_bytes / costs.read_bytes_per_sec
            + sum_bytes / costs.write_bytes_per_sec
    }
}
