//! Plans a job: generates its test data, lists its objects, lays out its sum tree.

use std::sync::Arc;

use platform::problems::outage;
use platform::retry::SECOND_LOOK_AFTER;
use platform::store::traced::StoreTracing;
use program::clock;
use protocol::job::Counted;
use protocol::problem::ProblemKind;
use protocol::request::Generate;
use protocol::{Inputs, JobId, Problem, TaskId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::super::gates::Gates;
use super::super::{DriverMessage, Parts};
use super::holding::Holding;
use super::{broken, send};
use crate::limits::{check_free_space, written_bytes};
use crate::records::{self, Changed, PlanRecord, RequestSummary, StoredJob};

/// A job that is being planned.
pub(super) struct Planning {
    pub(super) parts: Arc<Parts>,
    pub(super) messages: mpsc::Sender<DriverMessage>,
    pub(super) gates: Gates,
    pub(super) job: JobId,
    pub(super) request: RequestSummary,
    pub(super) is_resumed: bool,
    /// Records what stores are asked for; `None` if nobody wants to know.
    pub(super) tracing: Option<StoreTracing>,
    pub(super) stop: CancellationToken,
}

/// The stored plan of a job.
struct Planned {
    record: PlanRecord,
    /// What a resumed job continues from.
    found: Option<Found>,
}

/// What the store has of a job that is resumed.
struct Found {
    columns: Option<u64>,
    completed: Vec<TaskId>,
}

/// The planning was told to stop.
struct Stopped;

/// An error that fails the job, unless the planning was told to stop.
type Outcome<T> = Result<Result<T, Problem>, Stopped>;

impl Planning {
    /// Plans the job, stores the plan, and sends the outcome; sends nothing if it was
    /// told to stop.
    pub(super) async fn run(self) {
        let message = match self.plan().await {
            Err(Stopped) => return,
            Ok(Ok((Planned { record, found }, room))) => {
                let (job, record) = (self.job, Box::new(record));
                match found {
                    None => DriverMessage::Planned { job, record, room },
                    Some(Found { columns, completed }) => {
                        DriverMessage::Replanned { job, record, room, columns, completed }
                    }
                }
            }
            Ok(Err(problem)) => broken(self.job, problem),
        };
        send(&self.messages, message).await;
    }

    /// The stored plan of the job, and its room in memory.
    async fn plan(&self) -> Outcome<(Planned, OwnedSemaphorePermit)> {
        let mut holding = Holding::new(self.job, &self.messages);
        if let Inputs::Generate(data) = self.request.request.inputs {
            loop {
                match self.generate(data).await? {
                    Err(problem) if is_away(&problem) => {
                        self.until_stopped(holding.hold(&problem)).await?;
                    }
                    Err(problem) => return Ok(Err(problem)),
                    Ok(()) => break,
                }
            }
        }
        let mut is_first_look = true;
        loop {
            match self.list_and_get_room().await? {
                Err(problem) if is_away(&problem) => {
                    self.until_stopped(holding.hold(&problem)).await?;
                }
                Err(problem) if is_first_look && self.may_be_there(&problem) => {
                    is_first_look = false;
                    self.until_stopped(sleep(SECOND_LOOK_AFTER)).await?;
                }
                done => {
                    holding.end().await;
                    return Ok(done);
                }
            }
        }
    }

    /// Whether what was not found may be there all the same: a folder says what is in it,
    /// and a store that needs a network may fail to find it.
    fn may_be_there(&self, problem: &Problem) -> bool {
        let named = match &self.request.request.inputs {
            Inputs::Prefix(location) | Inputs::Manifest(location) => Some(location),
            _ => None,
        };
        let location = problem.object.as_ref().or(named);
        let store = location.map(|location| self.parts.planner.inputs.resolve(location));
        let is_remote =
            matches!(store, Some(Ok((store, ..))) if store.reader("any", None).is_none());
        problem.kind == ProblemKind::NotFound && is_remote
    }

    async fn list_and_get_room(&self) -> Outcome<(Planned, OwnedSemaphorePermit)> {
        // Kept until the plan has room, so that few plans wait for it in memory.
        let _permit = self.pass(&self.gates.listing, 1).await?;
        // On the heap, like all that is done behind a gate: thousands of jobs may wait here,
        // and each takes as much memory as its task may ever need.
        Box::pin(self.list_and_wait_for_room()).await
    }

    async fn list_and_wait_for_room(&self) -> Outcome<(Planned, OwnedSemaphorePermit)> {
        let planned = match self.until_stopped(self.list()).await? {
            Ok(planned) => planned,
            Err(problem) => return Ok(Err(problem)),
        };
        let room = self.pass(&self.gates.room, Gates::room_of(&planned.record)).await?;
        Ok(Ok((planned, room)))
    }

    /// Generates the job's test data.
    async fn generate(&self, data: Generate) -> Outcome<()> {
        let _permit = self.pass(&self.gates.generating, 1).await?;
        Box::pin(self.generate_now(data)).await
    }

    async fn generate_now(&self, data: Generate) -> Outcome<()> {
        let parts = &self.parts;
        if self.is_resumed {
            // A job with a plan had all its data.
            match self.until_stopped(records::plan(&*parts.store, self.job)).await? {
                Ok(None) => {}
                Ok(Some(_)) => return Ok(Ok(())),
                Err(problem) => return Ok(Err(of_own_store(problem))),
            }
        }
        let space = check_free_space(&*parts.store, "the test data", data.bytes());
        if let Err(problem) = self.until_stopped(space).await? {
            return Ok(Err(problem));
        }
        let progress = |counted: Counted| {
            // A count that finds the channel full is outdated by the next one.
            let _ = self.messages.try_send(DriverMessage::Generated { job: self.job, counted });
        };
        let generated = parts.planner.generate(self.job, data, progress, &self.stop).await;
        if self.stop.is_cancelled() { Err(Stopped) } else { Ok(generated.map_err(of_own_store)) }
    }

    /// Lists the objects, lays out the tree, and stores the plan.
    async fn list(&self) -> Result<Planned, Problem> {
        let store = &*self.parts.store;
        // Not before the gate: long lists are in the store while the job waits.
        let request = match self.request.whole() {
            Some(request) => request,
            None => records::request(store, self.job).await.map_err(of_own_store)?.request,
        };
        let mut planner = self.parts.planner.clone();
        if let Some(tracing) = &self.tracing {
            planner.inputs = planner.inputs.traced(tracing);
        }
        let record = planner.plan(self.job, &request, self.request.workers).await?;
        self.parts.outputs.probe(&request, &record).await?;
        if let Some(columns) = record.inputs.columns {
            let bytes =
                written_bytes(&record.plan, columns, &request.statistics, record.inputs.is_typed());
            check_free_space(store, "the job", bytes).await?;
        }
        if record.inputs.keyed
            && let Some(first) = record.objects.first()
        {
            planner.store_keys(self.job, first, &request.read_options()).await?;
        }
        if self.is_resumed {
            return self.resume(record).await.map_err(of_own_store);
        }
        records::store_plan(store, self.job, &record).await.map_err(of_own_store)?;
        // The table of the weights is in the store now, and each weight in its object.
        let record = PlanRecord { weights: None, netcdf: None, ..record };
        Ok(Planned { record, found: None })
    }

    /// Stores the plan of a job that continues from its partial sums, as far as their inputs
    /// are as they were.
    async fn resume(&self, now: PlanRecord) -> Result<Planned, Problem> {
        let (store, job) = (&*self.parts.store, self.job);
        let (record, changed) = match records::plan(store, job).await? {
            Some(earlier) => PlanRecord::resumed(earlier, now),
            None => (now, Changed::Everything),
        };
        tracing::info!(job_id = %job, ?changed, "job resumed");
        records::store_resumed(store, job, &record, changed, clock::now()).await?;
        let Some(StoredJob::Planned(_, record, columns)) = records::load(store, job).await? else {
            let detail = "the job that is resumed was changed by somebody else";
            return Err(Problem::new(ProblemKind::Internal, detail).remedy("resume it again"));
        };
        let completed = records::completed_tasks(store, job, &record, columns).await?;
        Ok(Planned { record: *record, found: Some(Found { columns, completed }) })
    }

    /// Waits at a gate. The job is shown as waiting meanwhile.
    async fn pass(
        &self,
        gate: &Arc<Semaphore>,
        permits: u32,
    ) -> Result<OwnedSemaphorePermit, Stopped> {
        if self.stop.is_cancelled() {
            return Err(Stopped);
        }
        if let Ok(permit) = gate.clone().try_acquire_many_owned(permits) {
            return Ok(permit);
        }
        let job = self.job;
        send(&self.messages, DriverMessage::Waiting { job, is_waiting: true }).await;
        let permit = self.until_stopped(gate.clone().acquire_many_owned(permits)).await?;
        send(&self.messages, DriverMessage::Waiting { job, is_waiting: false }).await;
        // An error says that the gate was closed; none ever is.
        permit.map_err(|_| Stopped)
    }

    async fn until_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, Stopped> {
        self.stop.run_until_cancelled(work).await.ok_or(Stopped)
    }
}

/// A problem with the program's own objects: a store that refuses the server is out of order,
/// as one that does not answer.
fn of_own_store(problem: Problem) -> Problem {
    match problem.kind {
        ProblemKind::Forbidden => outage(problem),
        _ => problem,
    }
}

/// Whether a problem is that a store does not answer: the job waits for it.
fn is_away(problem: &Problem) -> bool {
    problem.kind == ProblemKind::Unavailable
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use platform::InputStores;
    use platform::faults::FaultyStore;
    use protocol::{JobRequest, Timestamp};

    use super::*;
    use crate::parts;

    /// The most bytes of a job that waits.
    const WAITING_BYTES: usize = 8192;

    /// The planning of a job whose inputs lie in a store that is no folder.
    async fn planning(folder: &Path, inputs: Inputs) -> Planning {
        let mut parts = parts::for_files(folder).await.expect("parts");
        let remote = FaultyStore::new(parts.store.clone(), Arc::default());
        parts.planner.inputs = InputStores::new(Arc::new(remote));
        let parts = Arc::new(parts);
        let (messages, _incoming) = mpsc::channel(1);
        Planning {
            gates: Gates::new(&parts.limits),
            parts,
            messages,
            job: JobId::from_parts(Timestamp::default(), 1),
            request: RequestSummary {
                request: JobRequest::new(inputs),
                workers: 1,
                submitted_at: Timestamp::default(),
                submitted_by: None,
                span: None,
                caller_span: None,
            },
            is_resumed: false,
            tracing: None,
            stop: CancellationToken::new(),
        }
    }

    #[tokio::test]
    async fn a_job_that_waits_for_its_turn_takes_little_memory() {
        let folder = tempfile::tempdir().unwrap();
        let planning = planning(folder.path(), Inputs::Prefix("inputs/".to_owned())).await;
        let bytes = size_of_val(&planning.run());
        assert!(bytes <= WAITING_BYTES, "{bytes} bytes");
    }

    #[tokio::test]
    async fn what_is_not_found_is_looked_for_again_before_the_job_fails() {
        let folder = tempfile::tempdir().unwrap();
        let inputs = Inputs::Objects(vec!["in/a.csv".to_owned()]);
        let planning = planning(folder.path(), inputs).await;
        let store = planning.parts.store.clone();
        // Between the first look, which takes milliseconds, and the second.
        let appears = async {
            sleep(SECOND_LOOK_AFTER / 2).await;
            store.put("in/a.csv", "1,2\n".into()).await.unwrap();
        };
        let (planned, ()) = futures::join!(planning.plan(), appears);
        let (planned, _room) = planned.ok().unwrap().unwrap();
        assert_eq!(planned.record.objects.len(), 1);
        store.delete("in/a.csv").await.unwrap();
        let missing = planning.plan().await.ok().unwrap().err().unwrap();
        assert_eq!(missing.kind, ProblemKind::NotFound);
        assert_eq!(missing.object.as_deref(), Some("in/a.csv"));
    }
}
