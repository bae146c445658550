//! Whose fault an error is, and what follows from it.

use protocol::Part;
use protocol::Phase;
use protocol::problem::ProblemKind;
use protocol::task::Fault;
use protocol::worker::WorkerState;

use super::scene::{Scene, terms};
use super::{scene, without_speculation};

/// Lets a scene's worker meet the error of a missing permission.
fn is_denied(scene: &mut Scene, attempt: &str, worker: &str) -> Vec<String> {
    scene.started(attempt, worker).gives([]);
    scene.fails_by(attempt, worker, Fault::Worker, ProblemKind::Forbidden).commands
}

/// Lets a scene's attempt fail because the store is away.
fn misses_store(scene: &mut Scene, attempt: &str, worker: &str) -> Vec<String> {
    scene.started(attempt, worker).gives([]);
    scene.fails_by(attempt, worker, Fault::Store, ProblemKind::Unavailable).commands
}

#[test]
fn a_worker_without_permission_is_set_aside_for_longer_each_time_and_the_job_goes_on() {
    let mut scene = scene();
    scene.runs(1, terms(2), &[(9, 1), (1, 1)]);
    scene.joins("bad").gives(["publish 1/0.0.0/1"]);
    scene.joins("good").gives(["publish 1/0.1.0/1"]);
    scene.started("1/0.1.0/1", "good").gives([]);
    // Its task is ready again, but the one worker that is well is busy.
    assert_eq!(is_denied(&mut scene, "1/0.0.0/1", "bad"), ["rest bad 5000"]);
    assert_eq!(scene.worker("bad").state, WorkerState::Aside);
    assert!(scene.worker("bad").reason.unwrap().contains("disk full"));
    scene.completed("1/0.1.0/1", "good").gives(["publish 1/0.0.0/2 resume"]);
    scene.started("1/0.0.0/2", "good").gives([]);
    scene.after_ms(5_000).progressed("1/0.0.0/2", "good", 0.1).gives(["publish 1/0.2.0/1"]);
    assert_eq!(is_denied(&mut scene, "1/0.2.0/1", "bad"), ["rest bad 10000"]);
    scene.after_ms(9_990).progressed("1/0.0.0/2", "good", 0.2).gives([]);
    scene.after_ms(10).progressed("1/0.0.0/2", "good", 0.3).gives(["publish 1/0.2.0/2 resume"]);
    // What it does well ends its record.
    scene.does("1/0.2.0/2", "bad").gives(["publish 1/0.3.0/1"]);
    assert_eq!(is_denied(&mut scene, "1/0.3.0/1", "bad"), ["rest bad 5000"]);
    assert_eq!(scene.phase(1), Phase::Running);
    assert_eq!(scene.view(1).outage, None, "one worker is well");
}

