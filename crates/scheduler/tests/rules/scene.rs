//! A test driver for the scheduler: one method per event, commands as text.

use protocol::problem::ProblemKind;
use protocol::task::{
    Direction, Failure, Fault, Joined, LostSegment, Outcome, Progress, StopReason,
};
use protocol::worker::WorkerSnapshot;
use protocol::{
    AttemptId, JobId, Part, Phase, Plan, PlanLevel, Problem, TaskId, Timestamp, WorkerId,
};
use scheduler::{Command, Event, JobTerms, JobView, Scheduler, Settings};

/// Number of columns of an object.
const COLUMNS: u64 = 1_000;
/// Size of an object in bytes.
pub(crate) const OBJECT_BYTES: u64 = 8 * COLUMNS;
/// How many columns a segment of a scene has.
const SEGMENT_COLUMNS: u64 = COLUMNS / 8;
/// How many bytes a column of a partial sum takes: a sum, a least and a greatest number.
const PARTIAL_COLUMN_BYTES: u64 = 32;
/// How many bytes a segment of a scene takes.
pub(crate) const SEGMENT_BYTES: u64 = SEGMENT_COLUMNS * PARTIAL_COLUMN_BYTES;

/// A scheduler with a clock that advances by one millisecond per event.
pub(crate) struct Scene {
    pub(crate) scheduler: Scheduler,
    now: u64,
    /// All commands so far.
    all: Vec<String>,
    /// C in each command that published an attempt.
    columns: Vec<(String, Option<u64>)>,
}

/// The commands that one event gave.
pub(crate) struct Given {
    pub(crate) commands: Vec<String>,
}

impl Given {
    #[track_caller]
    pub(crate) fn gives<const N: usize>(&self, expected: [&str; N]) {
        assert_eq!(self.commands, expected);
    }

    #[track_caller]
    pub(crate) fn first(&self, expected: &str) {
        assert_eq!(self.commands.first().map(String::as_str), Some(expected));
    }
}

/// Terms with W and the default speculation.
pub(crate) fn terms(workers: u32) -> JobTerms {
    JobTerms { workers, ..JobTerms::default() }
}

/// The id of a numbered job.
pub(crate) fn job(number: u128) -> JobId {
    JobId::from_parts(Timestamp::default(), number)
}

/// Parses an attempt id of the form `job/level.node.range/number`.
fn attempt(text: &str) -> AttemptId {
    let (number, rest) = text.split_once('/').unwrap();
    format!("{}/{rest}", job(number.parse().unwrap())).parse().unwrap()
}

/// A plan of 1000 columns in 8 segments, given the nodes and ranges of each level.
fn plan(levels: &[(u32, u32)], columns: Option<u64>) -> Plan {
    let mut below = u64::from(levels[0].0) * 2;
    let levels = levels
        .iter()
        .map(|(nodes, ranges)| {
            let fan_in = u32::try_from(below.div_ceil(u64::from(*nodes))).unwrap();
            below = u64::from(*nodes);
            PlanLevel {
                nodes: *nodes,
                ranges: *ranges,
                range_segments: u64::from(8 / ranges),
                fan_in,
            }
        })
        .collect();
    let mut plan = Plan {
        objects: 0,
        columns,
        fan_in: 2,
        segment_columns: SEGMENT_COLUMNS,
        partial_column_bytes: PARTIAL_COLUMN_BYTES,
        levels,
        estimate: protocol::plan::Estimate::default(),
    };
    plan.objects = u64::from(plan.levels[0].nodes) * 2;
    plan.estimate.input_bytes = plan.objects * OBJECT_BYTES;
    plan
}

impl Scene {
    pub(crate) fn new(settings: Settings) -> Scene {
        Scene {
            scheduler: Scheduler::new(settings),
            now: 1_000_000,
            all: Vec::new(),
            columns: Vec::new(),
        }
    }

    fn handle(&mut self, event: Event) -> Given {
        self.now += 1;
        let commands = self.scheduler.handle(Timestamp::from_millis(self.now), event);
        for command in &commands {
            if let Command::PublishAttempt { attempt, columns, .. } = command {
                self.columns.push((short(attempt), *columns));
            }
        }
        self.scheduler.check().unwrap();
        let commands: Vec<String> = commands.iter().map(text).collect();
        self.all.extend(commands.iter().cloned());
        Given { commands }
    }

