//! What readers of the board get.

use protocol::live::LiveEvent;
use protocol::result::ResultSummary;
use protocol::states::DrawnState;
use protocol::{Inputs, JobRequest, Timestamp};

use super::*;

fn job(number: u64, phase: Phase) -> JobSnapshot {
    let id = JobId::from_parts(Timestamp::from_millis(number), 0);
    let request = JobRequest::new(Inputs::Prefix("a/".to_owned()));
    let submitted = JobSnapshot::submitted(id, request, 1, Timestamp::default());
    JobSnapshot { phase, ..submitted }
}

fn pool(desired: u32) -> PoolSnapshot {
    PoolSnapshot { desired, ..PoolSnapshot::default() }
}

/// What a stream of everything is told.
fn since(board: &Board, position: Option<Position>) -> (Position, Vec<LiveEvent>) {
    let (here, changes) = board.since(position);
    (here, changes.iter().map(|change| change.event(board)).collect())
}

/// What a stream of one job is told.
fn job_since(
    board: &Board,
    id: JobId,
    position: Option<Position>,
    with_tasks: bool,
) -> (Position, Vec<LiveEvent>) {
    let (here, changes) = board.job_since(id, position, with_tasks);
    (here, changes.iter().map(|change| change.event(board)).collect())
}

#[test]
fn a_reader_that_is_behind_gets_the_latest_state_only() {
    let board = Board::new(1, 1000);
    let (start, _) = since(&board, None);
    board.publish(vec![job(1, Phase::Listing)], None);
    board.publish(vec![job(1, Phase::Running), job(2, Phase::Listing)], None);
    let (position, events) = since(&board, Some(start));
    assert_eq!(
        events,
        [
            LiveEvent::Job(Box::new(job(1, Phase::Running))),
            LiveEvent::Job(Box::new(job(2, Phase::Listing)))
        ]
    );
    assert_eq!(since(&board, Some(position)).1, []);
}

#[test]
fn a_position_of_an_earlier_life_begins_anew() {
    let (position, _) = since(&Board::new(1, 1000), None);
    let events = since(&Board::new(2, 1000), Some(position)).1;
    assert!(matches!(events[..], [LiveEvent::Snapshot(_)]));
}

#[test]
fn a_reader_too_far_behind_to_hear_of_all_deletions_begins_anew() {
    let board = Board::new(1, 1000);
    board.publish((0..300).map(|n| job(n, Phase::Done)).collect(), None);
    let (position, _) = since(&board, None);
    for number in 0..2 {
        board.delete(job(number, Phase::Done).id);
    }
    let told = since(&board, Some(position)).1;
    assert_eq!(told.len(), 2);
    for number in 2..300 {
        board.delete(job(number, Phase::Done).id);
    }
    assert!(matches!(since(&board, Some(position)).1[..], [LiveEvent::Snapshot(_)]));
}