#[test]
fn errors_of_workers_never_fail_a_job_and_if_no_worker_is_well_the_job_says_so() {
    let mut scene = scene();
    scene.runs(1, terms(2), &[(2, 1), (1, 1)]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    scene.joins("b").gives(["publish 1/0.1.0/1"]);
    assert_eq!(is_denied(&mut scene, "1/0.0.0/1", "a"), ["rest a 5000"]);
    assert_eq!(is_denied(&mut scene, "1/0.1.0/1", "b"), ["rest b 4000"]);
    let outage = scene.view(1).outage.unwrap();
    assert_eq!(outage.part, Part::Store);
    assert!(outage.reason.contains("no worker can use it"), "{outage}");
    assert_eq!(scene.scheduler.pool().outages, std::slice::from_ref(&outage));
    for _ in 0..20 {
        // One of them tries at least every four seconds.
        let tried = scene.after_ms(4_000).time_passes().commands;
        assert!(!tried.is_empty());
        for (attempt, worker) in tried.iter().zip(idle(&scene)) {
            let rests = is_denied(&mut scene, attempt_of(attempt), worker);
            // The other one is left alone.
            assert!(
                matches!(&rests[..], [rest] if rest.starts_with(&format!("rest {worker} "))),
                "{rests:?}"
            );
        }
        alive(&mut scene);
    }
    assert_eq!(scene.phase(1), Phase::Running);
    assert_eq!(scene.view(1).outage.unwrap().since, outage.since, "since the first");
    // Once one succeeds, the other is called back.
    let (attempt, worker) = loop {
        let tried = scene.after_ms(4_000).time_passes().commands;
        let idle = idle(&scene);
        if let ([attempt], [worker]) = (tried.as_slice(), idle.as_slice()) {
            break (attempt_of(attempt).to_owned(), *worker);
        }
        for (attempt, worker) in tried.iter().zip(idle) {
            is_denied(&mut scene, attempt_of(attempt), worker);
        }
        alive(&mut scene);
    };
    let other = if worker == "a" { "b" } else { "a" };
    let done = scene.does(&attempt, worker).commands;
    assert_eq!(done[0], format!("rest {other} 0"), "{done:?}");
    assert_eq!(scene.worker(other).state, WorkerState::Idle);
    assert_eq!(scene.view(1).outage, None);
}

#[test]
fn a_worker_that_is_set_aside_is_called_back_once_those_that_were_well_are_gone() {
    let mut scene = scene();
    scene.runs(1, terms(2), &[(9, 1), (1, 1)]);
    scene.joins("bad").gives(["publish 1/0.0.0/1"]);
    scene.joins("good").gives(["publish 1/0.1.0/1"]);
    scene.started("1/0.1.0/1", "good").gives([]);
    assert_eq!(is_denied(&mut scene, "1/0.0.0/1", "bad"), ["rest bad 5000"]);
    scene.after_ms(5_000).progressed("1/0.1.0/1", "good", 0.1).gives(["publish 1/0.0.0/2 resume"]);
    assert_eq!(is_denied(&mut scene, "1/0.0.0/2", "bad"), ["rest bad 10000"]);
    // The job would wait for as long as it rests, up to five minutes.
    scene.after_ms(1_000).leaves("good").gives(["release good", "rest bad 5000"]);
    assert_eq!(scene.worker("bad").state, WorkerState::Aside);
    scene.after_ms(4_990).seen("bad").gives([]);
    scene.after_ms(10).seen("bad").first("publish 1/0.0.0/3 resume");
}

/// The workers a and b send heartbeats.
fn alive(scene: &mut Scene) {
    for worker in ["a", "b"] {
        scene.seen(worker).gives([]);
    }
}

/// Those of the workers a and b that are idle.
fn idle(scene: &Scene) -> Vec<&'static str> {
    ["a", "b"].into_iter().filter(|it| scene.worker(it).state == WorkerState::Idle).collect()
}

/// The attempt of a command that publishes it.
fn attempt_of(published: &str) -> &str {
    published.split(' ').nth(1).unwrap()
}

#[test]
fn a_node_whose_workers_are_at_fault_is_set_aside_with_those_that_start_there() {
    let mut scene = scene();
    scene.runs(1, terms(9), &[(9, 1), (1, 1)]);
    scene.joins_on("good", "n1").gives(["publish 1/0.0.0/1"]);
    scene.started("1/0.0.0/1", "good").gives([]);
    scene.joins_on("bad-1", "n2").gives(["publish 1/0.1.0/1"]);
    assert_eq!(is_denied(&mut scene, "1/0.1.0/1", "bad-1"), ["rest bad-1 5000"]);
    // It is replaced on the same node, and so is its successor.
    scene.leaves("bad-1").gives(["release bad-1"]);
    scene.joins_on("bad-2", "n2").gives(["publish 1/0.1.0/2 resume"]);
    assert_eq!(is_denied(&mut scene, "1/0.1.0/2", "bad-2"), ["rest bad-2 5000"]);
    scene.leaves("bad-2").gives(["release bad-2"]);
    scene.joins_on("bad-3", "n2").gives(["rest bad-3 4998"]);
    assert_eq!(scene.worker("bad-3").state, WorkerState::Aside);
    scene.joins_on("new", "n3").first("publish 1/0.1.0/3 resume");
}

