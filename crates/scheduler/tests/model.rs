//! Property tests of the scheduler against a model of workers, jobs and time.
//!
//! Transitions are external events; the model says which of them are possible.
//! After each one, every invariant of the scheduler holds. At the end, one healthy
//! worker remains, and every job that was not cancelled is done.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeSet, VecDeque};

use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use protocol::problem::ProblemKind;
use protocol::task::{Failure, Fault, Joined, LostSegment, Outcome, Progress, StopReason};
use protocol::worker::WorkerState;
use protocol::{AttemptId, FanIn, JobId, Part, Phase, Problem, Timestamp, WorkerId};
use scheduler::plan::{Costs, PlanInputs, PlanLimits, plan};
use scheduler::{Command, Event, JobTerms, Scheduler, Settings};

/// Number of workers of the model.
const WORKERS: u8 = 5;

/// The state of the model.
#[derive(Clone, Debug, Default)]
struct Model {
    jobs: u8,
    cancelled: BTreeSet<u8>,
    alive: BTreeSet<u8>,
}

/// A transition.
#[derive(Clone, Debug)]
enum Step {
    Submit {
        objects: u8,
        fan_in: u8,
        workers: u8,
    },
    Cancel(u8),
    Join(u8),
    /// A worker leaves; the flag says whether it reports that.
    Leave(u8, bool),
    /// A worker receives the first attempt of the queue.
    Receive(u8),
    Progress(u8, f64),
    Complete(u8),
    Fail(u8, Fault),
    HandBack(u8),
    /// A worker finds that a partial sum is lost, if its task is a merge.
    Lose(u8),
    /// This many latest events are delivered again, in reverse order.
    Duplicate(u8),
    /// The queue is reordered.
    Shuffle,
    PassTime(u16),
    /// A part does not answer the server, or answers again.
    Miss(Part),
    Return(Part),
    /// The queue has lost its messages.
    LoseQueue,
    /// The server stood still.
    Resume,
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![Just(Fault::Worker), Just(Fault::Store), Just(Fault::Program)]
}

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![Just(Part::Store), Just(Part::Queue)]
}

impl ReferenceStateMachine for Model {
    type State = Model;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Model> {
        Just(Model::default()).boxed()
    }

    fn transitions(_: &Model) -> BoxedStrategy<Step> {
        let worker = 0..WORKERS;
        prop_oneof![
            1 => (1..30_u8, 2..6_u8, 1..5_u8)
                .prop_map(|(objects, fan_in, workers)| Step::Submit { objects, fan_in, workers }),
            1 => (0..4_u8).prop_map(Step::Cancel),
            4 => worker.clone().prop_map(Step::Join),
            1 => (worker.clone(), any::<bool>())
                .prop_map(|(worker, reports)| Step::Leave(worker, reports)),
            12 => worker.clone().prop_map(Step::Receive),
            4 => (worker.clone(), 0.0..1.0)
                .prop_map(|(worker, fraction)| Step::Progress(worker, fraction)),
            10 => worker.clone().prop_map(Step::Complete),
            2 => (worker.clone(), fault()).prop_map(|(worker, fault)| Step::Fail(worker, fault)),
            1 => worker.clone().prop_map(Step::HandBack),
            1 => worker.prop_map(Step::Lose),
            2 => (1..6_u8).prop_map(Step::Duplicate),
            1 => Just(Step::Shuffle),
            4 => (1..20_000_u16).prop_map(Step::PassTime),
            1 => part().prop_map(Step::Miss),
            2 => part().prop_map(Step::Return),
            1 => Just(Step::LoseQueue),
            1 => Just(Step::Resume),
        ]
        .boxed()
    }

    fn preconditions(model: &Model, step: &Step) -> bool {
        match step {
            Step::Submit { .. } => model.jobs < 4,
            Step::Cancel(job) => *job < model.jobs,
            Step::Join(worker) => !model.alive.contains(worker),
            Step::Leave(worker, _)
            | Step::Receive(worker)
            | Step::Progress(worker, _)
            | Step::Complete(worker)
            | Step::Fail(worker, _)
            | Step::HandBack(worker)
            | Step::Lose(worker) => model.alive.contains(worker),
            Step::Duplicate(_)
            | Step::Shuffle
            | Step::PassTime(_)
            | Step::Miss(_)
            | Step::Return(_)
            | Step::LoseQueue
            | Step::Resume => true,
        }
    }

