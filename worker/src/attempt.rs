//! One execution of a task: which segments are missing, and what is done when
//! they are all there.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use platform::store::read_all;
use platform::{InputStores, ObjectStore};
use protocol::task::{Assignment, Direction, Failure, InputObject, Outcome, StopReason, Work};
use summation::{PartialSum, Trailer};
use tokio::runtime::Handle;
use tokio::task::{JoinError, spawn_blocking, yield_now};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::buffers::Buffers;
use crate::failure;
use crate::formats::Formats;
use crate::meter::Meter;
use crate::segments::Segments;
use crate::settings::Settings;
use crate::source::Source;
use crate::{leaf, merge};

/// All that an attempt works with.
pub(crate) struct Context {
    pub(crate) assignment: Assignment,
    pub(crate) redelivered: bool,
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) inputs: InputStores,
    pub(crate) settings: Settings,
    pub(crate) lasting: Lasting,
    pub(crate) meter: Arc<Meter>,
    /// Whether the thread is the attempt's own; see [`Context::compute`].
    pub(crate) owns_thread: bool,
    /// Set when the worker is going: the segment under way is finished, and no
    /// other begun.
    pub(crate) leaving: CancellationToken,
}

/// What lasts from one attempt to the next.
#[derive(Clone)]
pub(crate) struct Lasting {
    pub(crate) buffers: Arc<Buffers>,
    pub(crate) formats: Arc<Formats>,
}

/// How an attempt ended without completing its task.
pub(crate) enum Ended {
    Failed(Failure),
    Stopped(StopReason),
}

/// Begins an attempt, beside what else the worker does; it ends when what it
/// returns is dropped.
pub(crate) fn spawn(
    mut context: Context,
) -> impl Future<Output = Result<Result<Outcome, Ended>, JoinError>> + Unpin {
    context.owns_thread = context.reads_files();
    if !context.owns_thread {
        return AbortOnDropHandle::new(tokio::spawn(run(context))).left_future();
    }
    let (stop, runtime) = (CancellationToken::new(), Handle::current());
    let stops_when_dropped = stop.clone().drop_guard();
    let thread = spawn_blocking(move || {
        let stopped = Ended::Stopped(StopReason::WorkerLeaves);
        runtime.block_on(stop.run_until_cancelled(run(context))).unwrap_or(Err(stopped))
    });
    let ended = thread.map(move |ended| {
        drop(stops_when_dropped);
        ended
    });
    ended.right_future()
}

/// Computes the segments of the task that are missing.
async fn run(context: Context) -> Result<Outcome, Ended> {
    let assignment = &context.assignment;
    let mut segments = Segments::new(
        context.store.clone(),
        assignment.output.clone(),
        context.meter.clone(),
        context.lasting.buffers.clone(),
    );
    let found = if assignment.resume || context.redelivered {
        segments.find(&assignment.columns).await.map_err(Ended::Failed)?
    } else {
        BTreeSet::new()
    };
    let done = match &assignment.work {
        Work::Sum { objects, raw, fortran_order } => {
            let inputs = leaf::Inputs { objects, raw: *raw, fortran_order: *fortran_order };
            leaf::run(&context, inputs, &mut segments, &found).await
        }
        Work::Merge { partial_sums } => {
            merge::run(&context, partial_sums, &mut segments, &found).await
        }
    };
    match done {
        Ok(mut outcome) => {
            segments.finish().await.map_err(Ended::Failed)?;
            context.meter.update(|progress| progress.fraction = 1.0);
            outcome.progress = context.meter.progress();
            Ok(outcome)
        }
        Err(Interruption::Failed(failure)) => Err(Ended::Failed(failure)),
        Err(Interruption::Leaving) => Err(Ended::Stopped(StopReason::WorkerLeaves)),
    }
}

/// Why the segments were not all computed.
pub(crate) enum Interruption {
    Failed(Failure),
    /// The worker is going, and what is written is whole.
    Leaving,
}

impl From<Failure> for Interruption {
    fn from(failure: Failure) -> Self {
        Interruption::Failed(failure)
    }
}

impl Context {
    /// Whether the task's inputs are files, which hardly ever have to be waited
    /// for: handing what they hold from thread to thread takes longer.
    pub(crate) fn reads_files(&self) -> bool {
        match &self.assignment.work {
            Work::Sum { objects, .. } => objects.iter().all(|object| {
                let place = self.inputs.resolve(&object.location);
                place.is_ok_and(|(store, _, key)| store.reader(key).is_some())
            }),
            Work::Merge { partial_sums } => {
                partial_sums.iter().all(|key| self.store.reader(key).is_some())
            }
        }
    }

