//! What was stored is lost, and what was known is forgotten by a restart.

use protocol::Phase;
use protocol::task::StopReason;

use super::scene;
use super::scene::terms;

#[test]
fn a_lost_segment_is_computed_again_and_nothing_has_failed() {
    let mut scene = scene();
    scene.runs(1, terms(1), &[(2, 1), (1, 1)]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    scene.does("1/0.0.0/1", "a").gives(["publish 1/0.1.0/1"]);
    scene.does("1/0.1.0/1", "a").gives(["publish 1/1.0.0/1"]);
    scene.started("1/1.0.0/1", "a").gives([]);
    scene.loses("1/1.0.0/1", "a", 1, 3).gives(["publish 1/0.1.0/2 resume"]);
    assert_eq!(scene.view(1).progress[0].completed, 1);
    scene.does("1/0.1.0/2", "a").gives(["publish 1/1.0.0/2 resume"]);
    scene.does("1/1.0.0/2", "a").gives(["write 1 columns 1000"]);
    let attempts = scene.view(1).attempts;
    assert_eq!((attempts.failed, attempts.lost), (0, 0));
}

#[test]
fn losses_are_found_down_to_the_inputs() {
    let mut scene = scene();
    scene
        .restored(1, terms(1), &[(2, 1), (1, 1)], &["0.0.0", "0.1.0", "1.0.0"])
        .gives(["write 1 columns 1000"]);
    scene.joins("a").gives([]);
    scene.total_damaged(1, 7).gives(["publish 1/1.0.0/1 resume"]);
    assert_eq!(scene.phase(1), Phase::Running);
    scene.started("1/1.0.0/1", "a").gives([]);
    scene.loses("1/1.0.0/1", "a", 0, 7).gives(["publish 1/0.0.0/1 resume"]);
    scene.does("1/0.0.0/1", "a").gives(["publish 1/1.0.0/2 resume"]);
    scene.started("1/1.0.0/2", "a").gives([]);
    scene.loses("1/1.0.0/2", "a", 1, 7).gives(["publish 1/0.1.0/1 resume"]);
    scene.does("1/0.1.0/1", "a").gives(["publish 1/1.0.0/3 resume"]);
    scene.does("1/1.0.0/3", "a").gives(["write 1 columns 1000"]);
    scene.written(1).gives(["end 1 done"]);
}

#[test]
fn a_lost_segment_reopens_only_its_range() {
    let mut scene = scene();
    // Each leaf range of four segments is the input of two ranges of the root.
    let leaves = ["0.0.0", "0.0.1", "0.1.0", "0.1.1"];
    scene.restored(1, terms(1), &[(2, 2), (1, 4)], &leaves).gives([]);
    scene.joins("a").gives(["publish 1/1.0.0/1 resume"]);
    scene.does("1/1.0.0/1", "a").gives(["publish 1/1.0.1/1 resume"]);
    scene.started("1/1.0.1/1", "a").gives([]);
    scene.loses("1/1.0.1/1", "a", 1, 3).gives(["publish 1/1.0.2/1 resume"]);
    scene.does("1/1.0.2/1", "a").gives(["publish 1/1.0.3/1 resume"]);
    scene.does("1/1.0.3/1", "a").gives(["publish 1/0.1.0/1 resume"]);
    scene.does("1/0.1.0/1", "a").gives(["publish 1/1.0.1/2 resume"]);
    scene.does("1/1.0.1/2", "a").gives(["write 1 columns 1000"]);
}

#[test]
fn a_resumed_job_goes_on_where_it_stands_and_ignores_who_read_other_inputs() {
    let mut scene = scene();
    scene.runs(1, terms(2), &[(3, 1), (1, 1)]);
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    scene.joins("b").gives(["publish 1/0.1.0/1"]);
    scene.does("1/0.0.0/1", "a").gives(["publish 1/0.2.0/1"]);
    scene.started("1/0.1.0/1", "b").gives([]);
    scene.started("1/0.2.0/1", "a").gives([]);
    scene.fails("1/0.1.0/1", "b", false).gives(["end 1 failed: disk full"]);
    // The worker that executes the third leaf stands still meanwhile.
    scene
        .resumed(1, terms(2), &[(3, 1), (1, 1)], &["0.0.0"])
        .gives(["publish 1/0.1.0/1001 resume"]);
    assert_eq!(scene.phase(1), Phase::Running);
    assert_eq!(scene.view(1).progress[0].completed, 1);
    scene.does("1/0.1.0/1001", "b").gives(["publish 1/0.2.0/1001 resume"]);
    scene.progressed("1/0.2.0/1", "a", 0.9).gives(["stop 1/0.2.0/1 JobOver on a"]);
    scene.completed("1/0.2.0/1", "a").gives([]);
    assert_eq!(scene.view(1).progress[0].completed, 2, "it has read other inputs");
    // Nor can an old input fail the job.
    scene.fails("1/0.1.0/1", "a", false).gives([]);
    scene.does("1/0.2.0/1001", "b").gives(["publish 1/1.0.0/1001 resume"]);
    scene.does("1/1.0.0/1001", "a").gives(["write 1 columns 1000"]);
    scene.written(1).gives(["end 1 done"]);
}

#[test]
fn a_loss_that_cannot_be_is_only_a_task_handed_back() {
    let mut scene = scene();
    scene.restored(1, terms(1), &[(2, 1), (1, 1)], &["0.0.0", "0.1.0"]).gives([]);
    scene.joins("a").gives(["publish 1/1.0.0/1 resume"]);
    scene.started("1/1.0.0/1", "a").gives([]);
    scene.loses("1/1.0.0/1", "a", 2, 0).gives(["publish 1/1.0.0/2 resume"]);
    scene.started("1/1.0.0/2", "a").gives([]);
    scene.loses("1/1.0.0/2", "a", 0, 8).gives(["publish 1/1.0.0/3 resume"]);
    scene.total_damaged(1, 0).gives([]);
}

#[test]
fn a_store_that_damages_everything_fails_the_job_in_the_end() {
    let mut scene = scene();
    scene.restored(1, terms(1), &[(2, 1), (1, 1)], &["0.0.0", "0.1.0"]).gives([]);
    scene.joins("a").gives(["publish 1/1.0.0/1 resume"]);
    for round in 1..=15 {
        scene.started(&format!("1/1.0.0/{round}"), "a").gives([]);
        let again = format!("publish 1/0.0.0/{round} resume");
        scene.loses(&format!("1/1.0.0/{round}"), "a", 0, 0).gives([again.as_str()]);
        let again = format!("publish 1/1.0.0/{} resume", round + 1);
        scene.does(&format!("1/0.0.0/{round}"), "a").gives([again.as_str()]);
    }
    scene.started("1/1.0.0/16", "a").gives([]);
    scene
        .loses("1/1.0.0/16", "a", 0, 0)
        .gives(["end 1 failed: the partial sums of task 0.0.0 were damaged 16 times"]);
}

/// The server was restarted while the root was added: nothing but the completion of the
/// root tells C.
#[test]
fn c_is_learned_from_a_root_that_completes_after_a_restart() {
    let mut scene = scene();
    scene.restored_text(1, terms(2), &[(2, 1), (1, 1)]).gives([]);
    scene.completed("1/1.0.0/1", "a").gives(["write 1 columns 1000"]);
    scene.written(1).gives(["end 1 done"]);
}

/// The server was restarted while the level below the root was added.
#[test]
fn a_merge_that_is_ready_after_a_restart_is_told_c() {
    let mut scene = scene();
    scene.restored_text(1, terms(3), &[(4, 1), (2, 1), (1, 1)]).gives([]);
    scene.joins("b").gives(["publish 1/0.0.0/1 resume"]);
    assert_eq!(scene.columns("1/0.0.0/1"), None);
    scene.completed("1/1.0.0/2", "a").gives(["publish 1/0.1.0/1 resume"]);
    scene.completed("1/1.1.0/1", "a").gives([]);
    scene.joins("c").gives(["publish 1/2.0.0/1 resume"]);
    assert_eq!(scene.columns("1/2.0.0/1"), Some(1000));
}

#[test]
fn a_worker_that_left_before_its_report_arrived_has_not_died() {
    let mut scene = scene();
    scene.runs(1, terms(1), &[(1, 1)]);
    for number in 1..=6 {
        let (worker, attempt) = (format!("w{number}"), format!("1/0.0.0/{number}"));
        scene.joins(&worker);
        scene.started(&attempt, &worker);
        scene.leaves(&worker);
        scene.stopped(&attempt, &worker, StopReason::WorkerLeaves);
        assert_eq!(scene.phase(1), Phase::Running, "{number} workers have left");
    }
}
