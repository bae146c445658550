//! The scheduler against a model that knows only workers, jobs and time.
//!
//! Transitions are what the world can do; the model says which of them are
//! possible. After each, every invariant of the scheduler holds. At the end the
//! world behaves, and every job that nobody cancelled is done.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeSet, VecDeque};

use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use protocol::problem::ProblemKind;
use protocol::request::Speculation;
use protocol::task::{Failure, Joined, Outcome, Progress, StopReason};
use protocol::{AttemptId, FanIn, JobId, Phase, Problem, Timestamp, WorkerId};
use scheduler::plan::{Costs, PlanInputs, PlanLimits, plan};
use scheduler::{Command, Event, JobTerms, Scheduler, Settings};

/// Workers of the model, by number.
const WORKERS: u8 = 5;

/// What the model knows.
#[derive(Clone, Debug, Default)]
struct Known {
    jobs: u8,
    cancelled: BTreeSet<u8>,
    alive: BTreeSet<u8>,
}

/// What the world can do.
#[derive(Clone, Debug)]
enum Step {
    Submit {
        objects: u8,
        fan_in: u8,
        workers: u8,
    },
    Cancel(u8),
    Join(u8),
    /// A worker goes, with or without a word.
    Go(u8, bool),
    /// A worker takes what lies first in the queue.
    Take(u8),
    Progress(u8, f64),
    Complete(u8),
    Fail(u8),
    HandBack(u8),
    /// The last so many events come once more, in reverse.
    Again(u8),
    /// What lies in the queue comes in another order.
    Shuffle,
    Pass(u16),
}

impl ReferenceStateMachine for Known {
    type State = Known;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Known> {
        Just(Known::default()).boxed()
    }

    fn transitions(_: &Known) -> BoxedStrategy<Step> {
        let worker = 0..WORKERS;
        prop_oneof![
            1 => (1..30_u8, 2..6_u8, 1..5_u8)
                .prop_map(|(objects, fan_in, workers)| Step::Submit { objects, fan_in, workers }),
            1 => (0..4_u8).prop_map(Step::Cancel),
            4 => worker.clone().prop_map(Step::Join),
            1 => (worker.clone(), any::<bool>()).prop_map(|(worker, says)| Step::Go(worker, says)),
            12 => worker.clone().prop_map(Step::Take),
            4 => (worker.clone(), 0.0..1.0).prop_map(|(worker, part)| Step::Progress(worker, part)),
            10 => worker.clone().prop_map(Step::Complete),
            2 => worker.clone().prop_map(Step::Fail),
            1 => worker.prop_map(Step::HandBack),
            2 => (1..6_u8).prop_map(Step::Again),
            1 => Just(Step::Shuffle),
            4 => (1..20_000_u16).prop_map(Step::Pass),
        ]
        .boxed()
    }

    fn preconditions(known: &Known, step: &Step) -> bool {
        match step {
            Step::Submit { .. } => known.jobs < 4,
            Step::Cancel(job) => *job < known.jobs,
            Step::Join(worker) => !known.alive.contains(worker),
            Step::Go(worker, _)
            | Step::Take(worker)
            | Step::Progress(worker, _)
            | Step::Complete(worker)
            | Step::Fail(worker)
            | Step::HandBack(worker) => known.alive.contains(worker),
            Step::Again(_) | Step::Shuffle | Step::Pass(_) => true,
        }
    }

    fn apply(mut known: Known, step: &Step) -> Known {
        match step {
            Step::Submit { .. } => known.jobs += 1,
            Step::Cancel(job) => {
                known.cancelled.insert(*job);
            }
            Step::Join(worker) => {
                known.alive.insert(*worker);
            }
            Step::Go(worker, _) => {
                known.alive.remove(worker);
            }
            _ => {}
        }
        known
    }
}

/// The scheduler, and the world that the steps happen in.
struct World {
    scheduler: Scheduler,
    now: u64,
    queue: VecDeque<AttemptId>,
    has: [Option<AttemptId>; WORKERS as usize + 1],
    events: Vec<Event>,
    ended: Vec<(JobId, Phase)>,
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
    fn hear(&mut self, event: Event) {
        self.now += 1;
        self.events.push(event.clone());
        let mut answers = Vec::new();
        for command in self.scheduler.handle(Timestamp::from_millis(self.now), event) {
            match command {
                Command::PublishAttempt { attempt, .. } => self.queue.push_back(attempt),
                Command::StopAttempt { attempt, reason } => self.stop(attempt, reason),
                Command::WriteResult { job, .. } => answers.push(Event::ResultWritten { job }),
                Command::EndJob { job, phase, .. } => self.ended.push((job, phase)),
                Command::PlanJob { .. }
                | Command::ScaleWorkers { .. }
                | Command::DrainWorker { .. } => {}
            }
        }
        if let Err(broken) = self.scheduler.check() {
            panic!("{broken} after {:?}", self.events.last());
        }
        for answer in answers {
            self.hear(answer);
        }
    }

