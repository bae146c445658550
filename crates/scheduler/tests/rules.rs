//! Scenarios: a sequence of events, and the commands that each gives.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "rules/faults.rs"]
mod faults;
#[path = "rules/losses.rs"]
mod losses;
#[path = "rules/priorities.rs"]
mod priorities;
#[path = "rules/scene.rs"]
mod scene;

use protocol::request::Speculation;
use protocol::task::StopReason;
use protocol::{Phase, worker::WorkerState};
use scene::{OBJECT_BYTES, SEGMENT_BYTES, Scene, terms};
use scheduler::{JobTerms, Settings};

/// A scheduler without look-ahead and with an external pool.
fn scene() -> Scene {
    Scene::new(SETTINGS)
}

const SETTINGS: Settings =
    Settings { external_pool: true, look_ahead_ms: 0, bundle_ms: 0, ..Settings::DEFAULT };

fn without_speculation(workers: u32) -> JobTerms {
    let speculation = Speculation { enabled: false, ..Speculation::default() };
    JobTerms { workers, speculation, ..JobTerms::default() }
}

#[test]
fn a_job_is_planned_computed_written_and_ended() {
    let mut scene = scene();
    scene.submit(1, terms(2)).gives(["plan 1"]);
    scene.planned(1, &[(2, 1), (1, 1)]).gives([]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    scene.joins("b").gives(["publish 1/0.1.0/1"]);
    scene.started("1/0.0.0/1", "a").gives([]);
    scene.started("1/0.1.0/1", "b").gives([]);
    scene.completed("1/0.0.0/1", "a").gives([]);
    scene.completed("1/0.1.0/1", "b").gives(["publish 1/1.0.0/1"]);
    scene.started("1/1.0.0/1", "a").gives([]);
    scene.completed("1/1.0.0/1", "a").gives(["write 1 columns 1000"]);
    scene.written(1).gives(["end 1 done"]);
}

#[test]
fn a_merge_task_is_ready_when_its_inputs_are_complete_and_precedes_leaf_tasks() {
    let mut scene = scene();
    scene.runs(1, terms(1), &[(4, 1), (2, 1), (1, 1)]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    scene.does("1/0.0.0/1", "a").gives(["publish 1/0.1.0/1"]);
    scene.does("1/0.1.0/1", "a").gives(["publish 1/1.0.0/1"]);
    scene.does("1/1.0.0/1", "a").gives(["publish 1/0.2.0/1"]);
}

#[test]
fn a_range_waits_only_for_its_own_input_ranges() {
    let mut scene = scene();
    // Two nodes with two ranges and a root with four: each leaf range is the
    // input of two.
    scene.runs(1, terms(1), &[(2, 2), (1, 4)]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    scene.does("1/0.0.0/1", "a").gives(["publish 1/0.0.1/1"]);
    scene.does("1/0.0.1/1", "a").gives(["publish 1/0.1.0/1"]);
    scene.does("1/0.1.0/1", "a").gives(["publish 1/1.0.0/1"]);
    scene.does("1/1.0.0/1", "a").gives(["publish 1/1.0.1/1"]);
    scene.does("1/1.0.1/1", "a").gives(["publish 1/0.1.1/1"]);
    scene.does("1/0.1.1/1", "a").gives(["publish 1/1.0.2/1"]);
}

#[test]
fn a_job_has_at_most_w_attempts_in_flight() {
    let mut scene = scene();
    scene.runs(1, terms(2), &[(9, 1), (1, 1)]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    scene.joins("b").gives(["publish 1/0.1.0/1"]);
    scene.joins("c").gives([]);
    scene.does("1/0.0.0/1", "c").gives(["publish 1/0.2.0/1"]);
}

#[test]
fn no_more_attempts_are_published_than_workers_are_idle() {
    let mut scene = scene();
    scene.runs(1, terms(9), &[(9, 1), (1, 1)]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    scene.started("1/0.0.0/1", "a").gives([]);
    scene.seen("a").gives([]);
}

#[test]
fn a_worker_is_not_believed_what_it_was_not_told_to_do() {
    let mut scene = scene();
    scene.runs(1, terms(1), &[(2, 1), (1, 1)]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    for attempt in ["1/0.1.0/1", "1/1.0.0/1", "1/0.0.0/2", "1/0.0.0/0", "1/9.9.9/1", "2/0.0.0/1"] {
        scene.completed(attempt, "liar").gives([]);
        scene.fails(attempt, "liar", false).gives([]);
        assert_eq!(scene.view(1).attempts.completed, 0, "{attempt}");
        assert_eq!(scene.phase(1), Phase::Running, "{attempt}");
    }
    scene.does("1/0.0.0/1", "a").gives(["publish 1/0.1.0/1"]);
}

#[test]
fn no_count_of_bytes_overflows() {
    let mut scene = scene();
    scene.runs(1, terms(1), &[(2, 1), (1, 1)]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    scene.started("1/0.0.0/1", "a").gives([]);
    scene.reads("1/0.0.0/1", "a", u64::MAX);
    scene.finds("1/0.0.0/1", "a", u64::MAX);
    scene.completed("1/0.0.0/1", "a").gives(["publish 1/0.1.0/1"]);
    scene.started("1/0.1.0/1", "a");
    scene.reads("1/0.1.0/1", "a", u64::MAX);
    assert_eq!(scene.view(1).bytes.input_read, u64::MAX);
    assert_eq!(scene.view(1).bytes.reused, u64::MAX);
}

#[test]
fn a_pool_is_shared_in_proportion_to_w() {
    let mut scene = scene();
    scene.runs(1, terms(6), &[(99, 1), (1, 1)]);
    scene.runs(2, terms(3), &[(99, 1), (1, 1)]);
    let workers = ["a", "b", "c", "d", "e", "f"];
    let published: Vec<String> = workers.iter().flat_map(|w| scene.joins(w).commands).collect();
    let of = |job: &str| published.iter().filter(|line| line.starts_with(job)).count();
    assert_eq!((of("publish 1/"), of("publish 2/")), (4, 2), "{published:?}");
}

#[test]
fn a_small_job_does_not_wait_for_a_large_one() {
    let mut scene = scene();
    scene.runs(1, terms(100), &[(99, 1), (1, 1)]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    scene.joins("b").gives(["publish 1/0.1.0/1"]);
    scene.runs(2, terms(1), &[(1, 1)]);
    scene.does("1/0.0.0/1", "a").gives(["publish 2/0.0.0/1"]);
}

#[test]
fn the_older_of_equal_jobs_is_served_first() {
    let mut scene = scene();
    scene.runs(1, terms(2), &[(9, 1), (1, 1)]);
    scene.runs(2, terms(2), &[(9, 1), (1, 1)]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    scene.joins("b").gives(["publish 2/0.0.0/1"]);
    scene.joins("c").gives(["publish 1/0.1.0/1"]);
}

#[test]
fn the_number_of_running_jobs_is_limited() {
    let mut scene = Scene::new(Settings { running_jobs_max: 1, ..SETTINGS });
    scene.joins("a").gives([]);
    scene.runs(1, terms(1), &[(1, 1)]);
    scene.runs(2, terms(1), &[(1, 1)]);
    assert_eq!(scene.phase(2), Phase::Planning);
    scene.does("1/0.0.0/1", "a").gives(["write 1 columns 1000", "publish 2/0.0.0/1"]);
}

#[test]
fn short_tasks_are_published_ahead_and_withdrawn_when_the_pool_grows() {
    let mut scene = Scene::new(Settings { look_ahead_ms: 10, ..SETTINGS });
    scene.runs(1, terms(1), &[(9, 1), (1, 1)]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    // Tasks take a few milliseconds, so the next attempts are published ahead.
    scene.does("1/0.0.0/1", "a").gives([
        "publish 1/0.1.0/1",
        "publish 1/0.2.0/1",
        "publish 1/0.3.0/1",
        "publish 1/0.4.0/1",
        "publish 1/0.5.0/1",
    ]);
    // Another worker could start one, and W is 1.
    scene.joins("b").gives([
        "stop 1/0.5.0/1 LeaseLost",
        "stop 1/0.4.0/1 LeaseLost",
        "stop 1/0.3.0/1 LeaseLost",
        "stop 1/0.2.0/1 LeaseLost",
    ]);
}

#[test]
fn who_looks_ahead_leaves_the_next_idle_worker_to_another_job() {
    let mut scene = Scene::new(Settings { look_ahead_ms: 10, ..SETTINGS });
    scene.runs(1, terms(1), &[(99, 1), (1, 1)]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    scene.does("1/0.0.0/1", "a").first("publish 1/0.1.0/1");
    scene.runs(2, terms(1), &[(1, 1)]);
    for task in 1..5 {
        scene.does(&format!("1/0.{task}.0/1"), "a").gives([]);
    }
    scene.does("1/0.5.0/1", "a").first("publish 2/0.0.0/1");
}

#[test]
fn short_tasks_share_a_message_which_counts_as_one_attempt() {
    let mut scene = Scene::new(Settings { bundle_ms: 4, ..SETTINGS });
    scene.runs(1, terms(1), &[(12, 1), (1, 1)]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    // It took a millisecond, so that four take as long as a message is meant to.
    scene.does("1/0.0.0/1", "a").gives([
        "publish 1/0.1.0/1",
        "publish 1/0.2.0/1 carried",
        "publish 1/0.3.0/1 carried",
        "publish 1/0.4.0/1 carried",
    ]);
    // W is 1.
    scene.joins("b").gives([]);
    for task in 1..4 {
        scene.does(&format!("1/0.{task}.0/1"), "a").gives([]);
    }
    assert_eq!(scene.view(1).attempts.started, 4);
    // Of the seven that are left, half at most.
    scene.does("1/0.4.0/1", "a").gives([
        "publish 1/0.5.0/1",
        "publish 1/0.6.0/1 carried",
        "publish 1/0.7.0/1 carried",
    ]);
    // A worker that hands the rest back has begun nothing of it.
    scene.does("1/0.5.0/1", "a").gives([]);
    scene.stopped("1/0.7.0/1", "a", StopReason::WorkerLeaves).gives([]);
    scene.stopped("1/0.6.0/1", "a", StopReason::WorkerLeaves).gives([
        "publish 1/0.6.0/2 resume",
        "publish 1/0.7.0/2 resume carried",
        "publish 1/0.8.0/1 carried",
    ]);
}

#[test]
fn what_waits_in_the_message_of_a_slow_worker_is_taken_back_once_another_is_idle() {
    let mut scene = Scene::new(Settings { bundle_ms: 8, ..SETTINGS });
    scene.runs(1, terms(2), &[(20, 1), (1, 1)]);
    scene.joins("slow").gives(["publish 1/0.0.0/1"]);
    scene.joins("quick").gives(["publish 1/0.1.0/1"]);
    let given = scene.does("1/0.0.0/1", "slow").commands;
    let held: Vec<&str> = given.iter().filter_map(|line| line.strip_prefix("publish ")).collect();
    assert!(held.len() > 1 && held[1].ends_with(" carried"), "{held:?}");
    // One worker begins its message and is silent, the other one does all the rest.
    scene.started(held[0], "slow").gives([]);
    let mut left = std::collections::VecDeque::from(["1/0.1.0/1".to_owned()]);
    while let Some(next) = left.pop_front() {
        let given = scene.does(&next, "quick").commands;
        let published = given.iter().filter_map(|line| line.strip_prefix("publish "));
        left.extend(published.filter_map(|line| Some(line.split(' ').next()?.to_owned())));
    }
    let carried = held.len() as u64 - 1;
    assert_eq!(scene.view(1).progress[0].completed, 20 - 1 - carried);
    let taken_back = scene.until_commands().commands;
    let expected = held[1].replace("/1 carried", "/2 resume");
    assert_eq!(taken_back[0], format!("publish {expected}"));
    // What the slow worker begins nevertheless, it is told to stop.
    let begun = held[1].trim_end_matches(" carried");
    scene.started(begun, "slow").first(&format!("stop {begun} LeaseLost on slow"));
}

#[test]
fn an_attempt_published_ahead_is_stopped_on_an_unknown_worker() {
    let mut scene = Scene::new(Settings { look_ahead_ms: 10, ..SETTINGS });
    scene.runs(1, terms(1), &[(9, 1), (1, 1)]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    scene.does("1/0.0.0/1", "a");
    scene.started("1/0.1.0/1", "a").gives([]);
    // The report that it joined is still in transit.
    scene.started("1/0.2.0/1", "b").gives([
        "stop 1/0.5.0/1 LeaseLost",
        "stop 1/0.4.0/1 LeaseLost",
        "stop 1/0.3.0/1 LeaseLost",
        "stop 1/0.2.0/1 LeaseLost",
        "stop 1/0.2.0/1 LeaseLost on b",
    ]);
    assert_eq!(scene.view(1).attempts.running, 1);
}

#[test]
fn nothing_is_published_ahead_while_a_worker_drains() {
    let mut scene = Scene::new(Settings { look_ahead_ms: 10, bundle_ms: 0, ..Settings::DEFAULT });
    scene.by_hand(Some(2)).gives(["scale 2"]);
    scene.runs(1, terms(1), &[(9, 1), (1, 1)]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    scene.started("1/0.0.0/1", "a").gives([]);
    scene.joins("b").gives([]);
    scene.by_hand(Some(1)).gives(["drain b", "scale 1"]);
    // The draining worker could still start an attempt until it leaves.
    scene.completed("1/0.0.0/1", "a").gives(["publish 1/0.1.0/1"]);
    scene.leaves("b").gives([
        "release b",
        "publish 1/0.2.0/1",
        "publish 1/0.3.0/1",
        "publish 1/0.4.0/1",
        "publish 1/0.5.0/1",
    ]);
}

#[test]
fn the_instance_of_a_drained_worker_stays_until_the_worker_has_left_or_is_lost() {
    let mut scene = Scene::new(Settings { look_ahead_ms: 0, bundle_ms: 0, ..Settings::DEFAULT });
    scene.by_hand(Some(3)).gives(["scale 3"]);
    scene.runs(1, without_speculation(1), &[(2, 1), (1, 1)]);
    for worker in ["a", "b", "c"] {
        scene.joins(worker);
    }
    // It is in the queue while two workers are told to go, and one of them has it already.
    scene.by_hand(Some(1)).gives(["drain c", "drain b", "scale 1"]);
    scene.started("1/0.0.0/1", "b").gives([]);
    scene.completed("1/0.0.0/1", "b").gives(["publish 1/0.1.0/1"]);
    scene.leaves("b").gives(["release b"]);
    scene.started("1/0.1.0/1", "a").gives([]);
    // The other has not heard, and is told again.
    scene.seen("c").gives(["drain c"]);
    // Then it is cut off, and comes back.
    scene.after_ms(14_000).progressed("1/0.1.0/1", "a", 0.5);
    scene.after_ms(2_000).time_passes().gives(["release c"]);
    scene.after_ms(1_000).seen("c").gives(["retain c", "drain c"]);
    scene.leaves("c").gives(["release c"]);
    // Another process of that name.
    scene.joins("c").first("retain c");
}

#[test]
fn an_expired_lease_gives_a_new_attempt_that_resumes() {
    let mut scene = scene();
    scene.runs(1, without_speculation(2), &[(1, 1)]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    scene.started("1/0.0.0/1", "a").gives([]);
    scene.joins("b").gives([]);
    scene.after_ms(10_000).progressed("1/0.0.0/1", "a", 0.5);
    scene.seen("b").gives([]);
    scene.after_ms(14_900).seen("b").gives([]);
    scene
        .after_ms(200)
        .time_passes()
        .gives(["stop 1/0.0.0/1 LeaseLost on a", "publish 1/0.0.0/2 resume"]);
    // Further reports are answered with a stop, except a completion.
    scene.progressed("1/0.0.0/1", "a", 0.6).gives(["stop 1/0.0.0/1 LeaseLost on a"]);
    scene.completed("1/0.0.0/1", "a").gives(["stop 1/0.0.0/2 Superseded", "write 1 columns 1000"]);
}

#[test]
fn a_worker_without_reports_is_lost_and_then_removed() {
    let mut scene = scene();
    scene.joins("a").gives([]);
    // Loss and removal are both overdue.
    scene.after_ms(1_000_000).time_passes().gives([]);
    assert_eq!(scene.worker("a").state, WorkerState::Lost);
    assert!(scene.is_next_deadline_in_future());
    scene.after_ms(15_000).time_passes().gives([]);
    assert_eq!(scene.scheduler.pool().workers, []);
    scene.joins("a").gives([]);
    assert_eq!(scene.worker("a").state, WorkerState::Idle);
}

#[test]
fn a_failed_task_is_retried_with_back_off_and_fails_the_job_the_fourth_time() {
    let mut scene = scene();
    scene.runs(1, terms(1), &[(1, 1)]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    for (number, wait_ms) in [(1, 250), (2, 1_000), (3, 4_000)] {
        let attempt = format!("1/0.0.0/{number}");
        scene.started(&attempt, "a").gives([]);
        scene.fails(&attempt, "a", true).gives([]);
        scene.after_ms(wait_ms - 1).time_passes().gives([]);
        let next = format!("publish 1/0.0.0/{} resume", number + 1);
        scene.after_ms(1).time_passes().gives([next.as_str()]);
    }
    scene.started("1/0.0.0/4", "a").gives([]);
    scene
        .fails("1/0.0.0/4", "a", true)
        .gives(["end 1 failed: task 0.0.0 failed 4 times; last error: disk full"]);
}

#[test]
fn bytes_read_beyond_the_size_of_the_inputs_count_as_read_twice() {
    let mut scene = scene();
    scene.runs(1, terms(1), &[(1, 1)]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    scene.started("1/0.0.0/1", "a").gives([]);
    scene.reads("1/0.0.0/1", "a", OBJECT_BYTES).gives([]);
    scene.fails("1/0.0.0/1", "a", true);
    assert_eq!(scene.view(1).bytes.read_twice, 0);
    scene.after_ms(10_000).time_passes();
    scene.started("1/0.0.0/2", "a").gives([]);
    scene.reads("1/0.0.0/2", "a", 2 * OBJECT_BYTES).gives([]);
    let bytes = scene.view(1).bytes;
    assert_eq!((bytes.input_read, bytes.read_twice), (3 * OBJECT_BYTES, OBJECT_BYTES));
}

#[test]
fn what_is_reused_counts_with_its_statistics() {
    let mut scene = scene();
    scene.runs(1, terms(1), &[(1, 1)]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    scene.started("1/0.0.0/1", "a").gives([]);
    scene.finds("1/0.0.0/1", "a", 3).gives([]);
    assert_eq!(scene.view(1).bytes.reused, 3 * SEGMENT_BYTES);
}

#[test]
fn an_error_that_every_attempt_would_meet_fails_the_job_at_once_and_keeps_its_progress() {
    let mut scene = scene();
    scene.runs(1, terms(1), &[(2, 1), (1, 1)]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    scene.does("1/0.0.0/1", "a");
    scene.started("1/0.1.0/1", "a").gives([]);
    scene.fails("1/0.1.0/1", "a", false).gives(["end 1 failed: disk full"]);
    let view = scene.view(1);
    assert_eq!((view.progress[0].completed, view.attempts.failed), (1, 1));
    assert_eq!(view.attempts.running, 0);
}

#[test]
fn objects_of_different_lengths_fail_the_job_and_the_error_names_both() {
    let mut scene = scene();
    scene.runs(1, terms(1), &[(2, 1), (1, 1)]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    scene.does("1/0.0.0/1", "a");
    scene.started("1/0.1.0/1", "a").gives([]);
    let ended = scene.completed_with("1/0.1.0/1", "a", 999).commands;
    let [end] = ended.as_slice() else { panic!("{ended:?}") };
    for named in ["object of 0.0.0", "1000 numbers", "object of 0.1.0", "999"] {
        assert!(end.contains(named), "{end} names {named}");
    }
}

#[test]
fn a_worker_that_only_fails_is_excluded_while_others_succeed() {
    let mut scene = scene();
    scene.runs(1, terms(2), &[(9, 1), (1, 1)]);
    scene.joins("bad").gives(["publish 1/0.0.0/1"]);
    scene.joins("good").gives(["publish 1/0.1.0/1"]);
    scene.started("1/0.1.0/1", "good").gives([]);
    scene.started("1/0.0.0/1", "bad").gives([]);
    scene.fails("1/0.0.0/1", "bad", true).gives(["publish 1/0.2.0/1"]);
    scene.started("1/0.2.0/1", "bad").gives([]);
    scene.fails("1/0.2.0/1", "bad", true).gives(["publish 1/0.3.0/1"]);
    scene.started("1/0.3.0/1", "bad").gives([]);
    scene.fails("1/0.3.0/1", "bad", true).gives(["drain bad"]);
    assert_eq!(scene.worker("bad").state, WorkerState::Aside);
    assert!(scene.worker("bad").reason.unwrap().contains("disk full"));
}

#[test]
fn a_failure_that_is_reported_twice_counts_once() {
    let mut scene = scene();
    scene.runs(1, terms(1), &[(9, 1), (1, 1)]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    scene.joins("b").gives([]);
    scene.started("1/0.0.0/1", "a").gives([]);
    scene.fails("1/0.0.0/1", "a", true).gives(["publish 1/0.1.0/1"]);
    for _ in 0..9 {
        scene.fails("1/0.0.0/1", "a", true).gives([]);
    }
    assert_eq!(scene.view(1).attempts.failed, 1);
    assert_eq!(scene.worker("a").state, WorkerState::Idle);
}

#[test]
fn no_worker_is_excluded_if_all_workers_fail() {
    let mut scene = scene();
    scene.runs(1, terms(1), &[(9, 1), (1, 1)]);
    scene.joins("only").gives(["publish 1/0.0.0/1"]);
    for node in 0..5 {
        let attempt = format!("1/0.{node}.0/1");
        scene.started(&attempt, "only").gives([]);
        let next = format!("publish 1/0.{}.0/1", node + 1);
        scene.fails(&attempt, "only", true).gives([next.as_str()]);
    }
}

#[test]
fn a_job_can_be_cancelled_in_any_phase_and_late_attempts_are_stopped() {
    let mut scene = scene();
    scene.submit(1, terms(1)).gives(["plan 1"]);
    scene.cancel(1).gives(["end 1 cancelled"]);
    scene.planned(1, &[(1, 1)]).gives([]);
    scene.runs(2, terms(1), &[(1, 1)]);
    scene.joins("a").gives(["publish 2/0.0.0/1"]);
    scene.cancel(2).gives(["end 2 cancelled"]);
    scene.cancel(2).gives([]);
    scene.started("2/0.0.0/1", "a").gives(["stop 2/0.0.0/1 JobOver on a"]);
    scene.completed("2/0.0.0/1", "a").gives([]);
}

#[test]
fn an_attempt_handed_back_by_a_leaving_worker_is_no_failure() {
    let mut scene = scene();
    scene.runs(1, without_speculation(1), &[(1, 1)]);
    scene.joins("1").gives(["publish 1/0.0.0/1"]);
    for number in 1..20 {
        let (worker, next) = (number.to_string(), (number + 1).to_string());
        let attempt = format!("1/0.0.0/{number}");
        scene.started(&attempt, &worker).gives([]);
        scene.joins(&next).gives([]);
        let again = format!("publish 1/0.0.0/{next} resume");
        scene.stopped(&attempt, &worker, StopReason::WorkerLeaves).gives([again.as_str()]);
        scene.leaves(&worker).gives([format!("release {worker}").as_str()]);
    }
    assert_eq!(scene.view(1).attempts.failed + scene.view(1).attempts.lost, 0);
}

#[test]
fn the_attempt_of_a_crashed_worker_is_lost() {
    let mut scene = scene();
    scene.runs(1, terms(1), &[(1, 1)]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    scene.started("1/0.0.0/1", "a").gives([]);
    scene.leaves("a").gives(["release a"]);
    scene.joins("b").gives(["publish 1/0.0.0/2 resume"]);
    assert_eq!(scene.view(1).attempts.lost, 1);
    // The queue redelivers the lost attempt.
    scene.started("1/0.0.0/1", "b").gives(["stop 1/0.0.0/1 LeaseLost on b"]);
}

#[test]
fn reordered_and_duplicate_reports_change_nothing() {
    let mut scene = scene();
    scene.runs(1, terms(1), &[(2, 1), (1, 1)]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    scene.completed("1/0.0.0/1", "a").gives(["publish 1/0.1.0/1"]);
    scene.started("1/0.1.0/1", "a").gives([]);
    scene.started("1/0.1.0/1", "a").gives([]);
    // A late start report, or a redelivery, which must be stopped.
    scene.started("1/0.0.0/1", "a").gives(["stop 1/0.0.0/1 Superseded on a"]);
    scene.completed("1/0.0.0/1", "a").gives([]);
    scene.completed("1/0.1.0/1", "a").gives(["publish 1/1.0.0/1"]);
    assert_eq!(scene.view(1).attempts.completed, 2);
}

#[test]
fn a_redelivered_attempt_belongs_to_the_later_worker() {
    let mut scene = scene();
    scene.runs(1, terms(1), &[(1, 1)]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    scene.started("1/0.0.0/1", "a").gives([]);
    scene.started("1/0.0.0/1", "b").gives([]);
    scene.fails("1/0.0.0/1", "a", true).gives([]);
    scene.completed("1/0.0.0/1", "b").gives(["write 1 columns 1000"]);
}

#[test]
fn a_straggler_gets_a_speculative_attempt_from_the_other_end_and_the_loser_is_stopped() {
    let mut scene = scene();
    scene.runs(1, terms(4), &[(2, 8), (1, 8)]);
    scene.joins_on("slow", "n1").gives(["publish 1/0.0.0/1"]);
    scene.started("1/0.0.0/1", "slow").gives([]);
    scene.joins_on("fast", "n2").gives(["publish 1/0.0.1/1"]);
    for range in 1..8 {
        scene.started(&format!("1/0.0.{range}/1"), "fast").gives([]);
        let done = scene.after_ms(1_000).completed(&format!("1/0.0.{range}/1"), "fast");
        assert_eq!(done.commands.len(), 1, "{:?}", done.commands);
        scene.progressed("1/0.0.0/1", "slow", 0.01 * f64::from(range));
    }
    for range in 0..8 {
        scene.started(&format!("1/0.1.{range}/1"), "fast").gives([]);
        let done = scene.after_ms(1_000).completed(&format!("1/0.1.{range}/1"), "fast").commands;
        scene.progressed("1/0.0.0/1", "slow", 0.07 + 0.01 * f64::from(range));
        if range > 0 {
            scene.does(&format!("1/1.0.{range}/1"), "fast");
            continue;
        }
        assert_eq!(done, ["publish 1/0.1.1/1"]);
    }
    scene.after_ms(1_000).time_passes();
    let second = scene.published("1/0.0.0/2");
    assert_eq!(second, "publish 1/0.0.0/2 speculative Backward resume not_on slow not_on_node n1");
    scene.started("1/0.0.0/2", "fast").gives([]);
    scene
        .after_ms(900)
        .completed("1/0.0.0/2", "fast")
        .gives(["stop 1/0.0.0/1 Superseded on slow", "publish 1/1.0.0/1"]);
    let attempts = scene.view(1).attempts;
    assert_eq!((attempts.speculative, attempts.speculative_won, attempts.superseded), (1, 1, 1));
    assert!(attempts.saved_ms > 1_000, "{attempts:?}");
}

#[test]
fn the_time_that_speculation_has_saved_is_within_reason() {
    let mut scene = scene();
    scene.runs(1, terms(2), &[(1, 1)]);
    scene.joins("stuck").gives(["publish 1/0.0.0/1"]);
    scene.started("1/0.0.0/1", "stuck").gives([]);
    scene.joins("fast").gives([]);
    // It gets on by less than can be told.
    for step in 1..5 {
        scene.after_ms(1_000).progressed("1/0.0.0/1", "stuck", 1e-30 * f64::from(step));
        scene.seen("fast");
    }
    scene.published("1/0.0.0/2");
    scene.does("1/0.0.0/2", "fast").first("stop 1/0.0.0/1 Superseded on stuck");
    let saved_ms = scene.view(1).attempts.saved_ms;
    assert!((1..=20 * 6_000).contains(&saved_ms), "{saved_ms} ms");
}

#[test]
fn a_task_is_not_thrown_about_between_slow_workers() {
    let mut scene = scene();
    scene.runs(1, terms(8), &[(8, 1), (1, 1)]);
    scene.joins("fast").gives(["publish 1/0.0.0/1"]);
    for node in 0..3 {
        scene.started(&format!("1/0.{node}.0/1"), "fast");
        scene.after_ms(1_000).completed(&format!("1/0.{node}.0/1"), "fast");
    }
    scene.started("1/0.3.0/1", "fast");
    let slow = ["slow-1", "slow-2", "slow-3"].into_iter().zip(4..);
    for (worker, node) in slow.clone() {
        scene.joins(worker);
        scene.started(&format!("1/0.{node}.0/1"), worker);
    }
    scene.after_ms(1_000).completed("1/0.3.0/1", "fast").gives(["publish 1/0.7.0/1"]);
    scene.started("1/0.7.0/1", "fast");
    scene.after_ms(7_000);
    for (worker, node) in slow {
        scene.completed(&format!("1/0.{node}.0/1"), worker);
    }
    scene.progressed("1/0.7.0/1", "fast", 0.01);
    scene.after_ms(1_000).progressed("1/0.7.0/1", "fast", 0.02);
    scene.published("1/0.7.0/2");
    scene.started("1/0.7.0/2", "slow-1");
    // Both attempts are slow, but so are the workers that are idle.
    for second in 1..=4 {
        scene
            .after_ms(1_000)
            .progressed("1/0.7.0/2", "slow-1", 0.002 * f64::from(second))
            .gives([]);
        scene.progressed("1/0.7.0/1", "fast", 0.02 + 0.01 * f64::from(second)).gives([]);
    }
    scene.joins("another");
    scene.after_ms(1_000).time_passes().gives([
        "stop 1/0.7.0/2 Superseded on slow-1",
        "publish 1/0.7.0/3 speculative Backward resume not_on fast",
    ]);
    scene.started("1/0.7.0/3", "another");
    // It has to have the time to show how fast it is.
    scene.joins("fourth");
    scene.after_ms(300).progressed("1/0.7.0/3", "another", 0.000_1).gives([]);
}

#[test]
fn a_late_report_that_an_earlier_process_has_joined_is_no_restart() {
    let mut scene = scene();
    scene.runs(1, terms(1), &[(2, 1), (1, 1)]);
    scene.joins_as("a", 7).gives(["publish 1/0.0.0/1"]);
    scene.started("1/0.0.0/1", "a").gives([]);
    scene.joins_as("a", 8).gives(["publish 1/0.0.0/2 resume"]);
    scene.started("1/0.0.0/2", "a").gives([]);
    scene.joins_as("a", 7).gives([]);
    assert_eq!(scene.view(1).attempts.lost, 1);
    // Nor if the process is known to have ended because its pool said so.
    scene.leaves("a").gives(["release a"]);
    scene.joins_as("a", 9).gives(["retain a", "publish 1/0.0.0/3 resume"]);
    scene.started("1/0.0.0/3", "a").gives([]);
    scene.joins_as("a", 8).gives([]);
    assert_eq!(scene.view(1).attempts.lost, 2);
}

#[test]
fn workers_that_no_job_can_use_again_leave_soon() {
    let mut scene = Scene::new(Settings {
        max_workers: 16,
        idle_ms: 60_000,
        look_ahead_ms: 0,
        bundle_ms: 0,
        ..Settings::DEFAULT
    });
    let workers = ["a", "b", "c", "d", "e", "f", "g", "h"];
    scene.runs(1, without_speculation(8), &[(8, 1), (1, 1)]);
    for (worker, node) in workers.into_iter().zip(0..) {
        scene.joins(worker);
        scene.started(&format!("1/0.{node}.0/1"), worker);
    }
    for (worker, node) in workers.into_iter().zip(0..6) {
        scene.completed(&format!("1/0.{node}.0/1"), worker).gives([]);
    }
    // Two tasks are under way, and one remains above them.
    scene.after_ms(1_900).time_passes().gives([]);
    let drained = ["drain f", "drain e", "drain d", "drain c", "drain b", "drain a", "scale 2"];
    scene.after_ms(100).time_passes().gives(drained);
    // A job that is about to start may need them.
    scene.submit(2, terms(8)).gives(["plan 2"]);
    scene.completed("1/0.6.0/1", "g").gives([]);
    scene.after_ms(3_000).time_passes().gives([]);
}

#[test]
fn the_original_rule_waits_for_the_quantile_and_starts_over() {
    let mut scene = scene();
    let speculation = Speculation {
        policy: protocol::request::SpeculationPolicy::Original,
        ..Speculation::default()
    };
    scene.runs(1, JobTerms { workers: 4, speculation, ..JobTerms::default() }, &[(5, 1), (1, 1)]);
    scene.joins("slow").gives(["publish 1/0.0.0/1"]);
    scene.started("1/0.0.0/1", "slow").gives([]);
    scene.joins("fast").gives(["publish 1/0.1.0/1"]);
    for node in 1..4 {
        scene.started(&format!("1/0.{node}.0/1"), "fast").gives([]);
        scene.after_ms(1_000).completed(&format!("1/0.{node}.0/1"), "fast");
    }
    scene.joins("idle").gives([]);
    // Three of five tasks are complete (60 %), and the straggler has run for three
    // times the mean.
    scene.after_ms(500).time_passes().gives([]);
    scene.started("1/0.4.0/1", "fast").gives([]);
    scene
        .after_ms(400)
        .completed("1/0.4.0/1", "fast")
        .gives(["publish 1/0.0.0/2 speculative not_on slow"]);
}

#[test]
fn a_speculative_attempt_continues_when_the_first_fails() {
    let mut scene = scene();
    scene.runs(1, terms(2), &[(1, 1)]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    scene.started("1/0.0.0/1", "a").gives([]);
    scene.joins("b").gives([]);
    scene.after_ms(1_000).progressed("1/0.0.0/1", "a", 0.01);
    scene.after_ms(1_000).time_passes();
    assert!(scene.published("1/0.0.0/2").contains("speculative"));
    scene.started("1/0.0.0/2", "b").gives([]);
    scene.fails("1/0.0.0/1", "a", true).gives([]);
    let progress = scene.view(1).progress[0];
    assert_eq!((progress.running, progress.speculative), (1, 1));
    // The remaining attempt is slow too and gets a speculative attempt.
    scene.after_ms(1_000).progressed("1/0.0.0/2", "b", 0.01);
    scene.after_ms(1_000).time_passes();
    assert!(scene.published("1/0.0.0/3").contains("speculative"));
    scene.started("1/0.0.0/3", "a").gives([]);
    scene
        .completed("1/0.0.0/3", "a")
        .gives(["stop 1/0.0.0/2 Superseded on b", "write 1 columns 1000"]);
}

#[test]
fn a_straggler_gets_no_second_attempt_if_speculation_is_off() {
    let mut scene = scene();
    scene.runs(1, without_speculation(4), &[(2, 1), (1, 1)]);
    scene.joins("slow").gives(["publish 1/0.0.0/1"]);
    scene.started("1/0.0.0/1", "slow").gives([]);
    scene.joins("fast").gives(["publish 1/0.1.0/1"]);
    scene.does("1/0.1.0/1", "fast").gives([]);
    for _ in 0..1_000 {
        scene.after_ms(1_000).progressed("1/0.0.0/1", "slow", 0.0).gives([]);
        scene.seen("fast").gives([]);
    }
}

#[test]
fn ranges_beyond_c_are_complete_once_c_is_known() {
    let mut scene = scene();
    // The root has eight ranges of one segment of 125 columns; C is unknown.
    scene.runs_text(1, terms(1), &[(2, 1), (1, 8)]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    scene.started("1/0.0.0/1", "a").gives([]);
    scene.completed_with("1/0.0.0/1", "a", 300).first("publish 1/0.1.0/1");
    scene.completed_with("1/0.1.0/1", "a", 300);
    let ranges = scene.view(1).progress[1];
    assert_eq!((ranges.tasks, ranges.completed), (8, 5));
}

#[test]
fn a_restored_job_resumes_from_its_completed_tasks() {
    let mut scene = scene();
    scene.restored(1, terms(1), &[(4, 1), (2, 1), (1, 1)], &["0.0.0", "0.1.0", "0.2.0"]).gives([]);
    scene.joins("a").gives(["publish 1/1.0.0/1 resume"]);
    scene.does("1/1.0.0/1", "a").first("publish 1/0.3.0/1 resume");
}

#[test]
fn a_restored_job_with_a_complete_root_writes_its_result() {
    let mut scene = scene();
    scene
        .restored(1, terms(1), &[(2, 1), (1, 1)], &["0.0.0", "0.1.0", "1.0.0"])
        .gives(["write 1 columns 1000"]);
}

#[test]
fn an_attempt_continues_across_a_server_restart() {
    let mut scene = scene();
    scene.restored(1, terms(2), &[(2, 1), (1, 1)], &[]).gives([]);
    scene.progressed("1/0.1.0/3", "a", 0.5).gives([]);
    scene.joins("b").gives(["publish 1/0.0.0/1 resume"]);
    scene.completed("1/0.1.0/3", "a").gives([]);
    assert_eq!(scene.view(1).progress[0].completed, 1);
}

#[test]
fn the_pool_is_scaled_up_at_once_and_down_after_the_idle_time() {
    let mut scene = Scene::new(Settings {
        min_workers: 1,
        max_workers: 3,
        idle_ms: 1_000,
        look_ahead_ms: 0,
        bundle_ms: 0,
        ..Settings::DEFAULT
    });
    scene.time_passes().gives(["scale 1"]);
    scene.joins("a").gives([]);
    scene.submit(1, terms(8)).gives(["plan 1"]);
    scene.planned(1, &[(3, 1), (1, 1)]).gives(["scale 3", "publish 1/0.0.0/1"]);
    scene.joins("b").gives(["publish 1/0.1.0/1"]);
    scene.joins("c").gives(["publish 1/0.2.0/1"]);
    scene.started("1/0.2.0/1", "c").gives([]);
    scene.cancel(1).gives(["end 1 cancelled"]);
    scene.after_ms(999).time_passes().gives([]);
    // The busy worker is not drained.
    scene.after_ms(1).time_passes().gives(["drain b", "drain a", "scale 1"]);
    scene.leaves("b").gives(["release b"]);
    scene.leaves("a").gives(["release a"]);
    scene.stopped("1/0.2.0/1", "c", StopReason::JobOver).gives([]);
}

#[test]
fn a_job_brings_no_more_workers_than_its_tasks_can_use() {
    let mut scene = Scene::new(Settings {
        max_workers: 16,
        idle_ms: 1_000,
        look_ahead_ms: 0,
        bundle_ms: 0,
        ..Settings::DEFAULT
    });
    scene.time_passes().gives(["scale 0"]);
    // Nobody knows yet how many tasks there will be.
    scene.submit(1, without_speculation(8)).gives(["plan 1"]);
    scene.after_ms(60_000).time_passes().gives([]);
    scene.planned(1, &[(4, 1), (1, 1)]).gives(["scale 4"]);
    for worker in ["a", "b", "c", "d"] {
        scene.joins(worker);
    }
    for (worker, task) in ["a", "b", "c"].into_iter().zip(0..) {
        scene.does(&format!("1/0.{task}.0/1"), worker).gives([]);
    }
    // One task is under way, and one remains above it.
    scene.started("1/0.3.0/1", "d").gives([]);
    scene.after_ms(1_001).time_passes().gives(["drain c", "drain b", "drain a", "scale 1"]);
    // A job that speculates keeps a second worker for it, and brings none for that alone.
    scene.runs(2, terms(8), &[(2, 1), (1, 1)]);
    assert_eq!(scene.scheduler.pool().desired, 3);
}

#[test]
fn w_beyond_the_pool_is_no_claim_to_all_of_it() {
    let mut scene = Scene::new(SETTINGS);
    scene.runs(1, terms(1_000_000_000), &[(64, 1), (1, 1)]);
    scene.runs(2, terms(2), &[(64, 1), (1, 1)]);
    let mut of_two = 0;
    for worker in 0..8 {
        let given = scene.joins(&format!("w{worker}")).commands;
        of_two += given.iter().filter(|line| line.starts_with("publish 2/")).count();
    }
    // As W = 8 and W = 2 share eight workers.
    assert_eq!(of_two, 2);
}

#[test]
fn a_short_job_does_not_wait_for_long_ones() {
    let mut scene = Scene::new(Settings { running_jobs_max: 2, ..SETTINGS });
    for number in 1..=3 {
        scene.submit(number, terms(1));
        scene.planned_for(number, &[(9, 1), (1, 1)], 3_600_000);
    }
    assert_eq!(scene.phase(2), Phase::Running);
    assert_eq!(scene.phase(3), Phase::Planning);
    for number in 4..=8 {
        scene.submit(number, terms(1));
        scene.planned_for(number, &[(1, 1)], 1_000);
    }
    // It comes first, as nothing of it is in flight.
    assert_eq!(scene.phase(4), Phase::Running);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    scene.joins("b").gives(["publish 2/0.0.0/1"]);
    scene.joins("c").gives(["publish 4/0.0.0/1"]);
    // They have few slots too, and none of the long ones'.
    assert_eq!([7, 8].map(|number| scene.phase(number)), [Phase::Running, Phase::Planning]);
    assert_eq!(scene.phase(3), Phase::Planning);
}

#[test]
fn a_number_of_workers_set_by_hand_applies_at_once_but_drains_only_idle_workers() {
    let mut scene = Scene::new(Settings {
        max_workers: 8,
        look_ahead_ms: 0,
        bundle_ms: 0,
        ..Settings::DEFAULT
    });
    scene.by_hand(Some(2)).gives(["scale 2"]);
    scene.joins("a").gives([]);
    scene.joins("b").gives([]);
    scene.runs(1, terms(2), &[(4, 1), (1, 1)]);
    scene.started("1/0.0.0/1", "a").gives([]);
    scene.started("1/0.1.0/1", "b").gives([]);
    scene.by_hand(Some(1)).gives([]);
    scene.completed("1/0.0.0/1", "a").gives(["drain a", "scale 1"]);
    scene.by_hand(None).gives(["scale 2"]);
}

#[test]
fn an_external_pool_is_not_scaled() {
    let mut scene = scene();
    scene.submit(1, terms(50)).gives(["plan 1"]);
    scene.joins("a").gives([]);
    scene.cancel(1).gives(["end 1 cancelled"]);
    scene.after_ms(1_000_000).seen("a").gives([]);
    assert!(scene.scheduler.next_deadline().is_some());
}

#[test]
fn a_job_is_forgotten_only_after_it_has_ended() {
    let mut scene = scene();
    scene.runs(1, terms(1), &[(1, 1)]);
    scene.forgotten(1);
    assert_eq!(scene.phase(1), Phase::Running);
    scene.cancel(1).gives(["end 1 cancelled"]);
    scene.forgotten(1);
    assert!(scene.scheduler.job(scene::job(1)).is_none());
    let changes = scene.scheduler.take_changes();
    assert!(changes.jobs.contains(&scene::job(1)));
    assert!(scene.scheduler.take_changes().jobs.is_empty());
}

#[test]
fn tasks_are_paged() {
    let mut scene = scene();
    scene.runs(1, terms(1), &[(5, 2), (1, 2)]);
    scene.joins("a");
    let page = scene.scheduler.tasks(scene::job(1), 0, 4, 3).unwrap();
    let ids: Vec<String> = page.tasks.iter().map(|task| task.id.to_string()).collect();
    assert_eq!(ids, ["0.2.0", "0.2.1", "0.3.0"]);
    assert_eq!((page.total, page.cursor), (10, Some(7)));
    assert_eq!(scene.scheduler.tasks(scene::job(1), 0, 8, 9).unwrap().cursor, None);
    assert!(scene.scheduler.tasks(scene::job(1), 2, 0, 9).is_none());
}
