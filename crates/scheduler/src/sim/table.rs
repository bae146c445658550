//! The printed tables: policies, job sizes, and the scale test.

use std::fmt::Write as _;

use protocol::request::FanIn;

use super::disruption::{self, DISRUPTIONS};
use super::scenario::{Reading, SCENARIOS, Scenario, Speeds, TEXT};
use super::sharing::{self, SCALING};
use super::terms::Truth;
use crate::plan::Costs;
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
    compared(SCENARIOS, seeds)
}

/// Runs the scenarios of text under every policy. Returns a table in Markdown.
///
/// # Errors
/// A description of the failure.
pub fn text(seeds: u32) -> Result<String, String> {
    compared(TEXT, seeds)
}

fn compared(scenarios: &[Scenario], seeds: u32) -> Result<String, String> {
    let mut table = String::from("| scenario |");
    for (name, _) in POLICIES {
        let _ = write!(table, " {name} |");
    }
    table.push_str(" plan |\n| --- |");
    table.push_str(&" --- |".repeat(POLICIES.len() + 1));
    table.push('\n');
    for scenario in scenarios {
        let _ = write!(table, "| {} |", scenario.name);
        let mut overhead = 0.0;
        for (_, rule) in POLICIES {
            let score = scenario.score(rule, seeds)?;
            overhead = score.time / score.of_plan;
            let _ = write!(
                table,
                " {:.3} · {:.1} % · {:.1} % |",
                score.time,
                score.twice * 100.0,
                score.idle * 100.0
            );
        }
        let _ = writeln!(table, " {overhead:.3} |");
    }
    Ok(table)
}

/// Runs every scenario with our rule and tells how attempts are thrown about. Returns a table
/// in Markdown.
///
/// # Errors
/// A description of the failure.
pub fn stopped(seeds: u32) -> Result<String, String> {
    let mut table = String::from(
        "| scenario | attempts stopped | most attempts at a task | server occupied |\n\
         | --- | --- | --- | --- |\n",
    );
    for scenario in SCENARIOS {
        let score = scenario.score(Rule::Resume, seeds)?;
        let _ = writeln!(
            table,
            "| {} | {:.2} % | {:.0} | {:.1} % |",
            scenario.name,
            score.stopped * 100.0,
            score.attempts_most,
            score.server * 100.0
        );
    }
    Ok(table)
}

/// Runs jobs that share a pool. Returns a table in Markdown.
///
/// # Errors
/// A description of the failure.
pub fn sharing() -> Result<String, String> {
    let mut table = String::from("| job | alone | shared | times |\n| --- | --- | --- | --- |\n");
    for row in sharing::rows() {
        let shared = row.run()?;
        let _ = writeln!(
            table,
            "| {} | {:.1} s | {:.1} s | {:.2} |",
            row.name,
            shared.alone_secs,
            shared.shared_secs,
            shared.shared_secs / shared.alone_secs
        );
    }
    Ok(table)
}

/// Runs jobs for which the pool is scaled. Returns a table in Markdown.
///
/// # Errors
/// A description of the failure.
pub fn scaling() -> Result<String, String> {
    let mut table = String::from(
        "| job | levels | time | busy | idle | idle / busy | saved |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for row in SCALING {
        let scaled = row.run()?;
        let _ = writeln!(
            table,
            "| {} | {} | {:.0} s | {:.0} s | {:.0} s | {:.1} % | {:.0} s |",
            row.name,
            scaled.levels,
            scaled.secs,
            scaled.busy_secs,
            scaled.idle_secs,
            scaled.idle_secs / scaled.busy_secs * 100.0,
            scaled.unscaled_secs - scaled.busy_secs - scaled.idle_secs,
        );
    }
    Ok(table)
}

/// Runs a job during each kind of outage. Returns a table in Markdown.
///
/// # Errors
/// A description of the failure.
pub fn disruptions(seeds: u32) -> Result<String, String> {
    let mut table = String::from(
        "| disruption | longer by | beyond the outage | more duplicate work |\n\
         | --- | --- | --- | --- |\n",
    );
    for &(name, what) in DISRUPTIONS {
        let cost = disruption::cost(&disrupted(), what, seeds)?;
        let _ = writeln!(
            table,
            "| {name} | {:.1} s | {:.1} s | {:.2} % |",
            cost.longer_secs,
            cost.beyond_secs,
            cost.twice * 100.0
        );
    }
    Ok(table)
}

/// The job that is disrupted: some minutes on 40 workers.
#[must_use]
pub fn disrupted() -> Scenario {
    Scenario {
        name: "disrupted",
        objects: 4_000,
        columns: 10_000_000,
        reading: Reading::AnyColumn,
        fan_in: FanIn::Auto,
        workers: 40,
        speeds: Speeds::Uniform,
        truth: Truth::REAL,
    }
}

/// Runs the [`grid`] of job sizes without stragglers. Returns a table in Markdown.
///
/// # Errors
/// A description of the failure.
pub fn sizes() -> Result<String, String> {
    let mut table = String::from(
        "| F | C | W | P | tasks | time / bound | of the plan | utilization | duplicate work | server |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for scenario in grid() {
        let (world, bounds) = scenario.run(Rule::Resume, 0)?;
        let score = scenario.score_of(&world, bounds);
        let (fan_in, tasks) =
            world.plans().map(|plan| (plan.fan_in, plan.tasks())).next().unwrap_or_default();
        let busy = score.busy.map_or_else(|| "–".to_owned(), |b| format!("{:.1} %", b * 100.0));
        let _ = writeln!(
            table,
            "| {} | {} | {} | {fan_in} | {tasks} | {:.3} | {:.3} | {busy} | {:.2} % | {:.1} % |",
            scenario.objects,
            scenario.columns,
            scenario.workers,
            score.time,
            score.of_plan,
            score.twice * 100.0,
            score.server * 100.0,
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
                reading: Reading::AnyColumn,
                fan_in: FanIn::Auto,
                workers,
                speeds: Speeds::Uniform,
                truth: Truth::as_planned(Costs::REAL),
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
        reading: Reading::AnyColumn,
        fan_in: FanIn::Fixed(2),
        workers: 10_000,
        speeds: Speeds::OneInTen,
        truth: Truth::as_planned(Costs::REAL),
    }
}
