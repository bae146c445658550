//! Thousands of small worlds full of faults, each from a seed.
//!
//! What they have found stands in `rules.rs`, as what it was: a seed means another
//! world as soon as anything changes.
//!
//! `SEED=n cargo test -p scheduler --features sim --test chaos` runs one of them.

use scheduler::sim::chaos;
use scheduler::sim::faults::Fired;

/// So many worlds; a quarter of a minute on two cores.
const SEEDS: u64 = 3_000;

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