    fn apply(mut model: Model, step: &Step) -> Model {
        match step {
            Step::Submit { .. } => model.jobs += 1,
            Step::Cancel(job) => {
                model.cancelled.insert(*job);
            }
            Step::Join(worker) => {
                model.alive.insert(*worker);
            }
            Step::Leave(worker, _) => {
                model.alive.remove(worker);
            }
            _ => {}
        }
        model
    }
}

/// The scheduler and its environment.
struct World {
    scheduler: Scheduler,
    now: u64,
    queue: VecDeque<AttemptId>,
    running: [Option<AttemptId>; WORKERS as usize + 1],
    events: Vec<Event>,
    ended: Vec<(JobId, Phase)>,
    /// The workers that were told to leave.
    drained: BTreeSet<WorkerId>,
}

fn job(number: u8) -> JobId {
    JobId::from_parts(Timestamp::default(), u128::from(number))
}

fn name(worker: u8) -> WorkerId {
    WorkerId::from(format!("w{worker}"))
}

fn half() -> Progress {
    Progress { fraction: 0.5, ..Progress::default() }
}

impl World {
    /// Whether a worker was told to leave.
    fn is_drained(&self, worker: &WorkerId) -> bool {
        let pool = self.scheduler.pool();
        pool.workers.iter().any(|it| it.id == *worker && it.state == WorkerState::Lost)
            && self.drained.contains(worker)
    }

    fn handle(&mut self, event: Event) {
        self.now += 1;
        self.events.push(event.clone());
        let mut follow_ups = Vec::new();
        for command in self.scheduler.handle(Timestamp::from_millis(self.now), event) {
            match command {
                Command::PublishAttempt { attempt, .. } => self.queue.push_back(attempt),
                Command::StopAttempt { attempt, reason, .. } => self.stop(attempt, reason),
                Command::WriteResult { job, .. } => follow_ups.push(Event::ResultWritten { job }),
                Command::EndJob { job, phase, .. } => self.ended.push((job, phase)),
                Command::PlanJob { .. }
                | Command::ScaleWorkers { .. }
                | Command::RestWorker { .. }
                | Command::RetainWorker { .. } => {}
                Command::DrainWorker { worker } => {
                    self.drained.insert(worker);
                }
                // Told by itself, or noticed by the time.
                Command::ReleaseWorker { worker } => match self.events.last() {
                    Some(Event::WorkerLeft { worker: left, .. }) => assert_eq!(worker, *left),
                    last => assert!(self.is_drained(&worker), "{worker} after {last:?}"),
                },
            }
        }
        if let Err(broken) = self.scheduler.check() {
            panic!("{broken} after {:?}", self.events.last());
        }
        for event in follow_ups {
            self.handle(event);
        }
    }

    /// The worker that executes an attempt stops it without a report, as if the
    /// report were lost.
    fn stop(&mut self, attempt: AttemptId, _: StopReason) {
        for running in &mut self.running {
            if *running == Some(attempt) {
                *running = None;
            }
        }
    }

    fn receive(&mut self, worker: u8) {
        if self.running[usize::from(worker)].is_none()
            && let Some(attempt) = self.queue.pop_front()
        {
            self.running[usize::from(worker)] = Some(attempt);
            self.handle(Event::AttemptStarted { attempt, worker: name(worker) });
        }
    }

    fn hand_back(&mut self, worker: u8, reason: StopReason) {
        if let Some(attempt) = self.running[usize::from(worker)].take() {
            let worker = name(worker);
            self.handle(Event::AttemptStopped { attempt, worker, reason, progress: half() });
        }
    }

    fn complete(&mut self, worker: u8) {
        if let Some(attempt) = self.running[usize::from(worker)].take() {
            let progress = Progress { fraction: 1.0, ..Progress::default() };
            let outcome = Outcome { columns: 100, progress, ..Outcome::default() };
            self.handle(Event::AttemptCompleted { attempt, worker: name(worker), outcome });
        }
    }
}

struct Checked;

impl StateMachineTest for Checked {
    type SystemUnderTest = World;
    type Reference = Model;

    fn init_test(_: &Model) -> World {
        let settings = Settings {
            attempts_max: u32::MAX,
            deaths_max: u32::MAX,
            external_pool: true,
            // Its queue has one attempt in each message.
            bundle_ms: 0,
            ..Settings::default()
        };
        World {
            scheduler: Scheduler::new(settings),
            now: 0,
            queue: VecDeque::new(),
            drained: BTreeSet::new(),
            running: Default::default(),
            events: Vec::new(),
            ended: Vec::new(),
        }
    }