#[test]
fn the_only_node_is_not_set_aside() {
    let mut scene = scene();
    scene.runs(1, terms(3), &[(9, 1), (1, 1)]);
    scene.joins_on("good", "n").gives(["publish 1/0.0.0/1"]);
    scene.started("1/0.0.0/1", "good").gives([]);
    scene.joins_on("bad-1", "n").gives(["publish 1/0.1.0/1"]);
    assert_eq!(is_denied(&mut scene, "1/0.1.0/1", "bad-1"), ["rest bad-1 5000"]);
    scene.joins_on("bad-2", "n").gives(["publish 1/0.1.0/2 resume"]);
    assert_eq!(is_denied(&mut scene, "1/0.1.0/2", "bad-2"), ["rest bad-2 5000"]);
    assert_eq!(scene.worker("good").state, WorkerState::Busy);
    scene.completed("1/0.0.0/1", "good").first("publish 1/0.1.0/3 resume");
}

#[test]
fn a_full_disk_of_one_worker_is_its_own_and_of_all_workers_the_jobs() {
    let mut scene = scene();
    scene.runs(1, without_speculation(2), &[(1, 1)]);
    scene.joins("full").gives(["publish 1/0.0.0/1"]);
    scene.joins("other").gives([]);
    let full = ProblemKind::InsufficientStorage;
    scene.started("1/0.0.0/1", "full").gives([]);
    scene
        .fails_by("1/0.0.0/1", "full", Fault::Worker, full)
        .gives(["rest full 5000", "publish 1/0.0.0/2 resume"]);
    scene.leaves("full").gives(["release full"]);
    for (number, wait_ms) in [(2, 250), (3, 1_000), (4, 4_000)] {
        let attempt = format!("1/0.0.0/{number}");
        scene.started(&attempt, "other").gives([]);
        scene.fails_by(&attempt, "other", Fault::Worker, full).gives([]);
        let next = format!("publish 1/0.0.0/{} resume", number + 1);
        scene.after_ms(wait_ms).time_passes().gives([next.as_str()]);
    }
    scene.started("1/0.0.0/5", "other").gives([]);
    scene
        .fails_by("1/0.0.0/5", "other", Fault::Worker, full)
        .gives(["end 1 failed: task 0.0.0 failed 4 times; last error: disk full"]);
    assert_eq!(scene.view(1).error.unwrap().kind, full, "so that the server frees its space");
}

#[test]
fn a_store_that_is_away_counts_against_nobody_and_is_tried_again_within_seconds() {
    let mut scene = scene();
    scene.runs(1, without_speculation(4), &[(8, 1), (1, 1)]);
    for (node, worker) in ["a", "b", "c", "d"].into_iter().enumerate() {
        scene.joins(worker).gives([format!("publish 1/0.{node}.0/1").as_str()]);
        scene.started(&format!("1/0.{node}.0/1"), worker).gives([]);
    }
    for (node, worker) in ["a", "b", "c", "d"].into_iter().enumerate() {
        let attempt = format!("1/0.{node}.0/1");
        let kind = ProblemKind::Unavailable;
        scene.fails_by(&attempt, worker, Fault::Store, kind).gives([]);
    }
    let outage = scene.view(1).outage.unwrap();
    assert_eq!((outage.part, outage.reason.as_str()), (Part::Store, "disk full"));
    // An hour of failures, of one attempt after the other.
    for number in 2..1_000 {
        let before = scene.now_ms();
        let attempt = format!("1/0.0.0/{number}");
        scene.until_commands().gives([format!("publish {attempt} resume").as_str()]);
        assert!(scene.now_ms() - before <= 4_000, "{} ms", scene.now_ms() - before);
        assert_eq!(misses_store(&mut scene, &attempt, "a"), [""; 0]);
        for idle in ["b", "c", "d"] {
            scene.seen(idle).gives([]);
        }
    }
    let view = scene.view(1);
    assert_eq!((view.attempts.failed, view.attempts.lost), (0, 0));
    assert_eq!(view.outage.unwrap().since, outage.since);
    // It is back: at first one attempt, then twice as many with each success.
    scene.until_commands().gives(["publish 1/0.0.0/1000 resume"]);
    scene.started("1/0.0.0/1000", "a").gives([]);
    scene.reads("1/0.0.0/1000", "a", 10).gives(["publish 1/0.1.0/2 resume"]);
    assert_eq!(scene.view(1).outage, None);
    scene.started("1/0.1.0/2", "b").gives([]);
    scene
        .reads("1/0.1.0/2", "b", 10)
        .gives(["publish 1/0.2.0/2 resume", "publish 1/0.3.0/2 resume"]);
}

