//! The data of the examples, which never changes.

use protocol::job::{AttemptCounts, ByteCounts, InputSummary, LevelProgress, Timings};
use protocol::plan::{Estimate, PlanLevel};
use protocol::problem::ProblemKind;
use protocol::request::{Generate, GeneratedFormat};
use protocol::states::{DrawnState, LevelStates, TaskStates};
use protocol::worker::{PoolSnapshot, RunningAttempt, WorkerSnapshot, WorkerState};
use protocol::{
    AttemptId, Inputs, JobId, JobRequest, JobSnapshot, Phase, Plan, Problem, TaskId, Timestamp,
    WorkerId,
};

/// When the examples are: 2026-01-02, 03:04:05 UTC.
pub const AT: Timestamp = Timestamp::from_millis(1_767_323_045_000);

/// The tasks of the levels of the example.
const TASKS: [u32; 3] = [10, 4, 1];

/// A job in a phase, a minute after it was submitted.
#[must_use]
pub fn job(phase: Phase) -> JobSnapshot {
    let at = |seconds: u64| Timestamp::from_millis(AT.as_millis() - 60_000 + seconds * 1000);
    let data = Generate { files: 30, count: 4_096, format: GeneratedFormat::Csv, seed: 1 };
    let mut request = JobRequest::new(Inputs::Generate(data));
    request.name = Some(format!("A job that is {}", phase.word()));
    let id = JobId::from_parts(at(0), phase as u128);
    let job = JobSnapshot::submitted(id, request, 3, at(0));
    let is_planned = !matches!(phase, Phase::Listing | Phase::Planning);
    let done = |tasks: u64| match phase {
        Phase::Finishing | Phase::Done => tasks,
        _ => tasks / 2,
    };
    let level = |tasks: &u32| {
        let (tasks, is_running) = (u64::from(*tasks), phase == Phase::Running);
        LevelProgress {
            tasks,
            completed: done(tasks),
            running: u64::from(is_running),
            mean_ms: 700,
            ..LevelProgress::default()
        }
    };
    JobSnapshot {
        phase,
        timings: Timings {
            planning_at: Some(at(2)),
            running_at: is_planned.then(|| at(3)),
            finishing_at: matches!(phase, Phase::Finishing | Phase::Done).then(|| at(50)),
            ended_at: phase.is_over().then(|| at(55)),
            ..job.timings
        },
        inputs: InputSummary {
            objects: Some(30),
            bytes: Some(2_345_678),
            columns: Some(4_096),
            format: Some("text".to_owned()),
            ..InputSummary::default()
        },
        plan: is_planned.then(plan),
        progress: if is_planned { TASKS.iter().map(level).collect() } else { Vec::new() },
        attempts: AttemptCounts {
            started: 17,
            completed: 14,
            running: 1,
            superseded: 1,
            lost: 1,
            speculative: 1,
            speculative_won: 1,
            speculative_ms: 700,
            saved_ms: 4_600,
            ..AttemptCounts::default()
        },
        bytes: ByteCounts { input_read: 2_000_000, written: 300_000, ..ByteCounts::default() },
        overall: if phase == Phase::Done { 1.0 } else { 0.5 },
        bytes_per_sec: if phase == Phase::Running { 123_456.0 } else { 0.0 },
        remaining_ms: (phase == Phase::Running).then_some(12_000),
        remaining_least_ms: (phase == Phase::Running).then_some(12_000),
        remaining_most_ms: (phase == Phase::Running).then_some(18_000),
        error: (phase == Phase::Failed).then(problem),
        ..job
    }
}

fn plan() -> Plan {
    let level = |nodes: &u32| PlanLevel { nodes: *nodes, ranges: 1, range_segments: 4, fan_in: 3 };
    Plan {
        objects: 30,
        columns: Some(4_096),
        fan_in: 3,
        segment_columns: 1_024,
        partial_column_bytes: 16,
        levels: TASKS.iter().map(level).collect(),
        estimate: Estimate {
            input_bytes: 2_345_678,
            partial_read_bytes: 100_000,
            written_bytes: 300_000,
            worker_memory_bytes: 7_600_000,
            duration_ms: Some(7_000),
            learned_factor: Some(1.5),
        },
    }
}

/// The states of the tasks of the example: the first half is complete, the next one is in a
/// state, and the others wait.
#[must_use]
pub fn states(state: DrawnState) -> TaskStates {
    let level = |tasks: &u32| {
        let tasks = u64::from(*tasks);
        let mut states = LevelStates::waiting(tasks);
        (0..tasks / 2).for_each(|task| states.set(task, DrawnState::Complete));
        states.set(tasks / 2, state);
        states
    };
    TaskStates { version: 1, levels: TASKS.iter().map(level).collect() }
}

/// A worker in a state.
#[must_use]
pub fn worker(state: WorkerState) -> WorkerSnapshot {
    let id = AttemptId {
        job: job(Phase::Running).id,
        task: TaskId { level: 0, node: 5, range: 0 },
        number: 2,
    };
    let attempt = (state == WorkerState::Busy).then_some(RunningAttempt {
        id,
        speculative: true,
        started_at: AT,
        fraction: 0.4,
    });
    WorkerSnapshot {
        id: WorkerId::from(format!("worker-{}", state.word())),
        state,
        node: Some("node-a".to_owned()),
        attempt,
        completed: 12,
        resident_bytes: 64_000_000,
        bytes_per_sec: if state == WorkerState::Busy { 1_234_567.0 } else { 0.0 },
        faults: (state == WorkerState::Busy).then(|| "8× slower on purpose".to_owned()),
        reason: (state == WorkerState::Aside).then(|| "three attempts failed".to_owned()),
        instance: None,
    }
}

/// A pool with these workers.
#[must_use]
pub fn pool(workers: Vec<WorkerSnapshot>) -> PoolSnapshot {
    PoolSnapshot {
        kind: "embedded".to_owned(),
        desired: 6,
        ready: 4,
        busy: 1,
        max_workers: 32,
        backlog: 3,
        workers,
        notice: Some("the queue does not answer".to_owned()),
        ..PoolSnapshot::default()
    }
}

/// An error of an input.
#[must_use]
pub fn problem() -> Problem {
    Problem::new(ProblemKind::InvalidInput, "in/b.csv: line 7, position 3: found \"x\"")
        .object("in/b.csv")
        .remedy("write a number there")
}
