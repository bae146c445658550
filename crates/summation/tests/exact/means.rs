//! The mean of one column, whatever its numbers.

use proptest::prelude::*;
use summation::{Block, PartialSum, Trailer};

use crate::numbers::{any_number, cases, column, finite};
use crate::oracle::{self, assert_same};

/// Adds numbers one by one to a single column.
pub(crate) fn sum_of(numbers: &[f64]) -> PartialSum {
    let mut sum = PartialSum::new(1, &[]);
    for &x in numbers {
        sum.add(0, &Block::from_iter([x]));
        sum.count_objects(1);
    }
    sum
}

#[track_caller]
fn check(numbers: &[f64]) {
    let expected = oracle::mean(numbers);
    assert_same(sum_of(numbers).mean()[0], expected, numbers);
    // In whole groups, which take the vectorised way.
    let mut sum = PartialSum::new(48, &[]);
    for &x in numbers {
        sum.add(0, &std::iter::repeat_n(x, 48).collect());
        sum.count_objects(1);
    }
    for mean in sum.mean() {
        assert_same(mean, expected, numbers);
    }
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn of_finite_numbers(numbers in column(finite(), 40)) {
        check(&numbers);
    }

    #[test]
    fn of_any_numbers(numbers in column(any_number(), 12)) {
        check(&numbers);
    }

    #[test]
    fn of_measurements(numbers in column((-10.0f64..10.0).boxed(), 200)) {
        check(&numbers);
    }

    #[test]
    fn of_few_bits(numbers in column((-64i32..64).prop_map(|x| f64::from(x) / 8.0).boxed(), 40)) {
        check(&numbers);
    }

    #[test]
    fn of_neighbours_of_ties(base in finite(), ulps in proptest::collection::vec(-3i64..4, 1..12)) {
        let bits = base.abs().to_bits().cast_signed();
        let numbers: Vec<f64> = ulps
            .iter()
            .map(|ulp| f64::from_bits((bits + ulp).clamp(0, f64::MAX.to_bits().cast_signed()).cast_unsigned()))
            .collect();
        check(&numbers);
    }

    #[test]
    fn of_more_objects_than_were_added(numbers in column(finite(), 6), more in 0u64..1 << 40) {
        // Objects of zero alone would only take time to add.
        let mut sum = sum_of(&numbers);
        sum.add(0, &Block::from_iter([0.0]));
        sum.count_objects(more);
        let mut all = numbers.clone();
        all.push(0.0);
        let expected = oracle::quotient(&all, numbers.len() as u64 + more);
        assert_same(sum.mean()[0], expected, &numbers);
    }
}

#[test]
fn cancellation_leaves_what_was_small() {
    check(&[1e308, 1.0, -1e308]);
    check(&[1e16, 1.0, -1e16, 1e-16, -1.0]);
}

#[test]
fn a_sum_may_pass_the_range_on_the_way() {
    check(&[1e308, 1e308, 1e308, -1e308, -1e308, -1e308, 3.0]);
    check(&[f64::MAX; 5]);
    check(&[f64::MAX, f64::MAX, -f64::MAX, 1e292]);
}

#[test]
fn a_mean_just_below_the_normal_range_is_rounded_once() {
    let bits = [3i64, -2, -2, 2, 0, 1, 2, -1].map(|ulps| (1i64 << 52) - 2 + ulps);
    check(&bits.map(|bits| f64::from_bits(bits.cast_unsigned())));
}

#[test]
fn zero_has_the_sign_that_ieee_754_gives_it() {
    check(&[-0.0]);
    check(&[-0.0, -0.0]);
    check(&[-0.0, 0.0]);
    check(&[1.0, -1.0]);
    check(&[-0.0, 1e-300, -1e-300]);
    check(&[-5e-324, 0.0, 0.0]);
    check(&[1e300, 1.0, 1e-300, -1e300, -1.0, -1e-300, -0.0]);
}

#[test]
fn one_special_number_touches_its_column_alone() {
    for columns in [1, 15, 16, 17, 1023, 1024, 1025, 2049] {
        for special in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut sum = PartialSum::new(columns, &[]);
            for object in 0..3 {
                let mut numbers = vec![f64::from(object); columns];
                if object == 1 {
                    numbers[columns / 2] = special;
                }
                sum.add(0, &Block::from_iter(numbers));
                sum.count_objects(1);
            }
            for (column, mean) in sum.mean().into_iter().enumerate() {
                let expected = if column == columns / 2 { special } else { 1.0 };
                assert_same(mean, expected, &[]);
            }
            let nan = usize::from(special.is_nan());
            assert_eq!(sum.special_columns(), (nan, 1 - nan));
        }
    }
}

#[test]
fn opposite_infinities_are_nan() {
    check(&[f64::INFINITY, 1.0, f64::NEG_INFINITY]);
    check(&[f64::INFINITY, f64::INFINITY, 1.0]);
    check(&[f64::NAN, f64::INFINITY]);
}

#[test]
fn the_payload_of_a_nan_leaves_no_trace() {
    // Quiet and signalling, of both signs, with whatever is in the rest of the bits.
    let payloads = [0x7ff8_0000_0000_0000, 0x7ff8_dead_beef_0001, 0x7ff0_0000_0000_0001, !0];
    let sums = payloads.map(|bits| sum_of(&[1.0, f64::from_bits(bits), 2.0]));
    let encoded = sums.each_ref().map(|sum| sum.encode(&Trailer::default()));
    assert!(encoded.iter().all(|bytes| *bytes == encoded[0]), "one encoding of all");
    for sum in &sums {
        assert_eq!(sum.mean()[0].to_bits(), f64::NAN.to_bits());
    }
}

#[test]
fn no_objects_have_no_mean() {
    let sum = PartialSum::new(2, &[]);
    assert!(sum.mean().into_iter().all(f64::is_nan));
}
