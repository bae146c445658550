//! The printed tables: policies, job sizes, and the scale test.

use std::fmt::Write as _;

use protocol::request::FanIn;

use super::scenario::{SCENARIOS, Scenario, Speeds};
use crate::speculation::Rule;

/// The names and rules of the compared policies.
pub const POLICIES: [(&str, Rule); 6] = [
    ("none", Rule::Never),
    ("original", Rule::Original),
    ("Spark 4", Rule::Spark),
    ("Cubed", Rule::Cubed),
    ("LATE", Rule::Late),
    ("ours", Rule::Resume),
];

/// Runs every scenario under every policy. Returns a table in Markdown.
///
/// # Errors
/// A description of the failure.
pub fn policies(seeds: u32) -> Result<String, String> {
    let mut table = String::from("| scenario |");
    for (name, _) in POLICIES {
        let _ = write!(table, " {name} |");
    }
    table.push_str("\n| --- |");
    table.push_str(&" --- |".repeat(POLICIES.len()));
    table.push('\n');
    for scenario in SCENARIOS {
        let _ = write!(table, "| {} |", scenario.name);
        for (_, rule) in POLICIES {
            let score = scenario.score(rule, seeds)?;
            let _ = write!(
                table,
                " {:.3} · {:.1} % · {:.1} % |",
                score.time,
                score.twice * 100.0,
                score.idle * 100.0
            );
        }
        table.push('\n');
    }
    Ok(table)
}

/// Runs the [`grid`] of job sizes without stragglers. Returns a table in Markdown.
///
/// # Errors
/// A description of the failure.
pub fn sizes() -> Result<String, String> {
    let mut table = String::from(
        "| F | C | W | P | tasks | time / bound | utilization | duplicate work |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for scenario in grid() {
        let (world, bound_us) = scenario.run(Rule::Resume, 0)?;
        let score = scenario.score_of(&world, bound_us);
        let (fan_in, tasks) =
            world.plans().map(|plan| (plan.fan_in, plan.tasks())).next().unwrap_or_default();
        let busy = score.busy.map_or_else(|| "–".to_owned(), |b| format!("{:.1} %", b * 100.0));
        let _ = writeln!(
            table,
            "| {} | {} | {} | {fan_in} | {tasks} | {:.3} | {busy} | {:.2} % |",
            scenario.objects,
            scenario.columns,
            scenario.workers,
            score.time,
            score.twice * 100.0,
        );
    }
    Ok(table)
}

/// Job sizes with about two minutes of work for every worker.
#[must_use]
pub fn grid() -> Vec<Scenario> {
    let mut grid = Vec::new();
    for objects in [10, 100, 1_000, 10_000, 100_000, 1_000_000] {
        for workers in [1, 10, 100, 1_000, 10_000] {
            // About two minutes of work for every worker.
            let numbers = u64::from(workers) * 3_000_000_000;
            let columns = (numbers / objects).max(1_000);
            grid.push(Scenario {
                name: "",
                objects,
                columns,
                seekable: true,
                fan_in: FanIn::Auto,
                workers,
                speeds: Speeds::Uniform,
                heartbeat_us: 5_000_000,
            });
        }
    }
    grid
}

/// A million leaf tasks on ten thousand workers.
#[must_use]
pub fn million() -> Scenario {
    Scenario {
        name: "a million leaf tasks",
        objects: 2_000_000,
        columns: 50_000,
        seekable: true,
        fan_in: FanIn::Fixed(2),
        workers: 10_000,
        speeds: Speeds::OneInTen,
        heartbeat_us: 5_000_000,
    }
}
