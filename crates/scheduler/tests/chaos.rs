//! Thousands of small worlds full of faults, each from a seed.
//!
//! `SEED=n cargo test -p scheduler --features sim --test chaos` runs one of them.

use scheduler::sim::chaos;
use scheduler::sim::faults::Fired;

/// So many worlds; about a minute on two cores.
const SEEDS: u64 = 4_000;

#[test]
fn every_job_ends_as_it_should_whatever_goes_wrong() {
    if let Some(seed) = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()) {
        chaos::run(seed).unwrap_or_else(|broken| panic!("{broken}"));
        return;
    }
    let halves = [0, 1].map(|half| {
        std::thread::spawn(move || {
            let mut fired = Fired::default();
            for seed in (half..SEEDS).step_by(2) {
                let world = chaos::run(seed).unwrap_or_else(|broken| panic!("{broken}"));
                fired.add(&world);
            }
            fired
        })
    });
    let mut fired = Fired::default();
    for half in halves {
        fired.add(&half.join().unwrap());
    }
    for (fault, times) in fired.each() {
        assert!(times > 0, "{fault} never happened");
    }
}

/// A server started anew when a job lacked nothing but its result: the job
/// waited for a task that did not exist.
#[test]
fn seed_217_restarted_between_the_total_and_the_result() {
    chaos::run(217).unwrap();
}

/// The only worker took a delivery that the scheduler had withdrawn as the
/// pool had grown, and its word overtook that of its joining.
#[test]
fn seed_60_an_unknown_worker_takes_what_was_published_ahead() {
    chaos::run(60).unwrap();
}

/// A worker that had been told to go took one more attempt, so that a job had
/// more than W.
#[test]
fn seed_55_a_draining_worker_takes_what_was_published_ahead() {
    chaos::run(55).unwrap();
}

/// The first attempt was lost while the second went on, which then was helped
/// by a third.
#[test]
fn seed_43_a_second_attempt_goes_on_alone() {
    chaos::run(43).unwrap();
}
