//! Weighted means and sums, by whatever tree, with missing values and without.

use proptest::prelude::*;
use protocol::request::{Missing, Statistic};
use summation::{Block, Detection, Format, PartialSum, Trailer};

use crate::numbers::{EDGES, KINDS, Random, cases};
use crate::oracle::{self, assert_same};
use crate::trees::read_in_pieces;

const STATISTICS: &[Statistic] = &[Statistic::Sum, Statistic::Count];

/// An object: its numbers, and its weight.
type Object = (Vec<f64>, f64);

/// How many kinds of weights [`weight`] knows.
const WEIGHT_KINDS: usize = 6;

/// A positive finite weight of a kind.
fn weight(random: &mut Random, kind: usize) -> f64 {
    match kind {
        // Numbers of samples, and fractions.
        0 => (1 + random.below(100_000)) as f64,
        1 => random.unit() + 1e-3,
        // Equal weights, nearly.
        2 => 1.0 + (random.below(3) as f64) * f64::EPSILON,
        // Over the whole range.
        3 => f64::from_bits(1 + random.bits() % (f64::MAX.to_bits())),
        4 => [5e-324, f64::MIN_POSITIVE, 1e-300, 1.0, 1e300, f64::MAX][random.below(6)],
        _ => 2f64.powi(i32::try_from(random.below(2000)).unwrap_or(0) - 1000),
    }
}

/// Objects whose columns are difficult: numbers that cancel, also once they are multiplied
/// by weights, edges of the range, infinities; and missing values, if `skips`.
fn objects(random: &mut Random, count: usize, columns: usize, skips: bool) -> Vec<Object> {
    let usual = random.below(WEIGHT_KINDS);
    let mixed = random.below(4) == 0;
    let weights: Vec<f64> = (0..count)
        .map(|_| {
            let kind = if mixed { random.below(WEIGHT_KINDS) } else { usual };
            weight(random, kind)
        })
        .collect();
    let kinds: Vec<(usize, usize)> =
        (0..columns).map(|_| (random.below(KINDS + 3), random.below(4))).collect();
    let mut objects: Vec<Object> = Vec::new();
    for (index, &weight) in weights.iter().enumerate() {
        let numbers = kinds.iter().enumerate().map(|(column, &(kind, missing))| {
            let is_missing = skips
                && match missing {
                    0 => false,
                    1 => random.below(10) == 0,
                    2 => random.below(count) > 0,
                    _ => column % 5 == 0 || random.below(2) == 0,
                };
            if is_missing {
                return f64::NAN;
            }
            let other = || objects[index - 1].0[column];
            match kind {
                kind if kind == KINDS && index > 0 => -other(),
                // The products cancel, or nearly.
                kind if kind == KINDS + 1 && index > 0 => {
                    let quotient = -other() * weights[index - 1] / weight;
                    if quotient.is_finite() { quotient } else { -other() }
                }
                kind if kind >= KINDS => EDGES[random.below(EDGES.len())],
                kind => random.number(kind),
            }
        });
        let numbers = numbers.collect();
        objects.push((numbers, weight));
    }
    objects
}

fn shuffle(random: &mut Random, objects: &mut [Object]) {
    for index in (1..objects.len()).rev() {
        objects.swap(index, random.below(index + 1));
    }
}

/// The sum of some objects by a random tree, each added in pieces.
fn tree(random: &mut Random, objects: &[Object], missing: Missing) -> PartialSum {
    let columns = objects[0].0.len();
    let mut sum = PartialSum::with_weights(columns, STATISTICS, missing);
    if objects.len() <= 2 || random.below(4) == 0 {
        for (numbers, weight) in objects {
            let mut start = 0;
            while start < columns {
                let length = 1 + random.below(columns - start);
                sum.add_weighted_numbers(start, &numbers[start..start + length], *weight);
                start += length;
            }
            sum.count_weighted_object(*weight);
        }
        return sum;
    }
    let middle = 1 + random.below(objects.len() - 1);
    for half in [&objects[..middle], &objects[middle..]] {
        let bytes = tree(random, half, missing).encode(&Trailer::default());
        read_in_pieces(random, &bytes, &mut sum);
    }
    sum
}

