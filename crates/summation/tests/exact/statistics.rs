//! The statistics of one column, whatever its numbers.

use proptest::prelude::*;
use protocol::request::{Choice, Statistic};
use summation::{Block, Detection, Format, Order, PartialSum};

use crate::numbers::{any_number, cases, column, finite};
use crate::oracle::{self, assert_same};

#[track_caller]
fn check(numbers: &[f64]) {
    for &statistic in Statistic::ALL {
        let expected = oracle::statistic(statistic, numbers);
        // One column, which is added number by number, and whole groups.
        for columns in [1, 32] {
            let mut sum = PartialSum::new(columns, &[statistic]);
            for &x in numbers {
                sum.add(0, &std::iter::repeat_n(x, columns).collect());
                sum.count_objects(1);
            }
            for found in sum.statistic(statistic).expect("what was asked for") {
                assert_same(found, expected, numbers);
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn of_finite_numbers(numbers in column(finite(), 20)) {
        check(&numbers);
    }

    #[test]
    fn of_any_numbers(numbers in column(any_number(), 8)) {
        check(&numbers);
    }

    #[test]
    fn of_measurements(numbers in column((-10.0f64..10.0).boxed(), 100)) {
        check(&numbers);
    }

    #[test]
    fn of_numbers_far_from_zero(offset in 1e3f64..1e15, numbers in column((-1.0f64..1.0).boxed(), 30)) {
        let numbers: Vec<f64> = numbers.iter().map(|x| offset + x).collect();
        check(&numbers);
    }

    #[test]
    fn of_small_integers(numbers in column((-5i32..5).prop_map(f64::from).boxed(), 30)) {
        check(&numbers);
    }
}

#[test]
fn at_the_ends_of_the_range() {
    check(&[5e-324, 0.0]);
    check(&[5e-324, -5e-324]);
    check(&[f64::MAX, -f64::MAX]);
    check(&[1e154, 2e154, 3e154]);
    check(&[1e200, 1e-200]);
    check(&[2e-162, 1e-162, -1e-162]);
    check(&[1.4916681462400413e-154, 0.0]);
    check(&[0.1; 7]);
    check(&[f64::INFINITY, f64::INFINITY]);
    check(&[f64::NEG_INFINITY, 1.0]);
    check(&[1.0]);
    check(&[-0.0, -0.0]);
}

#[test]
fn what_was_not_asked_for_is_not_there() {
    let sum = PartialSum::new(1, &[Statistic::Min]);
    assert!(sum.statistic(Statistic::Min).is_some());
    assert!(sum.statistic(Statistic::Sum).is_some(), "the sum is always there");
    for statistic in [Statistic::Max, Statistic::Variance, Statistic::Std] {
        assert_eq!(sum.statistic(statistic), None);
    }
}

#[test]
fn of_integers_beyond_2_to_the_53() {
    let format = Format::detect(&npy_i8(&[]), 128, None);
    assert!(format.is_err(), "an empty array has no numbers");
    let integers = [i64::MAX, i64::MAX - 1, i64::MIN, -1, (1 << 53) + 1];
    let mut sum = PartialSum::new(1, &[Statistic::Sum, Statistic::Variance]);
    for integer in integers {
        let bytes = npy_i8(&[integer]);
        let detection = Format::detect(&bytes, bytes.len() as u64, None);
        let Ok(Detection::Format(format)) = detection else { panic!("{detection:?}") };
        let mut block = Block::default();
        let mut decoder = format.decoder(bytes.len() as u64);
        decoder.decode(&bytes, true, 1, &mut block).unwrap();
        sum.add(0, &block);
        sum.count_objects(1);
    }
    let total: i128 = integers.iter().map(|&x| i128::from(x)).sum();
    assert_eq!(sum.statistic(Statistic::Sum).unwrap(), [total as f64]);
    // Python: float(Fraction(total, 5))
    let mean = oracle::quotient(&split(total), 5);
    assert_same(sum.mean()[0], mean, &[]);
    let doubled: Vec<f64> = integers.iter().map(|&x| x as f64).collect();
    let about = oracle::variance(&doubled);
    let found = sum.statistic(Statistic::Variance).unwrap()[0];
    assert!((found / about - 1.0).abs() < 1e-15, "{found} is not about {about}");
}

/// An integer of at most 100 bits as exact parts.
#[expect(clippy::cast_possible_truncation, reason = "it is an integer")]
fn split(integer: i128) -> [f64; 2] {
    let high = integer as f64;
    [high, (integer - high as i128) as f64]
}

fn npy_i8(integers: &[i64]) -> Vec<u8> {
    let header = summation::output::npy_header(&[integers.len() as u64], Order::C);
    let text = String::from_utf8_lossy(&header[10..]).replace("<f8", "<i8");
    let mut bytes = header[..10].to_vec();
    bytes.extend(text.bytes());
    bytes.extend(integers.iter().flat_map(|integer| integer.to_le_bytes()));
    bytes
}
