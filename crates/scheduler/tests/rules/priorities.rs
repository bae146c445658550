//! Priorities: how running jobs share the pool, and which waiting job starts next.

use protocol::Phase;
use protocol::request::Priority;
use scheduler::{JobTerms, Settings};

use super::scene::{Scene, terms};
use super::{SETTINGS, scene};

fn of(priority: Priority, workers: u32) -> JobTerms {
    JobTerms { priority, ..terms(workers) }
}

const ALL: [(u128, Priority); 3] = [(1, Priority::Low), (2, Priority::Normal), (3, Priority::High)];

#[test]
fn jobs_get_workers_in_proportion_to_their_priority_and_each_gets_one() {
    let mut scene = scene();
    for (number, priority) in ALL {
        scene.runs(number, of(priority, 64), &[(64, 1), (1, 1)]);
    }
    let mut published: Vec<String> = Vec::new();
    for worker in 0..21 {
        published.extend(scene.joins(&format!("w{worker}")).commands);
    }
    let count = |job: u128| {
        let begin = format!("publish {job}/");
        published.iter().filter(|line| line.starts_with(&begin)).count()
    };
    assert_eq!([1, 2, 3].map(count), [1, 4, 16], "{published:?}");
    // What has nothing in flight comes first, and of those the highest priority.
    let first: Vec<_> = published.iter().take(3).map(|line| &line[..10]).collect();
    assert_eq!(first, ["publish 3/", "publish 2/", "publish 1/"]);
}

#[test]
fn jobs_take_turns_on_a_pool_that_is_smaller_than_their_number() {
    let mut scene = scene();
    for number in 1..=3 {
        scene.runs(number, terms(1), &[(9, 1), (1, 1)]);
    }
    scene.joins("a").gives(["publish 1/0.0.0/1"]);
    scene.does("1/0.0.0/1", "a").gives(["publish 2/0.0.0/1"]);
    // A short one that comes later does not wait until one of the others ends.
    scene.runs(4, terms(1), &[(2, 1), (1, 1)]);
    scene.does("2/0.0.0/1", "a").gives(["publish 3/0.0.0/1"]);
    scene.does("3/0.0.0/1", "a").gives(["publish 4/0.0.0/1"]);
    scene.does("4/0.0.0/1", "a").gives(["publish 1/0.1.0/1"]);
}

#[test]
fn a_job_of_low_priority_has_its_turns_too() {
    let mut scene = scene();
    for (number, priority) in [(1, Priority::High), (2, Priority::High), (3, Priority::Low)] {
        scene.runs(number, of(priority, 1), &[(99, 1), (1, 1)]);
    }
    let mut published = scene.joins("a").commands;
    let mut served = Vec::new();
    for _ in 0..66 {
        let attempt = published[0].split(' ').nth(1).unwrap().to_owned();
        served.push(attempt[..1].to_owned());
        published = scene.does(&attempt, "a").commands;
    }
    let count = |job: &str| served.iter().filter(|it| *it == job).count();
    // In proportion to 4, 4 and a quarter.
    assert_eq!(["1", "2", "3"].map(count), [32, 32, 2], "{served:?}");
}

#[test]
fn no_priority_gives_more_than_w_workers() {
    let mut scene = scene();
    scene.runs(1, of(Priority::High, 2), &[(9, 1), (1, 1)]);
    scene.runs(2, of(Priority::Low, 9), &[(9, 1), (1, 1)]);
    for worker in 0..6 {
        scene.joins(&format!("w{worker}"));
    }
    let in_flight = [1, 2].map(|number| {
        let published = (0..9).filter(|node| scene.is_published(&format!("{number}/0.{node}.0/1")));
        published.count()
    });
    assert_eq!(in_flight, [2, 4]);
}

#[test]
fn a_waiting_job_of_higher_priority_starts_first() {
    let mut scene = Scene::new(Settings { running_jobs_max: 1, ..SETTINGS });
    scene.submit(9, terms(1));
    scene.planned_for(9, &[(9, 1), (1, 1)], 3_600_000);
    for (number, priority) in ALL {
        scene.submit(number, of(priority, 1));
        scene.planned_for(number, &[(9, 1), (1, 1)], 3_600_000);
    }
    let mut ends = 9;
    for next in [3, 2, 1] {
        assert_eq!(scene.phase(next), Phase::Planning);
        scene.cancel(ends);
        assert_eq!(scene.phase(next), Phase::Running, "after {ends}");
        ends = next;
    }
}
