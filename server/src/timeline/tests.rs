use protocol::detail::{AttemptSnapshot, AttemptState};
use protocol::timeline::{ATTEMPTS_LISTED, LANES_LISTED, TIME_CELLS, Timeline};
use protocol::{TaskId, Timestamp, WorkerId};
use scheduler::VisitedTask;

use super::{Frame, Span, timeline};

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn attempt(number: u32, worker: &str, started: u64, ended: u64) -> AttemptSnapshot {
    AttemptSnapshot {
        number,
        speculative: false,
        state: AttemptState::Completed,
        worker: Some(WorkerId::from(worker)),
        published_at: at(started.saturating_sub(1)),
        started_at: Some(at(started)),
        ended_at: Some(at(ended)),
        fraction: 1.0,
        segments_written: 1,
        segments_reused: 0,
        read_bytes: 1_000,
        written_bytes: 10,
        resident_bytes: 0,
        phases: None,
        left_ms: None,
        reason: None,
    }
}

/// The timeline of leaf tasks with these attempts, in a job from 0 to `end`.
fn told(tasks: &[Vec<AttemptSnapshot>], end: u64, shown: (u64, u64)) -> Timeline {
    let job = Span { start: at(0), end: at(end) };
    let shown = Span { start: at(shown.0), end: at(shown.1) };
    let frame = Frame {
        job,
        shown,
        is_over: true,
        known_from: None,
        memory_bound_bytes: None,
        attempts_listed: ATTEMPTS_LISTED,
    };
    timeline(frame, |visit| {
        for (index, attempts) in (0..).zip(tasks) {
            let id = TaskId { level: 0, node: index, range: 0 };
            let mut attempts = attempts.clone();
            let of_tasks = tasks.len() as u64;
            visit(VisitedTask { id, index: index.into(), of_tasks, attempts: &mut attempts });
        }
    })
}

fn names(timeline: &Timeline) -> Vec<&str> {
    let workers = timeline.lanes.iter().map(|lane| lane.worker.as_ref());
    workers.map(|worker| worker.map_or("", WorkerId::as_str)).collect()
}

#[test]
fn every_attempt_is_in_the_lane_of_its_worker() {
    let mut waits = attempt(1, "w", 900, 950);
    waits = AttemptSnapshot {
        worker: None,
        started_at: None,
        ended_at: None,
        state: AttemptState::Published,
        ..waits
    };
    let tasks = [
        vec![attempt(1, "w-10", 100, 300)],
        vec![attempt(1, "w-2", 100, 200)],
        vec![attempt(1, "w-2", 200, 300)],
        vec![waits],
    ];
    let told = told(&tasks, 1_000, (0, 1_000));
    assert_eq!(names(&told), ["w-2", "w-10", ""]);
    let counted: Vec<_> = told.lanes.iter().map(|it| (it.total, it.busy_ms)).collect();
    assert_eq!(counted, [(2, 200), (1, 200), (1, 0)]);
    assert!(!told.is_shortened());
    let listed = told.lanes.iter().flat_map(|lane| &lane.attempts);
    assert_eq!(listed.count() as u64, told.attempts);
    // Half of the time nobody worked, and an attempt waits at the end.
    let busy: f64 = told.moments.iter().map(|moment| moment.running).sum::<f64>() / 120.0;
    assert!((busy - 0.4).abs() < 1e-9, "{busy}");
    let bytes: f64 = told.moments.iter().map(|moment| moment.bytes_per_sec).sum::<f64>() / 120.0;
    assert!((bytes - 3_000.0).abs() < 30.0, "{bytes}");
    assert!(told.moments.last().unwrap().queued > 0.9);
}

#[test]
fn the_memory_of_a_moment_is_that_of_the_largest_worker() {
    let holds =
        |megabytes: u64, it| AttemptSnapshot { resident_bytes: megabytes * 1_000_000, ..it };
    let tasks = [
        vec![holds(30, attempt(1, "a", 0, 600))],
        vec![holds(50, attempt(1, "b", 300, 400))],
        vec![holds(0, attempt(1, "c", 0, 1_000))],
    ];
    let told = told(&tasks, 1_200, (0, 1_200));
    let megabytes = |ms: usize| told.moments[ms / 10].memory_bytes / 1_000_000;
    assert_eq!([0, 295, 350, 500, 700, 1_100].map(megabytes), [30, 30, 50, 30, 0, 0]);
}