    /// A worker that has an attempt drops it. Its word of that gets lost now
    /// and then, as it does when it dies.
    fn stop(&mut self, attempt: AttemptId, _: StopReason) {
        for has in &mut self.has {
            if *has == Some(attempt) {
                *has = None;
            }
        }
    }

    fn take(&mut self, worker: u8) {
        if self.has[usize::from(worker)].is_none()
            && let Some(attempt) = self.queue.pop_front()
        {
            self.has[usize::from(worker)] = Some(attempt);
            self.hear(Event::AttemptStarted { attempt, worker: name(worker) });
        }
    }

    fn complete(&mut self, worker: u8) {
        if let Some(attempt) = self.has[usize::from(worker)].take() {
            let progress = Progress { fraction: 1.0, ..Progress::default() };
            let outcome = Outcome { columns: 100, progress, ..Outcome::default() };
            self.hear(Event::AttemptCompleted { attempt, worker: name(worker), outcome });
        }
    }
}

struct Checked;

impl StateMachineTest for Checked {
    type SystemUnderTest = World;
    type Reference = Known;

    fn init_test(_: &Known) -> World {
        let settings =
            Settings { attempts_max: u32::MAX, external_pool: true, ..Settings::default() };
        World {
            scheduler: Scheduler::new(settings),
            now: 0,
            queue: VecDeque::new(),
            has: Default::default(),
            events: Vec::new(),
            ended: Vec::new(),
        }
    }

    fn apply(mut world: World, known: &Known, step: Step) -> World {
        match step {
            Step::Submit { objects, fan_in, workers } => {
                let job = job(known.jobs - 1);
                let workers = u32::from(workers);
                let terms = JobTerms { workers, speculation: Speculation::default() };
                world.hear(Event::JobSubmitted { job, terms });
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
                world.hear(Event::JobPlanned { job, plan });
            }
            Step::Cancel(number) => world.hear(Event::CancelRequested { job: job(number) }),
            Step::Join(worker) => {
                world.hear(Event::WorkerJoined { worker: name(worker), joined: Joined::default() });
            }
            Step::Go(worker, says) => {
                world.has[usize::from(worker)] = None;
                if says {
                    let reason = "told".to_owned();
                    world.hear(Event::WorkerLeft { worker: name(worker), reason });
                }
            }
            Step::Take(worker) => world.take(worker),
            Step::Progress(worker, fraction) => {
                if let Some(attempt) = world.has[usize::from(worker)] {
                    let progress = Progress { fraction, ..Progress::default() };
                    world.hear(Event::AttemptProgressed {
                        attempt,
                        worker: name(worker),
                        progress,
                    });
                }
            }
            Step::Complete(worker) => world.complete(worker),
            Step::Fail(worker) => {
                if let Some(attempt) = world.has[usize::from(worker)].take() {
                    let problem = Problem::new(ProblemKind::Unavailable, "model");
                    world.hear(Event::AttemptFailed {
                        attempt,
                        worker: name(worker),
                        failure: Failure { problem, retryable: true },
                        progress: half(),
                    });
                }
            }
            Step::HandBack(worker) => {
                if let Some(attempt) = world.has[usize::from(worker)].take() {
                    world.hear(Event::AttemptStopped {
                        attempt,
                        worker: name(worker),
                        reason: StopReason::WorkerLeaves,
                        progress: half(),
                    });
                }
            }
            Step::Again(count) => {
                let again: Vec<Event> =
                    world.events.iter().rev().take(usize::from(count)).cloned().collect();
                for event in again {
                    world.hear(event);
                }
            }
            Step::Shuffle => world.queue.make_contiguous().reverse(),
            Step::Pass(ms) => {
                world.now += u64::from(ms);
                world.hear(Event::TimePassed);
            }
        }
        world
    }

    fn teardown(mut world: World, known: Known) {
        // One good worker, and time for every lease to run out.
        let good = WORKERS;
        world.has = Default::default();
        world.hear(Event::WorkerJoined { worker: name(good), joined: Joined::default() });
        for _ in 0..10_000 {
            if world.ended.len() == usize::from(known.jobs) {
                break;
            }
            if world.queue.is_empty() {
                world.now += 1_000;
                world.hear(Event::WorkerSeen { worker: name(good), resident_bytes: 0 });
            }
            world.take(good);
            world.complete(good);
        }
        let mut ended = world.ended.clone();
        ended.sort_by_key(|(job, _)| *job);
        let jobs: Vec<JobId> = ended.iter().map(|(job, _)| *job).collect();
        assert_eq!(jobs, (0..known.jobs).map(job).collect::<Vec<_>>(), "each ended once");
        for (number, (_, phase)) in (0..).zip(&ended) {
            let may_be_cancelled = known.cancelled.contains(&number);
            let is_right = *phase == Phase::Done || may_be_cancelled && *phase == Phase::Cancelled;
            assert!(is_right, "job {number} ended as {phase:?}");
        }
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 2_000, max_local_rejects: 1_000_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_world_does_every_job_ends_once(sequential 1..120 => Checked);
}