    /// Sets the time of the next event, in milliseconds after the last one.
    pub(crate) fn after_ms(&mut self, ms: u64) -> &mut Scene {
        self.now += ms - 1;
        self
    }

    /// Whether the next deadline is in the future, or there is none.
    pub(crate) fn is_next_deadline_in_future(&self) -> bool {
        let now = Timestamp::from_millis(self.now);
        self.scheduler.next_deadline().is_none_or(|next| next > now)
    }

    /// The time of the last event, in milliseconds.
    pub(crate) fn now_ms(&self) -> u64 {
        self.now
    }

    /// Lets time pass, deadline after deadline, until the scheduler gives commands.
    pub(crate) fn until_commands(&mut self) -> Given {
        loop {
            let next = self.scheduler.next_deadline().unwrap().as_millis();
            self.now = next.max(self.now + 1) - 1;
            let given = self.time_passes();
            if !given.commands.is_empty() {
                return given;
            }
        }
    }

    pub(crate) fn time_passes(&mut self) -> Given {
        self.handle(Event::TimePassed)
    }

    pub(crate) fn submit(&mut self, number: u128, terms: JobTerms) -> Given {
        self.handle(Event::JobSubmitted { job: job(number), terms })
    }

    pub(crate) fn planned(&mut self, number: u128, levels: &[(u32, u32)]) -> Given {
        self.handle(Event::JobPlanned { job: job(number), plan: plan(levels, Some(COLUMNS)) })
    }

    /// Plans a job to take so long.
    pub(crate) fn planned_for(
        &mut self,
        number: u128,
        levels: &[(u32, u32)],
        duration_ms: u64,
    ) -> Given {
        let mut plan = plan(levels, Some(COLUMNS));
        plan.estimate.duration_ms = Some(duration_ms);
        self.handle(Event::JobPlanned { job: job(number), plan })
    }

    /// Submits a job and plans it.
    pub(crate) fn runs(&mut self, number: u128, terms: JobTerms, levels: &[(u32, u32)]) {
        self.submit(number, terms);
        self.planned(number, levels);
    }

    /// Submits a job and plans it with C unknown.
    pub(crate) fn runs_text(&mut self, number: u128, terms: JobTerms, levels: &[(u32, u32)]) {
        self.submit(number, terms);
        self.handle(Event::JobPlanned { job: job(number), plan: plan(levels, None) });
    }

    pub(crate) fn restored(
        &mut self,
        number: u128,
        terms: JobTerms,
        levels: &[(u32, u32)],
        completed: &[&str],
    ) -> Given {
        let completed: Vec<TaskId> = completed.iter().map(|task| task.parse().unwrap()).collect();
        self.handle(Event::JobRestored {
            job: job(number),
            terms,
            plan: plan(levels, Some(COLUMNS)),
            columns: None,
            completed,
            earlier_attempts: 0,
        })
    }

    /// Submits a job again that has ended, and continues it.
    pub(crate) fn resumed(
        &mut self,
        number: u128,
        terms: JobTerms,
        levels: &[(u32, u32)],
        completed: &[&str],
    ) -> Given {
        let completed = completed.iter().map(|task| task.parse().unwrap()).collect();
        self.handle(Event::JobForgotten { job: job(number) });
        self.handle(Event::JobSubmitted { job: job(number), terms });
        self.handle(Event::JobResumed {
            job: job(number),
            plan: plan(levels, Some(COLUMNS)),
            columns: None,
            completed,
            earlier_attempts: 1000,
        })
    }

    /// Restores a job of which C is unknown.
    pub(crate) fn restored_text(
        &mut self,
        number: u128,
        terms: JobTerms,
        levels: &[(u32, u32)],
    ) -> Given {
        self.handle(Event::JobRestored {
            job: job(number),
            terms,
            plan: plan(levels, None),
            columns: None,
            completed: Vec::new(),
            earlier_attempts: 0,
        })
    }

    /// Tells that a segment of the total is damaged.
    pub(crate) fn total_damaged(&mut self, number: u128, segment: u64) -> Given {
        self.handle(Event::TotalDamaged { job: job(number), segment })
    }

    /// Tells that a segment of an input of a merge attempt is lost.
    pub(crate) fn loses(&mut self, id: &str, worker: &str, input: u32, segment: u64) -> Given {
        self.stopped(id, worker, StopReason::SegmentLost(LostSegment { input, segment }))
    }

