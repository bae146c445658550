//! Random simulations with faults.
//!
//! Bugs found here have their own tests in `rules.rs`, because the run of a seed
//! changes with the code.
//!
//! `SEED=n cargo test -p scheduler --features sim --test chaos` runs one of them.

use scheduler::sim::chaos;
use scheduler::sim::faults::Fired;

/// Number of simulations. They take about 15 seconds on two cores.
const SEEDS: u64 = 1_200;

#[test]
fn every_job_ends_in_the_right_phase_despite_faults() {
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
        assert!(times > 0, "{fault} was never injected");
    }
}
