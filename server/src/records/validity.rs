//! Checks records when they are read: they may be damaged, edited by hand, or written by
//! another program. Whatever passes cannot divide by zero, overflow or fill the memory.

use std::collections::BTreeMap;

use protocol::delivery::WebhookDelivery;
use protocol::job::{AttemptCounts, ByteCounts, InputSummary, SkippedFiles};
use protocol::result::{
    FIRST_NUMBERS, Figures, HISTOGRAM_BINS, IMAGE_PIXELS, PLOT_POINTS, QUANTILES, ResultSummary,
};
use protocol::task::InputObject;
use protocol::timeline::{ATTEMPTS_LISTED, LANE_PARTS, LANES_LISTED, MOMENTS, Timeline};
use protocol::{JobId, JobSnapshot, Plan, Timestamp};

use super::{Checkpoint, Completions, LearnedRecord, PlanRecord, RequestRecord};

/// The largest record that is read, in bytes: a plan of a million objects takes some 200 MB.
pub(super) const RECORD_BYTES_MAX: usize = 1 << 30;
/// C in bytes of a partial sum with all statistics still fits in 64 bits.
const COLUMNS_MAX: u64 = 1 << 53;
/// The planner's largest segment has 2^20 columns; an attempt holds several in memory.
const SEGMENT_COLUMNS_MAX: u64 = 1 << 26;
/// A partial sum with all statistics takes less than 100 bytes for each column.
const COLUMN_BYTES_MAX: u64 = 1 << 12;
/// A pebibyte, for one object.
const OBJECT_BYTES_MAX: u64 = 1 << 50;
/// Each task takes memory.
const TASKS_MAX: u64 = 200_000_000;
/// With a fan-in of 2 this is enough for as many objects as an index can count.
const LEVELS_MAX: usize = 64;
/// Counts and times of a job add up without overflow.
const COUNT_MAX: u64 = 1 << 53;
/// The end of the year 9999.
const LATEST: Timestamp = Timestamp::from_millis(253_402_300_799_999);

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    /// The path of the field, such as `plan.levels[0].nodes`.
    pub(super) field: String,
    /// What is wrong with it.
    pub(super) what: String,
}

/// A record of a job that can be checked.
pub(super) trait Record {
    /// Checks everything that the types do not.
    ///
    /// # Errors
    ///
    /// The first flaw.
    fn check(&self, job: JobId) -> Result<(), Flaw>;
}

impl Record for RequestRecord {
    fn check(&self, _: JobId) -> Result<(), Flaw> {
        // The request checks itself.
        ensure(self.submitted_at <= LATEST, "submitted_at", || "it is no time".to_owned())
    }
}

impl Record for PlanRecord {
    fn check(&self, _: JobId) -> Result<(), Flaw> {
        check_plan(&self.plan, "plan.")?;
        let (listed, planned) = (self.objects.len() as u64, self.plan.objects);
        ensure(listed == planned, "objects", || {
            format!("it lists {listed} objects, and the plan is for {planned}")
        })?;
        for (index, object) in self.objects.iter().enumerate() {
            check_object(object, index)?;
            let agrees = object.weight.is_some() == self.inputs.weights.is_some();
            ensure(agrees, &format!("objects[{index}].weight"), || {
                "either all objects have weights, or none".to_owned()
            })?;
        }
        let bytes = self.objects.iter().try_fold(0_u64, |sum, it| sum.checked_add(it.bytes));
        ensure(bytes.is_some(), "objects", || "their sizes add up to too much".to_owned())?;
        let latest = self.again.values().flat_map(BTreeMap::values).max().copied();
        let latest = latest.unwrap_or_default().max(self.all_again);
        within(u64::from(latest), 0..=u64::from(self.resumes), "again")?;
        check_inputs(&self.inputs, self.plan.columns)
    }
}

impl Record for LearnedRecord {
    fn check(&self, _: JobId) -> Result<(), Flaw> {
        within(self.columns, 1..=COLUMNS_MAX, "columns")?;
        check_shape(self.shape.as_deref(), self.columns, "shape")
    }
}

impl Record for Completions {
    fn check(&self, job: JobId) -> Result<(), Flaw> {
        // Whether the levels fit the plan is looked at when they are used.
        within(self.levels.len() as u64, 0..=LEVELS_MAX as u64, "levels")?;
        self.learned.as_ref().map_or(Ok(()), |learned| learned.check(job))
    }
}

