//! Columns some of whose values are missing and left out: the mean and the statistics of
//! the others, by whatever tree.

use proptest::prelude::*;
use protocol::request::{Choice, Missing, Statistic};
use summation::{PartialSum, Trailer};

use crate::numbers::{EDGES, KINDS, Random, cases};
use crate::oracle::{self, assert_same};
use crate::trees::{read_in_pieces, shuffle};

const ALL: &[Statistic] = Statistic::ALL;

/// Objects in which values are missing, of columns that are difficult in other ways too:
/// numbers that cancel, edges of the range, infinities, and columns without any value.
fn objects(random: &mut Random, count: usize, columns: usize) -> Vec<Vec<f64>> {
    let kinds: Vec<(usize, usize)> =
        (0..columns).map(|_| (random.below(KINDS + 2), random.below(5))).collect();
    let mut objects: Vec<Vec<f64>> = Vec::new();
    for index in 0..count {
        let object = kinds.iter().enumerate().map(|(column, &(kind, missing))| {
            let is_missing = match missing {
                0 => false,
                1 => random.below(20) == 0,
                2 => random.below(2) == 0,
                // All but about one.
                3 => random.below(count) > 0,
                _ => column % 7 == 0 || random.below(3) == 0,
            };
            match kind {
                _ if is_missing => {
                    if random.below(2) == 0 {
                        f64::NAN
                    } else {
                        -f64::NAN
                    }
                }
                // What an object before has, cancelled.
                kind if kind == KINDS && index > 0 => -objects[random.below(index)][column],
                kind if kind > KINDS => EDGES[random.below(EDGES.len())],
                kind => random.number(kind % KINDS),
            }
        });
        let object = object.collect();
        objects.push(object);
    }
    objects
}

/// The sum of some objects by a random tree, each added in pieces.
fn tree(random: &mut Random, objects: &[Vec<f64>]) -> PartialSum {
    let columns = objects[0].len();
    let mut sum = PartialSum::with_missing(columns, ALL, Missing::Skip);
    if objects.len() <= 2 || random.below(4) == 0 {
        for object in objects {
            let mut start = 0;
            while start < columns {
                let length = 1 + random.below(columns - start);
                sum.add_numbers(start, &object[start..start + length]);
                start += length;
            }
            sum.count_objects(1);
        }
        return sum;
    }
    let middle = 1 + random.below(objects.len() - 1);
    for half in [&objects[..middle], &objects[middle..]] {
        let bytes = tree(random, half).encode(&Trailer::default());
        read_in_pieces(random, &bytes, &mut sum);
    }
    sum
}

/// Compares every column with rational arithmetic on the values that it has; returns the
/// number of columns in which values were missing.
fn check(random: &mut Random, count: usize, columns: usize) -> usize {
    let mut objects = objects(random, count, columns);
    let sum = tree(random, &objects);
    let bytes = sum.encode(&Trailer::default());
    shuffle(random, &mut objects);
    assert!(tree(random, &objects).encode(&Trailer::default()) == bytes, "one encoding");
    let mean = sum.mean();
    let statistics: Vec<Vec<f64>> =
        ALL.iter().map(|&statistic| sum.statistic(statistic).expect("asked for")).collect();
    let mut with_missing = 0;
    for column in 0..columns {
        let values = objects.iter().map(|object| object[column]);
        let present: Vec<f64> = values.filter(|value| !value.is_nan()).collect();
        with_missing += usize::from(present.len() < count);
        let is_empty = present.is_empty();
        let expected = if is_empty { f64::NAN } else { oracle::mean(&present) };
        assert_same(mean[column], expected, &present);
        for (&statistic, found) in ALL.iter().zip(&statistics) {
            let expected = match statistic {
                Statistic::Count => present.len() as f64,
                _ if is_empty => f64::NAN,
                _ => oracle::statistic(statistic, &present),
            };
            assert_same(found[column], expected, &present);
        }
    }
    with_missing
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn are_left_out_exactly_by_any_tree(seed: u64, count in 1usize..12, columns in 1usize..40) {
        check(&mut Random(seed), count, columns);
    }
}

#[test]
fn are_left_out_across_blocks_of_columns() {
    let mut random = Random(17);
    for columns in [1023, 1024, 1025, 2100] {
        assert!(check(&mut random, 7, columns) > columns / 2);
    }
}

/// The long form of the tests above.
#[test]
#[ignore = "it takes minutes"]
fn are_left_out_exactly_of_a_million_columns() {
    let mut random = Random(18);
    let (mut columns, mut with_missing) = (0, 0);
    while columns < 1_000_000 {
        let (count, some) = (1 + random.below(24), 1 + random.below(3000));
        with_missing += check(&mut random, count, some);
        columns += some;
    }
    println!("{columns} columns, {with_missing} of them with missing values: all as expected");
    assert!(with_missing > columns / 2);
}

#[test]
fn an_infinity_is_a_value() {
    let mut sum = PartialSum::with_missing(3, ALL, Missing::Skip);
    for object in [[1.0, f64::INFINITY, f64::INFINITY], [f64::NAN, f64::NAN, f64::NEG_INFINITY]] {
        sum.add_numbers(0, &object);
        sum.count_objects(1);
    }
    let mean = sum.mean();
    assert_eq!(mean[..2], [1.0, f64::INFINITY]);
    assert!(mean[2].is_nan(), "of both infinities");
    assert_eq!(sum.statistic(Statistic::Count).unwrap(), [1.0, 1.0, 2.0]);
    assert_eq!(sum.statistic(Statistic::Min).unwrap(), [1.0, f64::INFINITY, f64::NEG_INFINITY]);
}

#[test]
fn nothing_missing_gives_the_numbers_of_a_sum_that_skips_nothing() {
    let mut random = Random(19);
    let mut sums = [Missing::Propagate, Missing::Skip]
        .map(|missing| PartialSum::with_missing(3000, ALL, missing));
    for _ in 0..5 {
        let object: Vec<f64> = (0..3000).map(|_| random.number(5)).collect();
        for sum in &mut sums {
            sum.add_numbers(0, &object);
            sum.count_objects(1);
        }
    }
    assert_eq!(sums[0].mean(), sums[1].mean());
    let [plain, skipping] = sums.map(|sum| sum.encode(&Trailer::default()));
    assert_eq!(plain.len(), skipping.len(), "what is not missing takes no bytes");
}

#[test]
fn without_skipping_a_missing_value_makes_its_column_nan() {
    for missing in [Missing::Propagate, Missing::Error] {
        let mut sum = PartialSum::with_missing(2, ALL, missing);
        for object in [[1.0, 2.0], [f64::NAN, 3.0]] {
            sum.add_numbers(0, &object);
            sum.count_objects(1);
        }
        assert!(sum.mean()[0].is_nan());
        assert_eq!(sum.mean()[1], 2.5);
        assert_eq!(sum.statistic(Statistic::Count).unwrap(), [2.0, 2.0]);
    }
}