#[test]
fn a_worker_that_misses_the_store_while_others_use_it_is_at_fault() {
    let mut scene = scene();
    scene.runs(1, without_speculation(2), &[(9, 1), (1, 1)]);
    scene.joins("cut").gives(["publish 1/0.0.0/1"]);
    scene.joins("good").gives(["publish 1/0.1.0/1"]);
    scene.started("1/0.1.0/1", "good").gives([]);
    assert_eq!(misses_store(&mut scene, "1/0.0.0/1", "cut"), [""; 0]);
    scene.after_ms(600).reads("1/0.1.0/1", "good", 10).gives(["publish 1/0.0.0/2 resume"]);
    assert_eq!(misses_store(&mut scene, "1/0.0.0/2", "cut"), [""; 0], "it may have been before");
    scene.after_ms(1_200).reads("1/0.1.0/1", "good", 20).gives(["publish 1/0.0.0/3 resume"]);
    assert_eq!(misses_store(&mut scene, "1/0.0.0/3", "cut"), ["rest cut 5000"]);
    assert_eq!(scene.worker("cut").state, WorkerState::Aside);
    assert_eq!(scene.view(1).outage, None);
}

#[test]
fn losses_of_workers_do_not_fail_a_job() {
    let mut scene = scene();
    scene.runs(1, without_speculation(1), &[(1, 1)]);
    // Each gets on by a segment before it is lost, as on nodes that are taken away.
    for number in 1..20_u32 {
        let (worker, attempt) = (format!("w{number}"), format!("1/0.0.0/{number}"));
        let resume = if number == 1 { "" } else { " resume" };
        scene.joins(&worker).gives([format!("publish {attempt}{resume}").as_str()]);
        scene.started(&attempt, &worker).gives([]);
        scene.finds(&attempt, &worker, u64::from(number));
        scene.leaves(&worker).gives([format!("release {worker}").as_str()]);
    }
    assert_eq!(scene.phase(1), Phase::Running);
    assert_eq!(scene.view(1).attempts.lost, 19);
}

#[test]
fn workers_that_are_lost_together_are_not_killed_by_their_tasks() {
    let mut scene = scene();
    scene.runs(1, without_speculation(2), &[(2, 1), (1, 1)]);
    for round in 1..10 {
        for (node, worker) in [(0, format!("a{round}")), (1, format!("b{round}"))] {
            scene.joins(&worker);
            scene.started(&format!("1/0.{node}.0/{round}"), &worker);
        }
        scene.after_ms(16_000).time_passes();
        scene.after_ms(60_000).time_passes();
    }
    assert_eq!(scene.phase(1), Phase::Running);
    assert_eq!(scene.view(1).attempts.lost, 18);
}

#[test]
fn workers_that_are_lost_shortly_after_each_other_are_not_killed_either() {
    let mut scene = scene();
    scene.runs(1, without_speculation(2), &[(2, 1), (1, 1)]);
    for round in 1..10 {
        // Their last heartbeats, and so the ends of their leases, are seconds apart.
        for (node, worker) in [(0, format!("a{round}")), (1, format!("b{round}"))] {
            scene.joins(&worker);
            scene.after_ms(3_000).started(&format!("1/0.{node}.0/{round}"), &worker);
        }
        for _ in 0..6 {
            scene.after_ms(3_000).time_passes();
        }
        scene.after_ms(60_000).time_passes();
    }
    assert_eq!(scene.phase(1), Phase::Running, "{:?}", scene.view(1).error);
    assert_eq!(scene.view(1).attempts.lost, 18);
}

