//! `distributed-average mean --plan`

use indicatif::{HumanBytes, HumanCount, HumanDuration};
use protocol::ValidRequest;
use protocol::job::{TensorSummary, TensorsSummary};
use std::time::Duration;

use super::found::as_paths;
use super::memory;
use crate::planning::Planner;

/// Prints the plan of the job.
pub(super) async fn print(
    planner: &Planner,
    request: &ValidRequest,
    workers: u32,
) -> anyhow::Result<()> {
    let (plan, inputs) = &planner.preview(request, workers).await.map_err(as_paths)?;
    let columns = match inputs.columns {
        Some(columns) => HumanCount(columns).to_string(),
        None => "known once the text has been read".to_owned(),
    };
    println!(
        "inputs    {} files, {}",
        HumanCount(plan.objects),
        HumanBytes(plan.estimate.input_bytes)
    );
    if let Some(weights) = inputs.weights {
        let left_out = match weights.left_out {
            0 => String::new(),
            count => format!(", {} files with weight 0 left out", HumanCount(count)),
        };
        println!("weights   from {:?} to {:?}{left_out}", weights.min, weights.max);
    }
    println!("format    {}", inputs.format.as_deref().unwrap_or("unknown"));
    println!("columns   {columns} (C)");
    if let Some(tensors) = &inputs.tensors {
        print_tensors("tensor  ", "tensors", tensors);
    }
    if let Some(variables) = &inputs.variables {
        print_tensors("variable", "variables", variables);
    }
    println!("workers   {workers} (W)");
    println!("fan-in    {} (P)", plan.fan_in);
    println!("segments  of {} columns", HumanCount(plan.segment_columns));
    for (number, level) in plan.levels.iter().enumerate() {
        println!(
            "level {number:<3} {} nodes × {} column ranges = {} tasks",
            HumanCount(level.nodes.into()),
            level.ranges,
            HumanCount(level.tasks())
        );
    }
    let estimate = &plan.estimate;
    println!("read      {}", HumanBytes(estimate.input_bytes));
    println!("read back {} of partial sums", HumanBytes(estimate.partial_read_bytes));
    println!("written   {} of partial sums", HumanBytes(estimate.written_bytes));
    println!("memory    {}", memory::describe(plan, inputs, workers, &request.statistics));
    if let Some(duration) = estimate.duration_ms {
        println!("time      about {}", describe_duration(duration));
    }
    Ok(())
}

/// Prints the tensors or variables that are averaged, with their types and shapes.
fn print_tensors(word: &str, words: &str, tensors: &TensorsSummary) {
    for TensorSummary { name, dtype, shape } in &tensors.first {
        let sides: Vec<String> = shape.iter().map(u64::to_string).collect();
        println!("{word}  {name} {dtype} [{}]", sides.join(", "));
    }
    let more = tensors.count - tensors.first.len() as u64;
    if more > 0 {
        println!("          and {} more {words}", HumanCount(more));
    }
}

/// A duration of milliseconds in the unit that a person would use.
fn describe_duration(millis: u64) -> String {
    match millis {
        0..1000 => format!("{} ms", millis.max(1)),
        _ => HumanDuration(Duration::from_millis(millis)).to_string(),
    }
}
