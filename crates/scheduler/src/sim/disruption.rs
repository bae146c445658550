//! One job during an outage: what it costs beside the same job without one.

use protocol::Phase;

use super::scenario::Scenario;
use super::sim_event::SimEvent;
use super::terms::Terms;
use super::worker::Speed;
use super::world::World;
use crate::Settings;

/// What happens in the midst of a job.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Disruption {
    /// The broker does not answer for so many seconds, and loses its messages if `true`.
    Broker(u64, bool),
    /// The store does not answer for so many seconds.
    Store(u64),
    /// A node with a quarter of the workers is lost; they are back within a minute.
    Node,
    /// The server is restarted.
    Server,
}

/// The disruptions of the table.
pub const DISRUPTIONS: &[(&str, Disruption)] = &[
    ("broker away for 60 s", Disruption::Broker(60, false)),
    ("broker away for 60 s and wiped", Disruption::Broker(60, true)),
    ("store away for 15 s", Disruption::Store(15)),
    ("store away for 10 min", Disruption::Store(600)),
    ("a node of four lost", Disruption::Node),
    ("server restarted", Disruption::Server),
];

/// What a disruption cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// How much longer the job took, in seconds.
    pub longer_secs: f64,
    /// By how much more than an outage in which no work is done.
    pub beyond_secs: f64,
    /// Additional duplicate work as a fraction of the useful work.
    pub twice: f64,
}

/// Runs a scenario with and without a disruption, with the seeds from 0 to `seeds`. Returns
/// the mean cost.
///
/// # Errors
/// A description of the failure, such as that the job was not completed.
pub fn cost(scenario: &Scenario, what: Disruption, seeds: u32) -> Result<Cost, String> {
    let mut mean = Cost::default();
    let weight = 1.0 / f64::from(seeds);
    for seed in 0..u64::from(seeds) {
        let undisturbed = run(scenario, None, seed)?;
        let disturbed = run(scenario, Some((what, undisturbed.measures.end_us / 3)), seed)?;
        let longer_us = disturbed.measures.end_us as f64 - undisturbed.measures.end_us as f64;
        let longer_secs = longer_us / 1e6;
        let twice = |world: &World| world.measures.double_work / world.measures.useful_work;
        let away_secs = match what {
            Disruption::Broker(secs, _) | Disruption::Store(secs) => secs as f64,
            Disruption::Node | Disruption::Server => 0.0,
        };
        mean.longer_secs += longer_secs * weight;
        mean.beyond_secs += (longer_secs - away_secs) * weight;
        mean.twice += (twice(&disturbed) - twice(&undisturbed)) * weight;
    }
    Ok(mean)
}

fn run(
    scenario: &Scenario,
    disruption: Option<(Disruption, u64)>,
    seed: u64,
) -> Result<World, String> {
    let terms = Terms {
        settings: Settings { external_pool: true, ..Settings::default() },
        ..Terms::default()
    };
    let nodes = ["a", "b", "c", "d"].into_iter().cycle();
    let speeds: Vec<_> =
        nodes.map(|node| (Speed::steady(1.0), node)).take(scenario.workers as usize).collect();
    let mut world = World::new(terms, seed, &speeds, vec![scenario.load()]);
    if let Some((what, at)) = disruption {
        let event = match what {
            Disruption::Broker(secs, is_wiped) => SimEvent::BrokerLeft(secs * 1_000_000, is_wiped),
            Disruption::Store(secs) => SimEvent::StoreLeft(secs * 1_000_000),
            Disruption::Node => SimEvent::NodeLost("b"),
            Disruption::Server => SimEvent::ServerRestarted,
        };
        world.schedule(at, event);
    }
    world.run()?;
    if let Some(phase) = world.ended.values().find(|phase| **phase != Phase::Done) {
        return Err(format!("the job ended as {phase:?}"));
    }
    Ok(world)
}