impl Record for Checkpoint {
    fn check(&self, _: JobId) -> Result<(), Flaw> {
        let AttemptCounts {
            started,
            running,
            completed,
            failed,
            lost,
            superseded,
            stopped,
            speculative,
            speculative_won,
            speculative_ms,
            saved_ms,
        } = self.attempts;
        let ByteCounts { input_read, partial_read, written, read_twice, reused } = self.bytes;
        within(self.completed_tasks, 0..=TASKS_MAX, "completed_tasks")?;
        for count in [started, completed, failed, lost, superseded, stopped] {
            within(count, 0..=COUNT_MAX, "attempts")?;
        }
        for count in [speculative, speculative_won, speculative_ms, saved_ms] {
            within(count, 0..=COUNT_MAX, "attempts")?;
        }
        within(running, 0..=started, "attempts.running")?;
        for count in [input_read, partial_read, written, read_twice, reused] {
            within(count, 0..=COUNT_MAX, "bytes")?;
        }
        let is_fraction = (0.0..=1.0).contains(&self.overall);
        ensure(is_fraction, "overall", || format!("it is {}, and no fraction", self.overall))?;
        let times = &self.timings;
        let entered = [times.planning_at, times.running_at, times.finishing_at, times.ended_at];
        let are_times = entered.into_iter().flatten().all(|time| time <= LATEST);
        ensure(are_times && times.submitted_at <= LATEST, "timings", not_a_time)
    }
}

impl Record for WebhookDelivery {
    fn check(&self, _: JobId) -> Result<(), Flaw> {
        let delivered_at = self.delivered_at.unwrap_or_default();
        ensure(delivered_at <= LATEST, "delivered_at", not_a_time)
    }
}

impl Record for Timeline {
    fn check(&self, _: JobId) -> Result<(), Flaw> {
        let most =
            |found: usize, most: usize, field: &str| within(found as u64, 0..=most as u64, field);
        let times = [self.start, self.end, self.job_start, self.job_end];
        ensure(times.into_iter().all(|time| time <= LATEST), "end", not_a_time)?;
        let is_within = self.start >= self.job_start && self.end <= self.job_end;
        ensure(is_within && self.start <= self.end, "end", || "it is not in the job".to_owned())?;
        most(self.lanes.len(), LANES_LISTED, "lanes")?;
        most(self.lanes.iter().map(|it| it.attempts.len()).sum(), ATTEMPTS_LISTED, "lanes")?;
        most(self.lanes.iter().map(|it| it.busy.len()).max().unwrap_or(0), LANE_PARTS, "lanes")?;
        most(self.moments.len(), MOMENTS, "moments")?;
        most(self.levels.len(), LEVELS_MAX, "levels")
    }
}

impl Record for Box<PlanRecord> {
    fn check(&self, job: JobId) -> Result<(), Flaw> {
        (**self).check(job)
    }
}

impl Record for Box<JobSnapshot> {
    fn check(&self, job: JobId) -> Result<(), Flaw> {
        ensure(self.id == job, "id", || format!("it is {}, of another job", self.id))?;
        ensure(self.phase.is_over(), "phase", || {
            format!("it is {}, which no job that is over can be", self.phase.word())
        })?;
        let ended_at = self.timings.ended_at.unwrap_or_default();
        ensure(self.timings.submitted_at <= LATEST, "timings.submitted_at", not_a_time)?;
        ensure(ended_at <= LATEST, "timings.ended_at", not_a_time)?;
        if let Some(plan) = &self.plan {
            check_plan(plan, "plan.")?;
        }
        self.result.as_ref().map_or(Ok(()), check_result)
    }
}

fn not_a_time() -> String {
    "it is after the year 9999".to_owned()
}

fn check_plan(plan: &Plan, prefix: &str) -> Result<(), Flaw> {
    let field = |name: &str| format!("{prefix}{name}");
    within(plan.objects, 1..=u64::MAX, &field("objects"))?;
    within(plan.columns.unwrap_or(1), 1..=COLUMNS_MAX, &field("columns"))?;
    within(plan.segment_columns, 1..=SEGMENT_COLUMNS_MAX, &field("segment_columns"))?;
    within(plan.partial_column_bytes, 1..=COLUMN_BYTES_MAX, &field("partial_column_bytes"))?;
    within(plan.levels.len() as u64, 1..=LEVELS_MAX as u64, &field("levels"))?;
    let mut inputs = plan.objects;
    let mut range_below: Option<u64> = None;
    let mut tasks = 0_u64;
    for (index, level) in plan.levels.iter().enumerate() {
        let field = |name: &str| format!("{prefix}levels[{index}].{name}");
        within(u64::from(level.fan_in), 1..=u64::MAX, &field("fan_in"))?;
        let nodes = inputs.div_ceil(u64::from(level.fan_in));
        ensure(u64::from(level.nodes) == nodes, &field("nodes"), || {
            format!("it is {}, and {inputs} inputs need {nodes}", level.nodes)
        })?;
        within(u64::from(level.ranges), 1..=u64::MAX, &field("ranges"))?;
        within(level.range_segments, 1..=COLUMNS_MAX, &field("range_segments"))?;
        let columns = u64::from(level.ranges)
            .checked_mul(level.range_segments)
            .and_then(|segments| segments.checked_mul(plan.segment_columns));
        ensure(columns.is_some(), &field("range_segments"), || {
            format!("{} ranges of {} segments are too many", level.ranges, level.range_segments)
        })?;
        let nests = range_below.is_none_or(|below| below % level.range_segments == 0);
        ensure(nests, &field("range_segments"), || {
            "the ranges of the level below are no whole multiple of it".to_owned()
        })?;
        tasks = tasks.saturating_add(level.tasks());
        (inputs, range_below) = (nodes, Some(level.range_segments));
    }
    within(tasks, 1..=TASKS_MAX, &field("levels"))?;
    ensure(inputs == 1, &field("levels"), || {
        format!("the last level has {inputs} nodes instead of one")
    })
}