#[test]
fn a_straggler_whose_task_was_rescued_is_told_with_the_figures_of_the_records() {
    let straggler = AttemptSnapshot {
        state: AttemptState::Superseded,
        left_ms: Some(4_000),
        ..attempt(1, "slow", 0, 4_000)
    };
    let rescuer = AttemptSnapshot { speculative: true, ..attempt(2, "fast", 3_000, 4_000) };
    let others = (0..4).map(|task| vec![attempt(1, "fast", task * 700, task * 700 + 500)]);
    let tasks: Vec<_> = others.chain([vec![straggler, rescuer]]).collect();
    let told = told(&tasks, 5_000, (0, 5_000));
    let [rescue] = &told.rescues[..] else { panic!("{:?}", told.rescues) };
    assert_eq!((rescue.straggler.as_str(), rescue.rescuer.as_str()), ("slow", "fast"));
    assert_eq!((rescue.times_slower, rescue.saved_ms), (Some(16.0), Some(4_000)));
    assert_eq!((told.levels[0].tasks, told.levels[0].median_ms), (4, 500));
    assert_eq!((told.slowest[0].took_ms, told.slowest[0].attempts), (4_000, 2));
    let fast = &told.lanes[0].attempts.last().unwrap();
    assert_eq!((fast.attempt.number, fast.beside), (2, Some(1)));
    assert_eq!(told.lanes[1].attempts[0].beside, None);
    assert_eq!(told.levels[0].cells[4], Some(4_000));
}

#[test]
fn a_speculative_attempt_that_came_second_rescued_nothing() {
    let first = attempt(1, "slow", 0, 4_000);
    let second = AttemptSnapshot {
        speculative: true,
        state: AttemptState::Superseded,
        ..attempt(2, "fast", 3_000, 4_000)
    };
    let told = told(&[vec![first, second]], 5_000, (0, 5_000));
    assert_eq!(told.rescues, []);
}

#[test]
fn of_very_many_attempts_those_that_matter_are_listed_and_of_all_the_busy_share() {
    let mut tasks: Vec<_> = (0..60_000_u64)
        .map(|task| vec![attempt(1, &format!("w-{}", task % 100), task + 1, task + 101)])
        .collect();
    let lost = AttemptSnapshot { state: AttemptState::Lost, ..attempt(1, "w-99", 10, 20) };
    tasks[17] = vec![lost, attempt(2, "w-98", 30, 40)];
    let told = told(&tasks, 60_101, (0, 60_101));
    assert_eq!(told.attempts, 60_001);
    assert_eq!((told.lanes.len(), told.lanes_left_out), (LANES_LISTED, 36));
    assert!(told.is_shortened());
    let listed: Vec<_> = told.lanes.iter().flat_map(|lane| &lane.attempts).collect();
    assert_eq!(listed.len(), 2, "those of the task with two");
    let w_98 = told.lanes.iter().find(|it| it.worker == Some(WorkerId::from("w-98")));
    assert!(w_98.unwrap().busy[120] > 990, "it was always busy");
    assert_eq!(told.levels[0].cells.len() as u64, TIME_CELLS);
    assert!(told.levels[0].cells.iter().all(Option::is_some));
    let bytes = serde_json::to_vec(&told).unwrap().len();
    assert!(bytes < 150_000, "{bytes} bytes");
}

#[test]
fn a_span_tells_only_its_own_attempts() {
    let tasks: Vec<_> =
        (0..10_u64).map(|task| vec![attempt(1, "w", task * 100 + 1, task * 100 + 99)]).collect();
    let told = told(&tasks, 1_000, (250, 449));
    let nodes: Vec<u32> = told.lanes[0].attempts.iter().map(|it| it.task.node).collect();
    assert_eq!(nodes, [2, 3, 4]);
    assert_eq!(told.lanes[0].busy_ms, 49 + 98 + 48);
    assert_eq!(told.levels[0].tasks, 10, "of the whole job");
}

#[test]
fn a_job_without_attempts_or_time_has_a_timeline() {
    let told = told(&[], 0, (0, 0));
    assert_eq!((told.attempts, told.lanes.len(), told.moments.len()), (0, 0, 1));
}