#[test]
fn a_task_that_kills_three_workers_at_the_same_segment_fails_its_job() {
    let mut scene = scene();
    scene.runs(1, without_speculation(1), &[(1, 1)]);
    for (number, worker) in [(1, "a"), (2, "b"), (3, "c")] {
        scene.joins_as(worker, 1);
        let attempt = format!("1/0.0.0/{number}");
        scene.started(&attempt, worker).gives([]);
        scene.finds(&attempt, worker, 4);
        // Its container starts it again.
        let given = scene.joins_as(worker, 2).commands;
        if number < 3 {
            assert_eq!(given, [format!("publish 1/0.0.0/{} resume", number + 1)]);
            continue;
        }
        let [end] = given.as_slice() else { panic!("{given:?}") };
        for told in ["end 1 failed", "task 0.0.0", "3 workers died", "a, b, c"] {
            assert!(end.contains(told), "{end}");
        }
    }
    assert_eq!(scene.view(1).killer.unwrap().to_string(), "0.0.0");
}

#[test]
fn of_many_workers_three_different_ones_must_have_died() {
    let mut scene = scene();
    scene.runs(1, without_speculation(1), &[(1, 1)]);
    for idle in ["p", "q", "r", "crashes"] {
        scene.joins_as(idle, 1);
    }
    for number in 1..6 {
        let attempt = format!("1/0.0.0/{number}");
        scene.started(&attempt, "crashes").gives([]);
        scene.joins_as("crashes", 1 + number);
    }
    assert_eq!(scene.phase(1), Phase::Running, "it may be the worker");
    for (number, worker) in [(6, "p"), (7, "q")] {
        scene.started(&format!("1/0.0.0/{number}"), worker).gives([]);
        scene.joins_as(worker, 2);
    }
    assert_eq!(scene.phase(1), Phase::Failed);
}

#[test]
fn a_worker_that_says_that_it_leaves_has_not_died() {
    let mut scene = scene();
    scene.runs(1, without_speculation(1), &[(1, 1)]);
    // The reports that hand the attempts back are lost, or come later.
    for number in 1..=5 {
        let (worker, attempt) = (format!("w{number}"), format!("1/0.0.0/{number}"));
        scene.joins(&worker);
        scene.started(&attempt, &worker).gives([]);
        scene.leaves(&worker).gives([format!("release {worker}").as_str()]);
        assert_eq!(scene.phase(1), Phase::Running, "{number} workers have left");
    }
}

