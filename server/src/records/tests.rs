//! Jobs across restarts of the server, with the scheduler, the records and simulated
//! workers: whatever the order of events, each job gets its result.
//!
//! Bugs found here have tests of their own among the rules of the scheduler.

use std::collections::BTreeSet;
use std::sync::Arc;

use platform::backends;
use protocol::request::FanIn;
use protocol::task::{InputObject, LostSegment, Outcome, StopReason, segment_key};
use protocol::{AttemptId, WorkerId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use scheduler::plan::{Costs, PlanInputs, PlanLimits};
use scheduler::{Command, Event, JobTerms, Scheduler, Settings};

use super::*;

const SEEDS: u64 = 150;
const WORKERS: usize = 4;
const STEPS_MAX: usize = 20_000;

/// The faults of all seeds.
#[derive(Debug, Default)]
struct Fired {
    restarts: u32,
    /// Reports of merge attempts that a restarted server got before it knew C.
    merges_before_columns: u32,
    learned: u32,
    lost: u32,
}

struct World {
    random: StdRng,
    store: Arc<dyn ObjectStore>,
    _folder: tempfile::TempDir,
    job: JobId,
    /// C, which nobody knows before an object was read.
    columns: u64,
    scheduler: Scheduler,
    now: u64,
    /// Attempts in the queue, with C as the assignment tells it.
    queue: Vec<(AttemptId, Option<u64>)>,
    running: [Option<(AttemptId, Option<u64>)>; WORKERS],
    /// Reports that the server has not received. They outlive it.
    reports: Vec<Event>,
    is_over: bool,
    fired: Fired,
}

fn worker(number: usize) -> WorkerId {
    WorkerId::from(format!("w{number}"))
}

fn settings() -> Settings {
    // Its queue has one attempt in each message.
    Settings { external_pool: true, attempts_max: u32::MAX, bundle_ms: 0, ..Settings::default() }
}

fn terms() -> JobTerms {
    JobTerms { workers: 3, ..JobTerms::default() }
}

impl World {
    /// A job of text that is stored, and planned.
    async fn new(seed: u64) -> World {
        let mut random = StdRng::seed_from_u64(seed);
        let folder = tempfile::tempdir().unwrap();
        let store = backends::scratch(folder.path()).open().await.unwrap();
        let job = JobId::from_parts(Timestamp::from_millis(1_700_000_000_000), u128::from(seed));
        let objects: u64 = random.random_range(1..30);
        let columns = random.random_range(1..400);
        let inputs = PlanInputs {
            objects,
            columns: None,
            columns_estimate: random.random_range(1..400),
            ..PlanInputs::default()
        };
        let limits = PlanLimits { segment_columns: 32, ..PlanLimits::default() };
        let fan_in = FanIn::Fixed(random.random_range(2..5));
        let plan = scheduler::plan::plan(&inputs, fan_in, 3, &limits, &Costs::default());
        let object = |index| InputObject {
            location: format!("{index}.csv"),
            bytes: 100,
            version: None,
            weight: None,
            parts: Box::default(),
        };
        let inputs = InputSummary { objects: Some(objects), ..InputSummary::default() };
        let record = PlanRecord::new(plan.clone(), inputs, (0..objects).map(object).collect());
        let request = JobRequest::new(Inputs::Prefix("in".to_owned())).validate().unwrap();
        let submitted_at = job.submitted_at();
        let request = RequestRecord {
            request,
            workers: 3,
            submitted_at,
            submitted_by: None,
            span: None,
            caller_span: None,
        };
        let (request, _) = request.split().unwrap();
        store_request(&*store, job, request, 0, None).await.unwrap();
        store_plan(&*store, job, &record).await.unwrap();
        let mut world = World {
            random,
            store,
            _folder: folder,
            job,
            columns,
            scheduler: Scheduler::new(settings()),
            now: 1_700_000_000_000,
            queue: Vec::new(),
            running: [None; WORKERS],
            reports: Vec::new(),
            is_over: false,
            fired: Fired::default(),
        };
        world.handle(Event::JobSubmitted { job, terms: terms() }).await;
        world.handle(Event::JobPlanned { job, plan }).await;
        world.join();
        world
    }

    fn plan(&self) -> Plan {
        self.scheduler.job(self.job).and_then(|view| view.plan).unwrap()
    }

    fn join(&mut self) {
        for number in 0..WORKERS {
            let joined = protocol::task::Joined::default();
            self.reports.push(Event::WorkerJoined { worker: worker(number), joined });
        }
    }

    async fn handle(&mut self, event: Event) {
        self.now += 1;
        for command in self.scheduler.handle(Timestamp::from_millis(self.now), event) {
            match command {
                Command::PublishAttempt { attempt, columns, .. } => {
                    self.queue.push((attempt, columns));
                }
                Command::StopAttempt { attempt, .. } => {
                    self.queue.retain(|(queued, _)| *queued != attempt);
                    for running in &mut self.running {
                        if running.is_some_and(|(running, _)| running == attempt) {
                            *running = None;
                        }
                    }
                }
                Command::WriteResult { columns, .. } => self.finish(columns).await,
                Command::EndJob { phase, problem, .. } => {
                    assert_eq!(phase, Phase::Done, "{problem:?}");
                    self.is_over = true;
                }
                _ => {}
            }
        }
    }

    /// The segments of a task, of C columns.
    fn segments(&self, attempt: AttemptId) -> std::ops::Range<u64> {
        let plan = self.plan();
        let (first, end) = plan.task_segments(attempt.task);
        let all = self.columns.div_ceil(plan.segment_columns);
        first.min(all)..end.unwrap_or(all).min(all)
    }

    async fn is_there(&self, level: u8, node: u32, segment: u64) -> bool {
        let key = segment_key(&keys::node(self.job, level, node), segment);
        self.store.head(&key).await.is_ok()
    }

    /// Divides the total; a segment that is not there is computed again.
    async fn finish(&mut self, columns: u64) {
        assert_eq!(columns, self.columns);
        let plan = self.plan();
        for segment in 0..columns.div_ceil(plan.segment_columns) {
            if !self.is_there(plan.root_level(), 0, segment).await {
                self.reports.push(Event::TotalDamaged { job: self.job, segment });
                return;
            }
        }
        self.reports.push(Event::ResultWritten { job: self.job });
    }

    /// A worker takes an attempt from the queue.
    fn start(&mut self, number: usize) {
        if self.running[number].is_none() && !self.queue.is_empty() {
            let (attempt, columns) = self.queue.remove(0);
            self.running[number] = Some((attempt, columns));
            self.reports.push(Event::AttemptStarted { attempt, worker: worker(number) });
        }
    }

    /// A worker writes the segments of its task, or finds that an input is gone.
    async fn execute(&mut self, number: usize) {
        let Some((attempt, columns)) = self.running[number].take() else {
            return;
        };
        let (task, worker) = (attempt.task, worker(number));
        let inputs = self.plan().node_inputs(task.level, task.node);
        for segment in self.segments(attempt) {
            if self.is_there(task.level, task.node, segment).await {
                continue;
            }
            if let Some(below) = task.level.checked_sub(1) {
                assert!(columns.is_some(), "merge {attempt} without C");
                for (input, node) in (0..).zip(inputs.clone()) {
                    if !self.is_there(below, u32::try_from(node).unwrap(), segment).await {
                        let reason = StopReason::SegmentLost(LostSegment { input, segment });
                        let progress = protocol::task::Progress::default();
                        let event = Event::AttemptStopped { attempt, worker, reason, progress };
                        self.reports.push(event);
                        return;
                    }
                }
            }
            let key = segment_key(&keys::node(self.job, task.level, task.node), segment);
            self.store.put(&key, Bytes::from("sum")).await.unwrap();
        }
        let columns_of = (task.level == 0).then(|| format!("{}.csv", inputs.start));
        let outcome = Outcome { columns: self.columns, columns_of, ..Outcome::default() };
        self.reports.push(Event::AttemptCompleted { attempt, worker, outcome });
    }

    /// The server is killed, and starts again with what is stored.
    async fn restart(&mut self) {
        self.fired.restarts += 1;
        self.scheduler = Scheduler::new(settings());
        // Assignments are published again, reports stay.
        if self.random.random_bool(0.5) {
            self.queue.clear();
        }
        let loaded = load(&*self.store, self.job).await.unwrap();
        let Some(StoredJob::Planned(_, plan, columns)) = loaded else {
            panic!("{loaded:?} is not planned");
        };
        self.fired.learned += u32::from(columns.is_some());
        let completed = completed_tasks(&*self.store, self.job, &plan, columns).await.unwrap();
        let (job, plan) = (self.job, plan.plan);
        self.handle(Event::JobRestored {
            job,
            terms: terms(),
            plan,
            columns,
            completed,
            earlier_attempts: 0,
        })
        .await;
        self.join();
    }

    /// The server receives a report; now and then a report overtakes others.
    async fn receive(&mut self) {
        if self.reports.is_empty() {
            return;
        }
        let first = match self.random.random_bool(0.9) {
            true => 0,
            false => self.random.random_range(0..self.reports.len()),
        };
        let report = self.reports.remove(first);
        let knows = self.scheduler.job(self.job).is_some_and(|it| it.inputs.columns.is_some());
        if let Event::AttemptCompleted { attempt, .. } = &report
            && attempt.task.level > 0
            && !knows
        {
            self.fired.merges_before_columns += 1;
        }
        self.handle(report).await;
        let view = self.scheduler.job(self.job).unwrap();
        if let Some(columns) = view.inputs.columns.filter(|_| self.random.random_bool(0.05)) {
            let record = LearnedRecord { columns, shape: None, format: None };
            store_learned(&*self.store, self.job, &record).await.unwrap();
        }
    }

    /// Power was lost while a segment was written.
    async fn lose(&mut self) {
        let prefix = keys::sums(self.job);
        let found: Vec<_> =
            futures::TryStreamExt::try_collect(self.store.list(&prefix)).await.unwrap();
        if !found.is_empty() {
            self.fired.lost += 1;
            let lost: &platform::ObjectMeta = &found[self.random.random_range(0..found.len())];
            self.store.delete(&lost.key).await.unwrap();
        }
    }

    async fn run(mut self) -> Fired {
        let mut leaves = BTreeSet::new();
        for step in 0..STEPS_MAX {
            if self.is_over {
                return self.fired;
            }
            let number = self.random.random_range(0..WORKERS);
            match self.random.random_range(0..100) {
                // Not for ever: each may undo what was done since the last.
                0..3 if step < 2_000 => self.restart().await,
                3..4 if step < 2_000 => self.lose().await,
                4..35 => self.start(number),
                35..60 => self.execute(number).await,
                60..95 => self.receive().await,
                _ => {
                    self.now += 1_000;
                    let seen = Event::WorkerSeen { worker: worker(number), resident_bytes: 0 };
                    self.handle(seen).await;
                }
            }
            leaves.extend(self.running.iter().flatten().map(|(attempt, _)| attempt.task));
        }
        panic!("the job is not over: {:?} {leaves:?}", self.scheduler.job(self.job));
    }
}

#[tokio::test]
async fn every_job_of_text_ends_whenever_the_server_restarts() {
    let mut all = Fired::default();
    for seed in 0..SEEDS {
        let world = World::new(seed).await;
        let fired = world.run().await;
        all.restarts += fired.restarts;
        all.merges_before_columns += fired.merges_before_columns;
        all.learned += fired.learned;
        all.lost += fired.lost;
    }
    let each = [all.restarts, all.merges_before_columns, all.learned, all.lost];
    assert!(each.iter().all(|times| *times > 10), "{all:?}");
}

#[tokio::test]
async fn a_plan_of_many_objects_is_stored_piece_by_piece() {
    let folder = tempfile::tempdir().unwrap();
    let store = backends::scratch(folder.path()).open().await.unwrap();
    let (pieces, job) = (2 * PLAN_OBJECTS_AT_ONCE, JobId::from_parts(Timestamp::default(), 1));
    for count in [1, PLAN_OBJECTS_AT_ONCE, PLAN_OBJECTS_AT_ONCE + 1, pieces, pieces + 1] {
        let objects = count as u64;
        let inputs = PlanInputs { objects, columns: Some(3), ..PlanInputs::default() };
        let (limits, costs) = (PlanLimits::default(), Costs::default());
        let plan = scheduler::plan::plan(&inputs, FanIn::Fixed(5), 3, &limits, &costs);
        let object = |index| InputObject {
            location: format!("\"{index}\".csv"),
            bytes: index,
            version: None,
            weight: None,
            parts: Box::default(),
        };
        let inputs = InputSummary { objects: Some(objects), ..InputSummary::default() };
        let mut record = PlanRecord::new(plan, inputs, (0..objects).map(object).collect());
        (record.resumes, record.all_again, record.parts) = (3, 2, Some(u64::MAX));
        record.again.entry(1).or_default().insert(7, 3);
        store_plan(&*store, job, &record).await.unwrap();
        let stored = super::plan(&*store, job).await.unwrap().expect("a plan");
        assert!(stored.objects == record.objects, "{count} objects");
        let rest = |record: &PlanRecord| serde_json::to_value(record.without_objects()).unwrap();
        assert_eq!(rest(&stored), rest(&record));
    }
}