    /// C in the command that published an attempt.
    #[track_caller]
    pub(crate) fn columns(&self, id: &str) -> Option<u64> {
        let found = self.columns.iter().find(|(attempt, _)| attempt == id);
        found.unwrap_or_else(|| panic!("{id} was not published: {:#?}", self.all)).1
    }

    pub(crate) fn written(&mut self, number: u128) -> Given {
        self.handle(Event::ResultWritten { job: job(number) })
    }

    pub(crate) fn cancel(&mut self, number: u128) -> Given {
        self.handle(Event::CancelRequested { job: job(number) })
    }

    pub(crate) fn forgotten(&mut self, number: u128) -> Given {
        self.handle(Event::JobForgotten { job: job(number) })
    }

    pub(crate) fn by_hand(&mut self, by_hand: Option<u32>) -> Given {
        self.handle(Event::DesiredWorkersSet { by_hand })
    }

    pub(crate) fn joins(&mut self, worker: &str) -> Given {
        self.handle(Event::WorkerJoined { worker: worker.into(), joined: Joined::default() })
    }

    pub(crate) fn joins_as(&mut self, worker: &str, incarnation: u32) -> Given {
        let joined = Joined { incarnation, ..Joined::default() };
        self.handle(Event::WorkerJoined { worker: WorkerId::from(worker), joined })
    }

    pub(crate) fn joins_on(&mut self, worker: &str, node: &str) -> Given {
        let joined = Joined { node: Some(node.to_owned()), ..Joined::default() };
        self.handle(Event::WorkerJoined { worker: worker.into(), joined })
    }

    pub(crate) fn seen(&mut self, worker: &str) -> Given {
        self.handle(Event::WorkerSeen { worker: worker.into(), resident_bytes: 0 })
    }

    pub(crate) fn leaves(&mut self, worker: &str) -> Given {
        let reason = "gone".to_owned();
        self.handle(Event::WorkerLeft { worker: worker.into(), reason })
    }

    pub(crate) fn started(&mut self, id: &str, worker: &str) -> Given {
        self.handle(Event::AttemptStarted { attempt: attempt(id), worker: worker.into() })
    }

    pub(crate) fn progressed(&mut self, id: &str, worker: &str, fraction: f64) -> Given {
        self.handle(Event::AttemptProgressed {
            attempt: attempt(id),
            worker: worker.into(),
            progress: Progress { fraction, ..Progress::default() },
        })
    }

    /// Reports the bytes that an attempt has read.
    pub(crate) fn reads(&mut self, id: &str, worker: &str, input_read_bytes: u64) -> Given {
        self.handle(Event::AttemptProgressed {
            attempt: attempt(id),
            worker: worker.into(),
            progress: Progress { input_read_bytes, ..Progress::default() },
        })
    }

    /// Tells how many segments an attempt has found.
    pub(crate) fn finds(&mut self, id: &str, worker: &str, segments_reused: u64) -> Given {
        self.handle(Event::AttemptProgressed {
            attempt: attempt(id),
            worker: worker.into(),
            progress: Progress { segments_reused, ..Progress::default() },
        })
    }

    pub(crate) fn completed(&mut self, id: &str, worker: &str) -> Given {
        self.completed_with(id, worker, COLUMNS)
    }

    pub(crate) fn completed_with(&mut self, id: &str, worker: &str, columns: u64) -> Given {
        let attempt = attempt(id);
        let outcome = Outcome {
            columns,
            columns_of: Some(format!("object of {}", attempt.task)),
            progress: Progress { fraction: 1.0, ..Progress::default() },
            ..Outcome::default()
        };
        self.handle(Event::AttemptCompleted { attempt, worker: worker.into(), outcome })
    }

    /// Starts and completes an attempt.
    pub(crate) fn does(&mut self, id: &str, worker: &str) -> Given {
        let mut commands = self.started(id, worker).commands;
        commands.extend(self.completed(id, worker).commands);
        Given { commands }
    }

    pub(crate) fn fails(&mut self, id: &str, worker: &str, retryable: bool) -> Given {
        let fault = if retryable { Fault::Program } else { Fault::Input };
        self.fails_by(id, worker, fault, ProblemKind::Internal)
    }

