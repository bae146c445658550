//! The cost model: estimated durations of tasks.

use super::PlanInputs;

/// Parameters of the cost model. The choice of a plan depends only on the ratios of the
/// first four; the estimated duration depends on their values, with the measured overheads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Costs {
    /// Latency of a request to the store, in seconds.
    pub request_secs: f64,
    /// Overhead to dispatch a task and to receive its completion, in seconds.
    pub task_secs: f64,
    /// Throughput of one worker when reading and summing, in bytes per second.
    pub read_bytes_per_sec: f64,
    /// Throughput of one worker when writing, in bytes per second.
    pub write_bytes_per_sec: f64,
    /// Overhead of a request and of a task as measured, in seconds, for the estimated
    /// duration. The choice of a plan assumes more where others may use the machine too.
    pub measured_secs: (f64, f64),
    /// What the one server takes for a task, in seconds. However many workers there are, no
    /// more tasks are completed than it can handle.
    pub server_secs: f64,
    /// Skew of the worker speeds, 0 to 1. With 0 all workers finish their last
    /// leaf task together; with 1 the last one may finish a whole task later.
    pub skew: f64,
    /// Minimum segment size in bytes, whatever the latency.
    pub segment_bytes_min: u64,
}

impl Costs {
    /// A store in a local directory, with workers inside the server.
    pub const EMBEDDED: Costs = Costs {
        request_secs: 0.002,
        task_secs: 0.001,
        read_bytes_per_sec: 600e6,
        write_bytes_per_sec: 600e6,
        // 50,006 tasks of two requests each took two workers 11.4 s.
        measured_secs: (0.000_15, 0.000_15),
        server_secs: 0.0,
        skew: 1.0,
        segment_bytes_min: 0,
    };

    /// Local files in the page cache, with worker threads in a process that does
    /// nothing else. The values are measured.
    pub const FILES: Costs = Costs {
        request_secs: 0.0002,
        task_secs: 0.0005,
        read_bytes_per_sec: 2e9,
        write_bytes_per_sec: 800e6,
        measured_secs: (0.0002, 0.0005),
        server_secs: 0.0,
        skew: 0.1,
        // Keeps the reads of a range of a .npy file few and large.
        segment_bytes_min: 2 << 20,
    };

    /// A queue and a store on other machines of the same data centre.
    pub const REAL: Costs = Costs {
        request_secs: 0.020,
        task_secs: 0.005,
        read_bytes_per_sec: 200e6,
        write_bytes_per_sec: 100e6,
        measured_secs: (0.020, 0.005),
        // RabbitMQ, server and workers on two cores: 3,000 tasks a second and more.
        server_secs: 0.000_3,
        skew: 1.0,
        segment_bytes_min: 0,
    };

    /// The costs with the measured overheads.
    pub(super) const fn measured(&self) -> Costs {
        let (request_secs, task_secs) = self.measured_secs;
        Costs { request_secs, task_secs, ..*self }
    }

    /// Minimum segment size in bytes: writing takes at least as long as the
    /// latency of the request.
    pub(super) fn worthwhile_bytes(&self) -> u64 {
        let bytes = crate::durations::saturating_u64(self.request_secs * self.write_bytes_per_sec);
        bytes.max(self.segment_bytes_min).max(1)
    }
}

impl Default for Costs {
    fn default() -> Self {
        Costs::EMBEDDED
    }
}

/// The inputs of the cost model that all tasks of a plan share.
pub(super) struct Shape<'a> {
    pub(super) inputs: &'a PlanInputs,
    pub(super) segment_columns: u64,
    pub(super) segments: u64,
    pub(super) open_objects: u32,
    pub(super) costs: &'a Costs,
}

impl Shape<'_> {
    /// Estimated duration of a task, in seconds, given its number of inputs and
    /// the segments of its range.
    pub(super) fn task_seconds(&self, is_leaf: bool, inputs: u64, range_segments: u64) -> f64 {
        let segments = range_segments.min(self.segments);
        let columns = (segments * self.segment_columns).min(self.inputs.columns());
        self.columns_seconds(is_leaf, inputs, columns)
    }

    /// Estimated duration of a task, in seconds, given its number of inputs and
    /// columns.
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
        // If all inputs fit into one group of open streams, the streams stay
        // open across segments. Otherwise every segment requests every input.
        let groups = inputs.div_ceil(u64::from(self.open_objects));
        let rounds = if is_leaf && groups == 1 { 1 } else { segments * groups };
        let requests = rounds + segments;
        // A compressed stream can only be read from its beginning.
        let is_read_again = is_leaf && self.inputs.compressed && rounds > 1;
        let times_read = if is_read_again { (segments as f64 + 1.0) / 2.0 } else { 1.0 };
        costs.task_secs
            + requests as f64 * costs.request_secs
            + read_bytes * times_read / costs.read_bytes_per_sec
            + sum_bytes / costs.write_bytes_per_sec
    }
}