/// Compares every column with rational arithmetic.
fn check(random: &mut Random, count: usize, columns: usize, missing: Missing) {
    let skips = missing == Missing::Skip;
    let mut objects = objects(random, count, columns, skips);
    let sum = tree(random, &objects, missing);
    let bytes = sum.encode(&Trailer::default());
    shuffle(random, &mut objects);
    assert!(tree(random, &objects, missing).encode(&Trailer::default()) == bytes, "one encoding");
    let mean = sum.mean();
    let [sums, counts] =
        [Statistic::Sum, Statistic::Count].map(|it| sum.statistic(it).expect("asked for"));
    for column in 0..columns {
        let values = objects.iter().map(|(numbers, weight)| (numbers[column], *weight));
        let (present, weights): (Vec<f64>, Vec<f64>) =
            values.filter(|(x, _)| !skips || !x.is_nan()).unzip();
        assert_eq!(counts[column], present.len() as f64);
        if present.is_empty() {
            assert!(mean[column].is_nan() && sums[column].is_nan());
            continue;
        }
        let both = [&present[..], &weights].concat();
        assert_same(mean[column], oracle::weighted_mean(&present, &weights), &both);
        assert_same(sums[column], oracle::weighted_sum(&present, &weights), &both);
    }
}

proptest! {
    #![proptest_config(cases(120))]

    #[test]
    fn count_exactly_by_any_tree(seed: u64, count in 1usize..12, columns in 1usize..40) {
        check(&mut Random(seed), count, columns, Missing::Propagate);
    }

    #[test]
    fn of_the_files_that_have_a_value_count(seed: u64, count in 1usize..12, columns in 1usize..40) {
        check(&mut Random(seed), count, columns, Missing::Skip);
    }
}

#[test]
fn count_across_blocks_of_columns() {
    let mut random = Random(27);
    for columns in [1023, 1024, 1025, 2100] {
        check(&mut random, 7, columns, Missing::Propagate);
        check(&mut random, 7, columns, Missing::Skip);
    }
}

/// The long form of the tests above.
#[test]
#[ignore = "it takes minutes"]
fn count_exactly_in_a_million_columns() {
    let mut random = Random(28);
    let mut columns = 0;
    while columns < 1_000_000 {
        let (count, some) = (1 + random.below(24), 1 + random.below(3000));
        let missing = if random.below(2) == 0 { Missing::Skip } else { Missing::Propagate };
        check(&mut random, count, some, missing);
        columns += some;
    }
    println!("{columns} columns: all as expected");
}

#[test]
fn equal_to_one_give_the_mean_without_weights() {
    let mut random = Random(29);
    let mut plain = PartialSum::new(3000, STATISTICS);
    let mut weighted = PartialSum::with_weights(3000, STATISTICS, Missing::Propagate);
    for _ in 0..9 {
        let numbers: Vec<f64> = (0..3000).map(|column| random.number(column % KINDS)).collect();
        plain.add_numbers(0, &numbers);
        plain.count_objects(1);
        weighted.add_numbers(0, &numbers);
        weighted.count_weighted_object(1.0);
    }
    let bits = |numbers: Vec<f64>| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(plain.mean()), bits(weighted.mean()));
    for statistic in STATISTICS {
        let [one, other] = [&plain, &weighted].map(|sum| sum.statistic(*statistic).unwrap());
        assert_eq!(bits(one), bits(other));
    }
    assert_eq!(plain.special_columns(), weighted.special_columns());
}

