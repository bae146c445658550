//! Properties of all plans, and examples.

use proptest::prelude::*;
use protocol::{FanIn, Plan};
use scheduler::plan::{Costs, PlanInputs, PlanLimits, plan};

fn npy(objects: u64, columns: u64) -> PlanInputs {
    PlanInputs {
        objects,
        bytes: objects * columns * 8,
        columns: Some(columns),
        columns_estimate: columns,
        seekable: true,
        ..PlanInputs::default()
    }
}

fn text(objects: u64, columns: u64) -> PlanInputs {
    PlanInputs {
        objects,
        bytes: objects * columns * 18,
        columns_estimate: columns,
        ..PlanInputs::default()
    }
}

fn embedded(inputs: &PlanInputs, fan_in: FanIn, workers: u32) -> Plan {
    plan(inputs, fan_in, workers, &PlanLimits::default(), &Costs::EMBEDDED)
}

/// The number of nodes, the number of ranges and the fan-in of every level.
fn shape(plan: &Plan) -> Vec<(u32, u32, u32)> {
    plan.levels.iter().map(|level| (level.nodes, level.ranges, level.fan_in)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_plan_is_a_tree_of_nested_ranges(
        objects in prop_oneof![1..200_u64, 1..1_000_000_u64],
        columns in prop_oneof![1..1_000_u64, 1..100_000_000_u64],
        workers in prop_oneof![1..10_u32, 1..10_000_u32],
        fan_in in prop_oneof![Just(FanIn::Auto), (2..100_u32).prop_map(FanIn::Fixed)],
        kind in 0..3_u8,
        costs in proptest::sample::select(&[Costs::REAL, Costs::EMBEDDED, Costs::FILES][..]),
    ) {
        let mut inputs = if kind == 0 { npy(objects, columns) } else { text(objects, columns) };
        inputs.compressed = kind == 2;
        let limits = PlanLimits::default();
        let plan = plan(&inputs, fan_in, workers, &limits, &costs);

        // Every input belongs to exactly one node, level by level up to one root.
        let mut below = objects;
        for (number, level) in (0_u8..).zip(&plan.levels) {
            let mut next = 0;
            for node in 0..level.nodes {
                let inputs = plan.node_inputs(number, node);
                prop_assert_eq!(inputs.start, next);
                prop_assert!(inputs.end > inputs.start);
                next = inputs.end;
            }
            prop_assert_eq!(next, below);
            below = u64::from(level.nodes);
        }
        prop_assert_eq!(below, 1);

        // Ranges nest and cover all segments.
        let segments = columns.div_ceil(plan.segment_columns);
        // With workers of equal speed, multiples of a block are allowed too.
        prop_assert!(
            plan.segment_columns.is_power_of_two()
                || costs == Costs::FILES && plan.segment_columns.is_multiple_of(1024)
        );
        prop_assert!(plan.segment_columns <= limits.segment_columns);
        for level in &plan.levels {
            prop_assert_eq!(u64::from(level.ranges), segments.div_ceil(level.range_segments));
        }
        for pair in plan.levels.windows(2) {
            prop_assert_eq!(pair[0].range_segments % pair[1].range_segments, 0);
        }

        // A fixed fan-in is kept. Text has one range per leaf node.
        if let FanIn::Fixed(fan_in) = fan_in {
            prop_assert!(plan.levels.iter().all(|level| level.fan_in == fan_in));
        }
        if kind > 0 {
            prop_assert_eq!(plan.levels[0].ranges, 1);
        }
        if fan_in == FanIn::Auto && inputs.compressed && segments > 1 {
            prop_assert!(plan.levels[0].fan_in <= limits.open_objects);
        }

        // The limits bound the memory.
        let most = u64::from(limits.open_objects) * limits.block_bytes
            + 3 * 16 * limits.segment_columns;
        prop_assert!(plan.estimate.worker_memory_bytes <= most);
    }
}

#[test]
fn forty_small_objects_with_fan_in_five() {
    let plan = embedded(&text(40, 10_000), FanIn::Fixed(5), 2);
    assert_eq!(shape(&plan), [(8, 1, 5), (2, 1, 5), (1, 1, 5)]);
}

#[test]
fn one_small_object_is_one_task() {
    for inputs in [npy(1, 1), text(1, 1), npy(1, 1_000)] {
        assert_eq!(embedded(&inputs, FanIn::Auto, 8).tasks(), 1);
    }
}

#[test]
fn few_large_objects_are_split_by_columns() {
    let plan = embedded(&npy(8, 40_000_000), FanIn::Auto, 4);
    assert_eq!(plan.levels.len(), 1, "nothing is read back");
    assert!(plan.tasks() >= 4 * 4, "{} tasks for 4 workers", plan.tasks());
    assert_eq!(plan.estimate.partial_read_bytes, 0);
    // The memory limit for these inputs is 160 MiB.
    assert!(plan.estimate.worker_memory_bytes < 160 << 20);
}

#[test]
fn every_level_has_tasks_for_most_workers() {
    let workers = 16;
    let plan = embedded(&npy(1_000, 10_000_000), FanIn::Fixed(10), workers);
    for level in &plan.levels {
        assert!(2 * level.tasks() >= u64::from(workers), "{level:?}");
    }
}

#[test]
fn many_workers_do_not_make_segments_small_where_requests_would_cost_more_than_they_gain() {
    let inputs = npy(10_000, 10_000_000);
    let plan = plan(&inputs, FanIn::Auto, 100, &PlanLimits::default(), &Costs::REAL);
    // A request of a segment of 65,536 columns takes longer to begin than to read.
    assert!(plan.segment_columns >= 1 << 19, "{} columns", plan.segment_columns);
}

#[test]
fn equally_fast_workers_get_equal_numbers_of_leaf_tasks_of_text() {
    for workers in [2, 3, 7] {
        let inputs = text(100, 100_000);
        let plan = plan(&inputs, FanIn::Auto, workers, &PlanLimits::default(), &Costs::FILES);
        assert_eq!(plan.levels[0].nodes % workers, 0, "{:?}", shape(&plan));
    }
}

#[test]
fn equally_fast_workers_get_equal_numbers_of_columns() {
    for workers in [2, 3, 5] {
        let columns = 1_000_000;
        let inputs = npy(100, columns);
        let plan = plan(&inputs, FanIn::Auto, workers, &PlanLimits::default(), &Costs::FILES);
        let leaves = &plan.levels[0];
        assert_eq!(leaves.tasks() % u64::from(workers), 0, "{:?}", shape(&plan));
        // The last range has at least 90 % of the width of the others.
        let width = leaves.range_segments * plan.segment_columns;
        let last = columns - u64::from(leaves.ranges - 1) * width;
        assert!(last * 10 > width * 9, "{last} of {width} columns: {:?}", shape(&plan));
    }
}

#[test]
fn few_text_objects_give_a_task_for_every_worker() {
    let plan = embedded(&text(4, 1_000_000), FanIn::Auto, 2);
    assert!(plan.levels[0].nodes >= 2, "{:?}", shape(&plan));
}

#[test]
fn every_worker_gets_several_leaf_tasks_for_any_number_of_objects() {
    for objects in [1_000, 10_000, 100_000, 1_000_000] {
        let plan = embedded(&npy(objects, 10_000), FanIn::Auto, 8);
        let per_worker = plan.levels[0].tasks() / 8;
        assert!(per_worker >= 4, "{objects} objects: {per_worker} leaf tasks a worker");
    }
}

#[test]
fn the_estimate_counts_partial_sums_read_and_written() {
    let plan = embedded(&npy(40, 10_000), FanIn::Fixed(5), 2);
    let sum_bytes = 10_000 * 16;
    assert_eq!(plan.estimate.input_bytes, 40 * 10_000 * 8);
    assert!(plan.estimate.partial_read_bytes >= (8 + 2) * sum_bytes);
    assert!(plan.estimate.partial_read_bytes < (8 + 2) * (sum_bytes + 10_000));
    assert!(plan.estimate.written_bytes >= (8 + 2 + 1) * sum_bytes);
    assert!(plan.estimate.written_bytes < (8 + 2 + 1) * (sum_bytes + 10_000));
    assert!(plan.estimate.duration_ms.is_some_and(|ms| ms > 0));
}

/// What was measured: 50,006 tasks in 11.4 s by two embedded workers, 15.3 MB written.
#[test]
fn the_estimate_of_many_small_tasks_is_what_was_measured() {
    let plan = embedded(&text(200_005, 10), FanIn::Fixed(5), 2);
    assert_eq!(plan.tasks(), 50_006);
    let written = plan.estimate.written_bytes;
    assert!((14_500_000..16_000_000).contains(&written), "{written}");
    let duration_ms = plan.estimate.duration_ms.unwrap();
    assert!((9_000..14_000).contains(&duration_ms), "{duration_ms}");
}