#[test]
fn pages_follow_one_another_from_new_to_old() {
    let board = Board::new(1, 1000);
    board.publish((0..5).map(|n| job(n, Phase::Done)).collect(), None);
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = board.jobs(cursor, 2);
        seen.extend(page.jobs.iter().map(|job| job.id));
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    let expected: Vec<JobId> = (0..5).rev().map(|n| job(n, Phase::Done).id).collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_reader_far_behind_is_told_in_batches_that_lack_nothing() {
    let board = Board::new(1, 1000);
    let (start, _) = since(&board, None);
    board.publish((0..300).map(|n| job(n, Phase::Done)).collect(), None);
    board.delete(job(7, Phase::Done).id);
    board.publish((300..400).map(|n| job(n, Phase::Done)).collect(), Some(pool(3)));
    let (mut position, mut told) = (start, Vec::new());
    while !board.is_latest(position) {
        let (here, events) = since(&board, Some(position));
        assert!((1..=EVENTS_AT_ONCE + 2).contains(&events.len()), "{}", events.len());
        assert_ne!(here, position);
        (position, told) = (here, [told, events].concat());
    }
    let jobs = told.iter().filter(|event| matches!(event, LiveEvent::Job(_))).count();
    assert_eq!((jobs, told.len()), (399, 401));
    assert!(told.contains(&LiveEvent::JobDeleted(job(7, Phase::Done).id)));
    assert!(told.contains(&LiveEvent::Workers(Box::new(pool(3)))));
}

#[test]
fn the_oldest_jobs_that_are_over_are_evicted_and_no_others() {
    let board = Board::new(1, 2);
    board.publish(vec![job(1, Phase::Running), job(2, Phase::Done)], None);
    assert_eq!(board.evicted(), None);
    let (position, _) = since(&board, None);
    board.publish((3..6).map(|n| job(n, Phase::Done)).collect(), None);
    let id = |number| job(number, Phase::Done).id;
    assert_eq!(board.evicted(), Some(id(3)));
    let there: Vec<bool> = (1..6).map(|n| board.job(id(n)).is_some()).collect();
    assert_eq!(there, [true, false, false, true, true]);
    let page = board.jobs(None, 10);
    assert_eq!(page.jobs.iter().map(|job| job.id).collect::<Vec<_>>(), [id(5), id(4)]);
    assert_eq!(board.jobs(Some(id(2)), 10).jobs, []);
    // A stream that has not heard of the end of job 3 begins anew …
    assert!(matches!(since(&board, Some(position)).1[..], [LiveEvent::Snapshot(_)]));
    // … and that of job 3 takes it from the store, unless it is deleted.
    assert_eq!(job_since(&board, id(3), Some(position), true).1, []);
    board.delete(id(3));
    let told = job_since(&board, id(3), Some(position), true).1;
    assert_eq!(told, [LiveEvent::JobDeleted(id(3))]);
}

#[test]
fn a_position_reads_back_what_it_prints() {
    let (position, _) = since(&Board::new(7, 1000), None);
    assert_eq!(Position::parse(&position.to_string()), Some(position));
}

const LEVELS: [u64; 3] = [501, 101, 1];

/// The states of a random tree after some random changes.
fn change(levels: &mut [LevelStates]) {
    for _ in 0..rand::random_range(0..20) {
        let level = rand::random_range(0..LEVELS.len());
        let index = rand::random_range(0..LEVELS[level]);
        let states = [DrawnState::Waiting, DrawnState::Running, DrawnState::Speculative];
        let state = states.get(rand::random_range(0..5_usize)).unwrap_or(&DrawnState::Complete);
        levels[level].set(index, *state);
    }
}

#[test]
fn every_reader_of_the_states_of_tasks_knows_them_at_its_version() {
    let board = Board::new(1, 1000);
    let running = job(1, Phase::Running);
    let mut levels: Vec<LevelStates> = LEVELS.map(LevelStates::waiting).into();
    // Readers that look seldom, and each with what it knows.
    let mut readers: Vec<(u32, Option<Position>, Option<TaskStates>)> =
        [1, 2, 7, 40, 400].map(|every| (every, None, None)).into();
    let (mut wholes, mut changes) = (0, 0);
    for round in 0..2_000_u32 {
        change(&mut levels);
        board.publish_drawn(vec![(running.clone(), levels.clone())], None);
        for (every, position, known) in &mut readers {
            if !round.is_multiple_of(*every) {
                continue;
            }
            let (here, events) = job_since(&board, running.id, *position, true);
            let [LiveEvent::Tasks(change), LiveEvent::Job(_)] = &events[..] else {
                // Nothing has changed but the version of the job.
                assert!(matches!(events[..], [LiveEvent::Job(_)]), "{events:?}");
                continue;
            };
            *(if change.since.is_none() { &mut wholes } else { &mut changes }) += 1;
            assert!(change.as_ref().clone().apply(known), "nothing was missed");
            // A cut stream repeats what came after the last event with an id.
            if !rand::random_ratio(1, 3) {
                *position = Some(here);
            }
            let known = known.as_ref().unwrap();
            assert_eq!(known.levels, levels, "round {round}");
            let (_, drawn) = board.job_with_tasks(running.id).unwrap();
            assert_eq!(drawn.as_ref(), Some(known));
        }
    }
    assert!(wholes > readers.len() && changes > 2_000, "{wholes} wholes, {changes} changes");
}

#[test]
fn the_states_of_tasks_are_told_only_on_demand_and_not_of_a_job_that_is_done() {
    let board = Board::new(1, 1000);
    let levels = vec![LevelStates::waiting(5)];
    board.publish_drawn(vec![(job(1, Phase::Running), levels.clone())], None);
    let id = job(1, Phase::Running).id;
    assert!(matches!(job_since(&board, id, None, false).1[..], [LiveEvent::Job(_)]));
    assert!(matches!(job_since(&board, id, None, true).1[..], [LiveEvent::Tasks(_), _]));
    board.publish_drawn(vec![(job(1, Phase::Failed), levels.clone())], None);
    let states = || board.job_with_tasks(id).unwrap().1;
    assert!(states().is_some(), "what was complete is still shown");
    board.forget_tasks(id);
    assert_eq!(states(), None);
    board.publish_drawn(vec![(job(1, Phase::Done), levels)], None);
    assert_eq!(states(), None);
}

#[test]
fn a_text_is_made_once_for_all_streams_and_again_for_another_version() {
    let board = Board::new(1, 1000);
    board.publish(vec![job(1, Phase::Running)], Some(pool(3)));
    let id = job(1, Phase::Running).id;
    let json = board.job_json(id).unwrap();
    let shown: JobSnapshot = serde_json::from_slice(&json).unwrap();
    assert_eq!(shown, *board.job(id).unwrap());
    assert_eq!(json.as_ptr(), board.job_json(id).unwrap().as_ptr(), "the same text");
    // It is that of the job's stream, and not that of lists.
    let [change] = &board.job_since(id, None, false).1[..] else { panic!("one change") };
    let text = board.text(change);
    assert_eq!(text.json().as_ptr(), json.as_ptr());
    assert_eq!(text.whole(), [b"event: job\ndata: ", &json[..], b"\n\n"].concat());
    board.publish(
        vec![JobSnapshot { result: Some(ResultSummary::default()), ..job(1, Phase::Done) }],
        None,
    );
    let done = board.job_json(id).unwrap();
    let shown: JobSnapshot = serde_json::from_slice(&done).unwrap();
    assert_eq!((shown.phase, shown.result.is_some()), (Phase::Done, true));
    let (start, _) = Board::new(1, 1000).since(None);
    let (_, changes) = board.since(Some(start));
    let [listed, told] = &changes[..] else { panic!("{changes:?}") };
    let listed: JobSnapshot = serde_json::from_slice(&board.text(listed).json()).unwrap();
    assert_eq!((listed.phase, listed.result), (Phase::Done, None));
    assert_eq!(board.text(told).json(), serde_json::to_vec(&pool(3)).unwrap());
    let (_, all) = board.since(None);
    let [first, again] = [0, 0].map(|_| board.text(&all[0]).whole());
    assert_eq!(first.as_ptr(), again.as_ptr());
    assert_eq!(board.job_json(job(2, Phase::Done).id), None);
}

#[test]
fn the_texts_that_are_kept_are_bounded() {
    let board = Board::new(1, 10_000);
    let long = |number| {
        let mut long = job(number, Phase::Done);
        long.request.name = Some("x".repeat(100_000));
        long
    };
    board.publish((0..300).map(long).collect(), None);
    let first = board.job_json(long(0).id).unwrap();
    assert!(first.len() > 100_000 && !first.is_unique(), "it is kept");
    (1..300).for_each(|number| drop(board.job_json(long(number).id)));
    assert!(first.is_unique(), "nobody else keeps it any more");
}