#[test]
fn neither_overflow_nor_underflow_on_the_way() {
    for (numbers, weights, mean) in [
        (&[f64::MAX, f64::MAX][..], &[f64::MAX, f64::MAX][..], f64::MAX),
        (&[5e-324, 5e-324], &[5e-324, 5e-324], 5e-324),
        (&[1e-300, 3e-300], &[1e-300, 1e-300], 2e-300),
        (&[1.0, -1.0], &[1.7e308, 1.7e308], 0.0),
        (&[1.0, 2.0], &[5e-324, f64::MAX], 2.0),
        (&[-0.0, -0.0], &[5e-324, 0.1], -0.0),
    ] {
        let mut sum = PartialSum::with_weights(1, STATISTICS, Missing::Propagate);
        for (&x, &weight) in numbers.iter().zip(weights) {
            sum.add_weighted_numbers(0, &[x], weight);
            sum.count_weighted_object(weight);
        }
        assert_same(oracle::weighted_mean(numbers, weights), mean, numbers);
        assert_same(sum.mean()[0], mean, numbers);
    }
}

#[test]
fn multiply_integers_beyond_2_to_the_53() {
    let integers = [i64::MAX, i64::MIN + 1, (1 << 53) + 1, -3];
    let weights = [0.1, 3.0, 1e-5, 1e17];
    let header = summation::output::npy_header(&[20], summation::Order::C);
    let text = String::from_utf8_lossy(&header[10..]).replace("<f8", "<i8");
    let mut sum = PartialSum::with_weights(20, STATISTICS, Missing::Skip);
    let (mut parts, mut part_weights) = (Vec::new(), Vec::new());
    for (integer, weight) in integers.into_iter().zip(weights) {
        let mut bytes = [&header[..10], text.as_bytes()].concat();
        bytes.extend(std::iter::repeat_n(integer.to_le_bytes(), 20).flatten());
        let Ok(Detection::Format(format)) = Format::detect(&bytes, bytes.len() as u64, None) else {
            panic!("an array");
        };
        let mut block = Block::default();
        let mut decoder = format.decoder(bytes.len() as u64);
        decoder.decode(&bytes, true, 20, &mut block).unwrap();
        sum.add_weighted(0, &block, weight);
        sum.count_weighted_object(weight);
        parts.extend([block.values()[0], block.low().map_or(0.0, |low| low[0])]);
        part_weights.extend([weight, weight]);
    }
    let expected = oracle::weighted_sum(&parts, &part_weights);
    for found in sum.statistic(Statistic::Sum).unwrap() {
        assert_same(found, expected, &parts);
    }
}

#[test]
fn partial_sums_with_weights_and_without_are_told_apart() {
    let plain = PartialSum::new(5, &[]).encode(&Trailer::default());
    let weighted = PartialSum::with_weights(5, &[], Missing::Propagate).encode(&Trailer::default());
    let mut sum = PartialSum::new(5, &[]);
    assert!(summation::PartialSumReader::new().push(&weighted, true, &mut sum).is_err());
    let mut sum = PartialSum::with_weights(5, &[], Missing::Propagate);
    assert!(summation::PartialSumReader::new().push(&plain, true, &mut sum).is_err());
    let (again, _) = PartialSum::decode(&weighted).unwrap();
    assert!(again.encode(&Trailer::default()) == weighted);
    assert!(again.mean().into_iter().all(f64::is_nan), "of no objects");
}

#[test]
fn damage_to_the_sum_of_the_weights_is_found() {
    let mut sum = PartialSum::with_weights(3, &[], Missing::Skip);
    sum.add_weighted_numbers(0, &[1.0, f64::NAN, 3.0], 0.3);
    sum.count_weighted_object(0.3);
    let bytes = sum.encode(&Trailer::default());
    for place in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[place] ^= 1;
        assert!(PartialSum::decode(&damaged).is_err(), "byte {place}");
    }
}

#[test]
fn nothing_missing_takes_no_bytes() {
    let sums = [Missing::Propagate, Missing::Skip].map(|missing| {
        let mut sum = PartialSum::with_weights(2000, &[], missing);
        sum.add_weighted_numbers(0, &[0.1; 2000], 0.3);
        sum.count_weighted_object(0.3);
        sum.encode(&Trailer::default()).len()
    });
    assert_eq!(sums[0], sums[1]);
}

#[test]
#[should_panic(expected = "does not take the weight 2")]
fn a_sum_without_weights_takes_none() {
    PartialSum::new(1, &[]).add_weighted_numbers(0, &[1.0], 2.0);
}