fn check_object(object: &InputObject, index: usize) -> Result<(), Flaw> {
    let field = |name: &str| format!("objects[{index}].{name}");
    ensure(!object.location.is_empty(), &field("location"), || "it is empty".to_owned())?;
    within(object.bytes, 0..=OBJECT_BYTES_MAX, &field("bytes"))?;
    let parts = &object.parts;
    let sum = parts.iter().try_fold(0_u64, |sum, part| sum.checked_add(part.bytes));
    let first = parts.first().map(|part| &part.location);
    let is_whole = sum == Some(object.bytes)
        && first == Some(&object.location)
        && parts.iter().all(|part| !part.location.is_empty());
    ensure(parts.is_empty() || is_whole, &field("parts"), || {
        "they are not what the object consists of".to_owned()
    })
}

fn check_inputs(inputs: &InputSummary, planned: Option<u64>) -> Result<(), Flaw> {
    within(inputs.columns.unwrap_or(1), 1..=COLUMNS_MAX, "inputs.columns")?;
    let agree = planned.is_none() || inputs.columns.is_none() || planned == inputs.columns;
    ensure(agree, "inputs.columns", || {
        format!("it is {:?}, and that of the plan is {planned:?}", inputs.columns)
    })?;
    let named = inputs.skipped.first.len() as u64;
    within(named, 0..=SkippedFiles::NAMED as u64, "inputs.skipped.first")?;
    match inputs.columns {
        Some(columns) => check_shape(inputs.shape.as_deref(), columns, "inputs.shape"),
        None => Ok(()),
    }
}

fn check_shape(shape: Option<&[u64]>, columns: u64, field: &str) -> Result<(), Flaw> {
    let Some(shape) = shape else {
        return Ok(());
    };
    let numbers = shape.iter().try_fold(1_u64, |numbers, side| numbers.checked_mul(*side));
    ensure(numbers == Some(columns), field, || {
        format!("{shape:?} is not the shape of {columns} columns")
    })
}

fn check_result(result: &ResultSummary) -> Result<(), Flaw> {
    let most =
        |count: usize, most: usize, field: &str| within(count as u64, 0..=most as u64, field);
    most(result.first.len(), FIRST_NUMBERS, "result.first")?;
    most(result.plot.len(), PLOT_POINTS, "result.plot")?;
    within(result.columns, 0..=COLUMNS_MAX, "result.columns")?;
    if result.columns > 0 {
        check_shape(result.shape.as_deref(), result.columns, "result.shape")?;
    }
    check_figures(result.figures.as_ref(), "result.figures")?;
    for (index, summary) in result.summaries.iter().enumerate() {
        let field = |name: &str| format!("result.summaries[{index}].{name}");
        most(summary.first.len(), FIRST_NUMBERS, &field("first"))?;
        most(summary.plot.len(), PLOT_POINTS, &field("plot"))?;
        check_figures(summary.figures.as_ref(), &field("figures"))?;
    }
    let Some(image) = &result.image else {
        return Ok(());
    };
    within(u64::from(image.width), 1..=IMAGE_PIXELS as u64, "result.image.width")?;
    within(u64::from(image.height), 1..=IMAGE_PIXELS as u64, "result.image.height")?;
    let pixels = u64::from(image.width) * u64::from(image.height);
    within(image.pixels.len() as u64, pixels..=pixels, "result.image.pixels")
}

fn check_figures(figures: Option<&Figures>, field: &str) -> Result<(), Flaw> {
    let Some(figures) = figures else {
        return Ok(());
    };
    let field = |name: &str| format!("{field}.{name}");
    let quantiles = figures.quantiles.len() as u64;
    within(quantiles, 0..=QUANTILES.len() as u64, &field("quantiles"))?;
    let Some(histogram) = &figures.histogram else {
        return Ok(());
    };
    let bins = histogram.counts.len() as u64;
    within(bins, 1..=HISTOGRAM_BINS as u64, &field("histogram.counts"))?;
    ensure(histogram.low <= histogram.high, &field("histogram.low"), || {
        format!("it is {}, above the end, {}", histogram.low, histogram.high)
    })?;
    for (name, count) in [("below", histogram.below), ("above", histogram.above)] {
        within(count, 0..=COUNT_MAX, &field(&format!("histogram.{name}")))?;
    }
    Ok(())
}

fn within(found: u64, allowed: std::ops::RangeInclusive<u64>, field: &str) -> Result<(), Flaw> {
    ensure(allowed.contains(&found), field, || {
        let (least, most) = (allowed.start(), allowed.end());
        match *most {
            u64::MAX => format!("it is {found}, and must be at least {least}"),
            _ => format!("it is {found}, and must be from {least} to {most}"),
        }
    })
}

fn ensure(holds: bool, field: &str, what: impl FnOnce() -> String) -> Result<(), Flaw> {
    if holds { Ok(()) } else { Err(Flaw { field: field.to_owned(), what: what() }) }
}