    /// Does what takes long and waits for nobody: here, if nobody else needs
    /// this thread.
    pub(crate) async fn compute<T: Send + 'static>(
        &self,
        what: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        if self.owns_thread {
            // The attempt may have been told to stop.
            yield_now().await;
            return Ok(work());
        }
        spawn_blocking(work).await.map_err(|stopped| failure::internal(what, &stopped))
    }

    /// The bytes of a sum, which nobody needs any more.
    pub(crate) async fn encode(
        &self,
        sum: PartialSum,
        trailer: Trailer,
    ) -> Result<Vec<u8>, Failure> {
        let buffers = &self.lasting.buffers;
        let mut bytes = buffers.take_encoding();
        let encode = move || {
            sum.encode_into(&trailer, &mut bytes);
            (bytes, sum)
        };
        let (bytes, sum) = self.compute("encoding a partial sum", encode).await?;
        buffers.give_sum(sum, &self.assignment.statistics);
        Ok(bytes)
    }

    /// Whether the attempt begins at the first segment.
    pub(crate) fn goes_forward(&self) -> bool {
        self.assignment.direction == Direction::Forward
    }

    /// The task's segments, of `total` columns in all, in the order they are
    /// to be computed in.
    pub(crate) fn segment_order(&self, total: u64) -> Vec<u64> {
        let mut order: Vec<u64> = self.assignment.columns.segments(total).collect();
        if !self.goes_forward() {
            order.reverse();
        }
        order
    }

    /// Whether another attempt has written this segment meanwhile. Not asked
    /// before this attempt's first one: that would cost small tasks more than
    /// it saves.
    pub(crate) async fn is_met(&self, segments: &Segments, segment: u64) -> Result<bool, Failure> {
        if self.meter.progress().segments_written == 0 && !self.assignment.speculative {
            return Ok(false);
        }
        segments.exists(segment).await
    }

    /// What a finished segment says about going on behind it.
    pub(crate) async fn read_trailer(
        &self,
        segments: &Segments,
        segment: u64,
    ) -> Result<Trailer, Failure> {
        let key = segments.key(segment);
        let bytes = read_all(&*self.store, &key)
            .await
            .map_err(|error| failure::store("reading a checkpoint", &error))?;
        self.meter.update(|progress| progress.partial_read_bytes += bytes.len() as u64);
        PartialSum::decode(&bytes)
            .map(|(_, trailer)| trailer)
            .map_err(|error| failure::corrupt(&key, &error))
    }

    /// Waits for a source's next range and counts its bytes.
    pub(crate) async fn fetch(
        &self,
        source: &mut Source,
        objects: &[InputObject],
    ) -> Result<(), Failure> {
        let bytes = source.fetch().await.map_err(|error| {
            failure::store(&format!("reading {}", objects[source.index].location), &error)
        })?;
        self.count_read(bytes);
        Ok(())
    }

    /// Finds out whether a source has another number, reading on if need be.
    pub(crate) async fn settle(
        &self,
        source: &mut Source,
        objects: &[InputObject],
    ) -> Result<(), Failure> {
        loop {
            source
                .look_ahead()
                .map_err(|error| failure::invalid_input(&objects[source.index].location, &error))?;
            if !source.needs_range() {
                return Ok(());
            }
            self.fetch(source, objects).await?;
        }
    }

    /// Counts bytes read from an input object.
    pub(crate) fn count_read(&self, bytes: usize) {
        self.meter.update(|progress| progress.input_read_bytes += bytes as u64);
    }

    /// Ends the attempt if the worker is going and everything so far is written.
    pub(crate) async fn pause_if_leaving(
        &self,
        segments: &mut Segments,
    ) -> Result<(), Interruption> {
        if self.leaving.is_cancelled() {
            segments.finish().await?;
            return Err(Interruption::Leaving);
        }
        Ok(())
    }

    /// Takes as much longer as the worker was told to.
    pub(crate) async fn be_slow(&self, worked: Duration) {
        let slowness = self.settings.faults.slowness;
        if slowness > 1.0 {
            tokio::time::sleep(worked.mul_f64(slowness - 1.0)).await;
        }
    }
}