#[test]
fn a_worker_that_was_only_silent_has_not_died() {
    let mut scene = scene();
    scene.runs(1, without_speculation(1), &[(1, 1)]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    for number in 1..10 {
        let attempt = format!("1/0.0.0/{number}");
        scene.started(&attempt, "a").gives([]);
        scene.after_ms(16_000).time_passes();
        assert_eq!(scene.worker("a").state, WorkerState::Lost);
        scene.progressed(&attempt, "a", 0.1);
        scene.seen("a");
    }
    assert_eq!((scene.phase(1), scene.view(1).attempts.lost), (Phase::Running, 9));
}

#[test]
fn while_the_queue_is_away_leases_stand_still_and_afterwards_they_begin_again() {
    leases_stand_still_without(Part::Queue);
}

/// A server that cannot renew its lease on the store takes no reports.
#[test]
fn while_the_store_is_away_leases_stand_still_too() {
    leases_stand_still_without(Part::Store);
}

#[test]
fn a_store_that_is_away_off_and_on_does_not_hide_that_a_worker_has_died() {
    let mut scene = scene();
    scene.runs(1, without_speculation(2), &[(3, 1), (1, 1)]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    scene.started("1/0.0.0/1", "a").gives([]);
    let died = scene.now_ms();
    while scene.view(1).attempts.lost == 0 {
        assert!(scene.now_ms() - died < 30_000, "its lease does not expire");
        scene.after_ms(4_000).misses(Part::Store);
        scene.after_ms(4_000).returns(Part::Store);
        scene.after_ms(1_000).time_passes();
    }
}

fn leases_stand_still_without(part: Part) {
    let mut scene = scene();
    scene.runs(1, without_speculation(2), &[(3, 1), (1, 1)]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    scene.joins("b").gives(["publish 1/0.1.0/1"]);
    scene.started("1/0.0.0/1", "a").gives([]);
    scene.started("1/0.1.0/1", "b").gives([]);
    scene.after_ms(14_000).misses(part).gives([]);
    let outage = scene.view(1).outage.unwrap();
    assert_eq!((outage.part, outage.reason.as_str()), (part, "connection refused"));
    for _ in 0..100 {
        scene.after_ms(60_000).time_passes().gives([]);
        assert!(scene.is_next_deadline_in_future());
    }
    scene.returns(part).gives([]);
    scene.after_ms(14_000).time_passes().gives([]);
    scene.progressed("1/0.0.0/1", "a", 0.5).gives([]);
    // The other worker really is gone.
    scene.after_ms(1_000).time_passes().gives(["stop 1/0.1.0/1 LeaseLost on b"]);
    assert_eq!((scene.view(1).attempts.lost, scene.view(1).attempts.failed), (1, 0));
}

#[test]
fn while_a_part_is_away_nothing_is_published_and_afterwards_slowly_at_first() {
    for part in Part::ALL {
        let mut scene = scene();
        scene.misses(part).gives([]);
        scene.runs(1, terms(64), &[(64, 1), (1, 1)]);
        for worker in 0..20 {
            scene.joins(&worker.to_string()).gives([]);
        }
        assert_eq!(scene.scheduler.pool().outages.len(), 1);
        let returned = scene.returns(part).commands.len();
        let mut published = vec![returned];
        let begun = scene.now_ms();
        while scene.now_ms() - begun < 1_000 {
            published.push(scene.after_ms(100).time_passes().commands.len());
        }
        assert_eq!(published[..6], [1, 1, 2, 4, 8, 4], "{part:?}");
        assert_eq!(scene.scheduler.pool().outages, []);
    }
}

#[test]
fn what_the_queue_has_lost_is_published_again_and_what_workers_have_goes_on() {
    let mut scene = scene();
    scene.runs(1, without_speculation(3), &[(3, 1), (1, 1)]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    scene.joins("b").gives(["publish 1/0.1.0/1"]);
    scene.joins("c").gives(["publish 1/0.2.0/1"]);
    scene.started("1/0.0.0/1", "a").gives([]);
    scene.misses(Part::Queue).gives([]);
    scene.queue_lost().gives([]);
    // As after every outage, slowly at first.
    scene.returns(Part::Queue).gives(["publish 1/0.1.0/2 resume"]);
    scene.after_ms(100).time_passes().gives(["publish 1/0.2.0/2 resume"]);
    assert_eq!((scene.view(1).attempts.failed, scene.view(1).attempts.lost), (0, 0));
    // The start of one was lost with the queue.
    scene.progressed("1/0.1.0/1", "b", 0.1).first("stop 1/0.1.0/1 LeaseLost on b");
    scene.does("1/0.1.0/2", "c").gives([]);
    scene.does("1/0.2.0/2", "b").gives([]);
    scene.after_ms(1_000).completed("1/0.0.0/1", "a").gives(["publish 1/1.0.0/1"]);
}

#[test]
fn a_server_that_stood_still_does_not_expire_leases() {
    let mut scene = scene();
    scene.runs(1, without_speculation(1), &[(1, 1)]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    scene.started("1/0.0.0/1", "a").gives([]);
    scene.after_ms(14_000).server_resumes().gives([]);
    scene.after_ms(14_000).time_passes().gives([]);
    scene.after_ms(1_001).time_passes().first("stop 1/0.0.0/1 LeaseLost on a");
}
