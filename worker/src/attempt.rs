//! One execution of a task: finds out which of its segments are missing, and computes
//! them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use platform::{InputStores, ObjectStore};
use protocol::Problem;
use protocol::problem::ProblemKind;
use protocol::request::ReadOptions;
use protocol::task::{Assignment, Failure, Fault, Outcome, StopReason, Work};
use reading::Buffers;
use summation::Order;
use tokio::runtime::Handle;
use tokio::task::{JoinError, spawn_blocking};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::failure::Interruption;
use crate::formats::Formats;
use crate::leaf::{Leaf, Objects, StoredKeys};
use crate::merge::Merge;
use crate::meter::Meter;
use crate::pace;
use crate::second_look;
use crate::segments::Segments;
use crate::settings::Settings;
use crate::sums::SpareSums;
use crate::thread::Thread;

/// An attempt that is about to start.
pub(crate) struct Attempt {
    pub(crate) assignment: Assignment,
    pub(crate) redelivered: bool,
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) inputs: InputStores,
    pub(crate) settings: Settings,
    pub(crate) lasting: Lasting,
    pub(crate) meter: Arc<Meter>,
    /// Cancelled when the worker is draining: the current segment is finished, and no
    /// other one started.
    pub(crate) leaving: CancellationToken,
}

/// Ends an attempt without doing its work, so that everything else can be measured.
pub type Substitute = Arc<dyn Fn(&Assignment) -> BoxFuture<'static, Outcome> + Send + Sync>;

/// What a worker keeps from one attempt to the next.
#[derive(Clone)]
pub(crate) struct Lasting {
    buffers: Arc<Buffers>,
    spare: Arc<SpareSums>,
    formats: Arc<Formats>,
    /// What is done in place of the work; `None` but in measurements.
    substitute: Option<Substitute>,
}

/// How an attempt ended without completing its task.
pub(crate) enum Ended {
    Failed(Failure),
    Stopped(StopReason),
}

impl Lasting {
    pub(crate) fn new(settings: &Settings, substitute: Option<Substitute>) -> Lasting {
        Lasting {
            buffers: Arc::new(Buffers::new(settings.max_open_objects)),
            spare: Arc::default(),
            formats: Arc::default(),
            substitute,
        }
    }

    /// Returns memory to the system; called when the worker is idle.
    pub(crate) fn free(&self) {
        self.buffers.free();
        self.spare.free();
    }
}

/// Runs an attempt beside the worker's other work. Dropping the future that is returned
/// aborts the attempt.
pub(crate) fn spawn(
    attempt: Attempt,
) -> impl Future<Output = Result<Result<Outcome, Ended>, JoinError>> + Unpin {
    if let Some(substitute) = &attempt.lasting.substitute {
        let outcome = substitute(&attempt.assignment);
        return AbortOnDropHandle::new(tokio::spawn(outcome.map(Ok::<_, Ended>))).left_future();
    }
    if !attempt.reads_files() {
        let run = attempt.run(Thread::Shared);
        return AbortOnDropHandle::new(tokio::spawn(run)).left_future();
    }
    let (stop, runtime) = (CancellationToken::new(), Handle::current());
    let stops_when_dropped = stop.clone().drop_guard();
    let thread = spawn_blocking(move || {
        let stopped = Ended::Stopped(StopReason::WorkerLeaves);
        let run = attempt.run(Thread::Own);
        runtime.block_on(stop.run_until_cancelled(run)).unwrap_or(Err(stopped))
    });
    let ended = thread.map(move |ended| {
        drop(stops_when_dropped);
        ended
    });
    ended.right_future()
}

impl Attempt {
    /// Whether all inputs are local files. These are read on the thread that sums them,
    /// because reads hardly ever wait, and passing buffers between threads takes longer.
    fn reads_files(&self) -> bool {
        match &self.assignment.work {
            Work::Sum { objects, .. } => objects.iter().all(|object| {
                let place = self.inputs.resolve(&object.location);
                place.is_ok_and(|(store, _, key)| store.reader(key, None).is_some())
            }),
            Work::Merge { partial_sums } => {
                partial_sums.iter().all(|key| self.store.reader(key, None).is_some())
            }
        }
    }

    /// The location of an object that should have a weight and has none, or the reverse.
    fn without_weight(&self) -> Option<&str> {
        let Work::Sum { objects, .. } = &self.assignment.work else {
            return None;
        };
        let weighted = self.assignment.weighted;
        let object = objects.iter().find(|object| object.weight.is_some() != weighted)?;
        Some(&object.location)
    }

    /// Computes the missing segments of the task.
    async fn run(self, thread: Thread) -> Result<Outcome, Ended> {
        let assignment = &self.assignment;
        let began = Instant::now();
        if let Some(location) = self.without_weight() {
            let detail = format!("the assignment lacks the weight of {location}");
            let problem = Problem::new(ProblemKind::Internal, detail).object(location);
            return Err(Ended::Failed(Failure { problem, fault: Fault::Program }));
        }
        if let Some(pace_ms) = assignment.pace_ms {
            pace::wait(Duration::from_millis(pace_ms), &self.meter, &self.leaving).await;
        }
        let mut segments = Segments {
            assignment,
            store: self.store.clone(),
            spare: self.lasting.spare.clone(),
            meter: self.meter.clone(),
            thread,
            leaving: self.leaving.clone(),
            writing: None,
        };
        let found = if assignment.resume || self.redelivered {
            segments.find().await.map_err(Ended::Failed)?
        } else {
            BTreeSet::new()
        };
        let done = match &assignment.work {
            Work::Sum { objects, raw, header, select, key, keys, reference, fortran_order } => {
                let options = ReadOptions {
                    raw: *raw,
                    missing: assignment.missing,
                    header: *header,
                    select: select.clone(),
                    key: key.clone(),
                };
                let objects = Objects {
                    objects,
                    options: &options,
                    reference: reference.as_ref(),
                    keys: keys.as_deref().map(|prefix| StoredKeys { store: &self.store, prefix }),
                    order: Order::from_fortran(*fortran_order),
                    job: assignment.attempt.job,
                    stores: &self.inputs,
                    formats: &self.lasting.formats,
                    buffers: &self.lasting.buffers,
                    settings: &self.settings,
                    meter: &self.meter,
                    thread,
                };
                Leaf::new(objects, &segments, &found).run(&mut segments, &found).await
            }
            Work::Merge { partial_sums } => {
                let buffers = self.lasting.buffers.clone();
                let merge = Merge { children: partial_sums, buffers, settings: &self.settings };
                let columns = merge.run(&mut segments, &found).await;
                columns.map(|columns| Outcome { columns, ..Outcome::default() })
            }
        };
        match done {
            Ok(mut outcome) => {
                segments.finish().await.map_err(Ended::Failed)?;
                self.meter.update(|progress| progress.fraction = 1.0);
                if assignment.pace_ms.is_some() {
                    self.meter.stretch(began.elapsed());
                }
                outcome.progress = self.meter.progress();
                Ok(outcome)
            }
            Err(Interruption::Failed(failure)) => {
                let objects = match &assignment.work {
                    Work::Sum { objects, .. } => objects.as_slice(),
                    Work::Merge { .. } => &[],
                };
                Err(Ended::Failed(second_look::confirmed(failure, objects, &self.inputs).await))
            }
            Err(Interruption::Lost(lost)) => Err(Ended::Stopped(StopReason::SegmentLost(lost))),
            Err(Interruption::Leaving) => Err(Ended::Stopped(StopReason::WorkerLeaves)),
        }
    }
}