    fn apply(mut world: World, model: &Model, step: Step) -> World {
        match step {
            Step::Submit { objects, fan_in, workers } => {
                let job = job(model.jobs - 1);
                let workers = u32::from(workers);
                let terms = JobTerms { workers, ..JobTerms::default() };
                world.handle(Event::JobSubmitted { job, terms });
                let inputs = PlanInputs {
                    objects: u64::from(objects),
                    columns: Some(100),
                    columns_estimate: 100,
                    seekable: true,
                    ..PlanInputs::default()
                };
                let limits = PlanLimits { segment_columns: 32, ..PlanLimits::default() };
                let fan_in = FanIn::Fixed(u32::from(fan_in));
                let plan = plan(&inputs, fan_in, workers, &limits, &Costs::default());
                world.handle(Event::JobPlanned { job, plan });
            }
            Step::Cancel(number) => world.handle(Event::CancelRequested { job: job(number) }),
            Step::Join(worker) => {
                world.handle(Event::WorkerJoined {
                    worker: name(worker),
                    joined: Joined::default(),
                });
            }
            Step::Leave(worker, reports) => {
                world.running[usize::from(worker)] = None;
                if reports {
                    let reason = "told".to_owned();
                    world.handle(Event::WorkerLeft { worker: name(worker), reason });
                }
            }
            Step::Receive(worker) => world.receive(worker),
            Step::Progress(worker, fraction) => {
                if let Some(attempt) = world.running[usize::from(worker)] {
                    let progress = Progress { fraction, ..Progress::default() };
                    world.handle(Event::AttemptProgressed {
                        attempt,
                        worker: name(worker),
                        progress,
                    });
                }
            }
            Step::Complete(worker) => world.complete(worker),
            Step::Fail(worker, fault) => {
                if let Some(attempt) = world.running[usize::from(worker)].take() {
                    let problem = Problem::new(ProblemKind::Unavailable, "model");
                    world.handle(Event::AttemptFailed {
                        attempt,
                        worker: name(worker),
                        failure: Failure { problem, fault },
                        progress: half(),
                    });
                }
            }
            Step::HandBack(worker) => world.hand_back(worker, StopReason::WorkerLeaves),
            Step::Lose(worker) => {
                let lost = LostSegment { input: u32::from(worker), segment: u64::from(worker) };
                world.hand_back(worker, StopReason::SegmentLost(lost));
            }
            Step::Duplicate(count) => {
                let duplicates: Vec<Event> =
                    world.events.iter().rev().take(usize::from(count)).cloned().collect();
                for event in duplicates {
                    world.handle(event);
                }
            }
            Step::Shuffle => world.queue.make_contiguous().reverse(),
            Step::PassTime(ms) => {
                world.now += u64::from(ms);
                world.handle(Event::TimePassed);
            }
            Step::Miss(part) => {
                world.handle(Event::PartMissed { part, reason: "model".to_owned() });
            }
            Step::Return(part) => world.handle(Event::PartReturned { part }),
            Step::LoseQueue => {
                world.queue.clear();
                world.handle(Event::QueueLost);
            }
            Step::Resume => world.handle(Event::ServerResumed),
        }
        world
    }

    fn teardown(mut world: World, model: Model) {
        // One healthy worker, and enough time for every lease to expire.
        let healthy = WORKERS;
        world.running = Default::default();
        for part in Part::ALL {
            world.handle(Event::PartReturned { part });
        }
        world.handle(Event::WorkerJoined { worker: name(healthy), joined: Joined::default() });
        for _ in 0..10_000 {
            if world.ended.len() == usize::from(model.jobs) {
                break;
            }
            if world.queue.is_empty() {
                world.now += 1_000;
                world.handle(Event::WorkerSeen { worker: name(healthy), resident_bytes: 0 });
            }
            world.receive(healthy);
            world.complete(healthy);
        }
        let mut ended = world.ended.clone();
        ended.sort_by_key(|(job, _)| *job);
        let jobs: Vec<JobId> = ended.iter().map(|(job, _)| *job).collect();
        assert_eq!(jobs, (0..model.jobs).map(job).collect::<Vec<_>>(), "each ended once");
        for (number, (_, phase)) in (0..).zip(&ended) {
            let may_be_cancelled = model.cancelled.contains(&number);
            let is_right = *phase == Phase::Done || may_be_cancelled && *phase == Phase::Cancelled;
            assert!(is_right, "job {number} ended as {phase:?}");
        }
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 2_000, max_local_rejects: 1_000_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_job_ends_once_for_any_sequence_of_events(sequential 1..120 => Checked);
}