    /// Reports an error that something is to blame for.
    pub(crate) fn fails_by(
        &mut self,
        id: &str,
        worker: &str,
        fault: Fault,
        kind: ProblemKind,
    ) -> Given {
        self.handle(Event::AttemptFailed {
            attempt: attempt(id),
            worker: worker.into(),
            failure: Failure { problem: Problem::new(kind, "disk full"), fault },
            progress: Progress::default(),
        })
    }

    pub(crate) fn misses(&mut self, part: Part) -> Given {
        self.handle(Event::PartMissed { part, reason: "connection refused".to_owned() })
    }

    pub(crate) fn returns(&mut self, part: Part) -> Given {
        self.handle(Event::PartReturned { part })
    }

    pub(crate) fn queue_lost(&mut self) -> Given {
        self.handle(Event::QueueLost)
    }

    pub(crate) fn server_resumes(&mut self) -> Given {
        self.handle(Event::ServerResumed)
    }

    pub(crate) fn stopped(&mut self, id: &str, worker: &str, reason: StopReason) -> Given {
        self.handle(Event::AttemptStopped {
            attempt: attempt(id),
            worker: worker.into(),
            reason,
            progress: Progress::default(),
        })
    }

    pub(crate) fn view(&self, number: u128) -> JobView {
        self.scheduler.job(job(number)).unwrap()
    }

    pub(crate) fn phase(&self, number: u128) -> Phase {
        self.view(number).phase
    }

    pub(crate) fn worker(&self, name: &str) -> WorkerSnapshot {
        let id = WorkerId::from(name);
        self.scheduler.pool().workers.into_iter().find(|worker| worker.id == id).unwrap()
    }

    /// Whether an attempt was published.
    pub(crate) fn is_published(&self, id: &str) -> bool {
        let is_of = |line: &String| line.split(' ').nth(1) == Some(id);
        self.all.iter().any(|line| line.starts_with("publish ") && is_of(line))
    }

    /// The command that published an attempt.
    #[track_caller]
    pub(crate) fn published(&self, id: &str) -> String {
        let begin = format!("publish {id}");
        self.all
            .iter()
            .find(|line| line.starts_with(&begin))
            .cloned()
            .unwrap_or_else(|| panic!("{id} was not published: {:#?}", self.all))
    }
}

/// An attempt id of the form `job/level.node.range/number`.
fn short(attempt: &AttemptId) -> String {
    let number = u128::from_str_radix(&attempt.job.to_string()[20..], 32).unwrap_or(0);
    format!("{number}/{}/{}", attempt.task, attempt.number)
}

/// A command as text.
fn text(command: &Command) -> String {
    let of = |job: &JobId| u128::from_str_radix(&job.to_string()[20..], 32).unwrap_or(0);
    match command {
        Command::PlanJob { job } => format!("plan {}", of(job)),
        Command::PublishAttempt {
            attempt,
            speculative,
            direction,
            resume,
            not_on,
            not_on_node,
            carried,
            ..
        } => {
            let mut text = format!("publish {}", short(attempt));
            if *speculative {
                text += " speculative";
            }
            if *direction == Direction::Backward {
                text += " Backward";
            }
            if *resume {
                text += " resume";
            }
            if let Some(worker) = not_on {
                text += &format!(" not_on {worker}");
            }
            if let Some(node) = not_on_node {
                text += &format!(" not_on_node {node}");
            }
            if *carried {
                text += " carried";
            }
            text
        }
        Command::StopAttempt { attempt, reason, worker } => {
            let on = worker.as_ref().map_or_else(String::new, |worker| format!(" on {worker}"));
            format!("stop {} {reason:?}{on}", short(attempt))
        }
        Command::WriteResult { job, columns } => format!("write {} columns {columns}", of(job)),
        Command::EndJob { job, phase, problem } => match problem {
            Some(problem) => format!("end {} {}: {}", of(job), phase.word(), problem.detail),
            None => format!("end {} {}", of(job), phase.word()),
        },
        Command::ScaleWorkers { desired } => format!("scale {desired}"),
        Command::DrainWorker { worker } => format!("drain {worker}"),
        Command::ReleaseWorker { worker } => format!("release {worker}"),
        Command::RetainWorker { worker } => format!("retain {worker}"),
        Command::RestWorker { worker, rest_ms } => format!("rest {worker} {rest_ms}"),
    }
}
