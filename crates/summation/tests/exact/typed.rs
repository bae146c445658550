//! Results as numbers of narrower types, rounded once from the exact quantity.

use num_bigint::BigInt;
use proptest::prelude::*;
use protocol::request::{Choice, Dtype, Missing, Statistic};
use summation::output::TypedFile;
use summation::{Block, Detection, Format, PartialSum};

use crate::numbers::{KINDS, Random, cases};
use crate::oracle;

/// The types of floating-point numbers: the word of the request and that of the file, and
/// the bits of the significand and of the exponent.
const TYPES: [(Dtype, &str, u32, u32); 3] =
    [(Dtype::F32, "F32", 24, 8), (Dtype::F16, "F16", 11, 5), (Dtype::Bf16, "BF16", 8, 8)];

/// The header of a file with one tensor of this type.
fn header(dtype: &str, columns: usize, number_bytes: usize) -> String {
    let end = columns * number_bytes;
    format!(r#"{{"a":{{"dtype":"{dtype}","shape":[{columns}],"data_offsets":[0,{end}]}}}}"#)
}

/// The bits of the number of a type that is nearest to a quantity.
fn nearest(quantity: &oracle::Quantity, significand: u32, exponent: u32) -> u64 {
    let fraction = significand - 1;
    let infinity = ((1_u64 << exponent) - 1) << fraction;
    let (is_negative, numerator, denominator, unit) = match quantity {
        oracle::Quantity::NaN => return infinity | 1 << (fraction - 1),
        oracle::Quantity::Special(x) => {
            let sign = u64::from(x.is_sign_negative()) << (exponent + fraction);
            return sign | if x.is_infinite() { infinity } else { 0 };
        }
        oracle::Quantity::Fraction { numerator, denominator, unit } => {
            (*numerator < BigInt::ZERO, numerator, denominator, *unit)
        }
    };
    let least = 3 - (1_i64 << (exponent - 1)) - i64::from(significand);
    let (mantissa, last) = oracle::rounded(numerator, denominator, unit, significand, least);
    let biased = u64::try_from(last - least).expect("not below the least") << fraction;
    u64::from(is_negative) << (exponent + fraction) | (biased + mantissa).min(infinity)
}

/// A number in the middle of two of a type, or one of the type.
fn middle(random: &mut Random, significand: u32, exponent: u32) -> f64 {
    let least = 3 - (1_i32 << (exponent - 1)) - i32::try_from(significand).expect("small");
    let mantissa = 2 * (random.bits() >> (64 - significand)) + u64::from(random.below(4) > 0);
    let range = 2 * ((1 << (exponent - 1)) - 1);
    let above = i32::try_from(random.below(range)).expect("small");
    let number = mantissa as f64 * 2f64.powi(least - 1 + above);
    if random.below(2) == 0 { number } else { -number }
}

/// The numbers of one column: of all kinds, or such that their mean, and their sum, lie in
/// the middle of two numbers of a type, or hardly beside it.
fn column(random: &mut Random, objects: usize, significand: u32, exponent: u32) -> Vec<f64> {
    let kind = random.below(KINDS + 8);
    if kind < KINDS {
        return (0..objects).map(|_| random.number(kind)).collect();
    }
    let middle = middle(random, significand, exponent);
    let mut numbers = vec![middle; objects];
    if kind >= KINDS + 4 {
        // For the sum, the range and the spread.
        numbers.fill(0.0);
        numbers[0] = middle;
        if kind == KINDS + 7 && objects > 1 {
            numbers[1] = -middle;
        }
    }
    let place = random.below(objects);
    let tiny = [0.0, 5e-324, -5e-324, middle * 1e-20, -middle * 1e-20, 1e-200];
    numbers[place] += tiny[random.below(tiny.len())];
    if objects > 2 {
        // What rounding to f64 hides.
        let other = (place + 1) % objects;
        let hidden = middle * [1e-25, -1e-25, 1e-40, 0.0][random.below(4)];
        numbers[other] += hidden;
        let third = (place + 2) % objects;
        if random.below(2) == 0 {
            numbers[third] = hidden;
            numbers[other] = 2.0 * middle;
        }
    }
    numbers
}

/// Compares every type of every quantity of some columns; returns how many were decided by
/// what `f64` rounds away.
fn check(random: &mut Random, objects: usize, columns: usize, missing: Missing) -> usize {
    let mut decided = 0;
    for (dtype, word, significand, exponent) in TYPES {
        let data: Vec<Vec<f64>> =
            (0..columns).map(|_| column(random, objects, significand, exponent)).collect();
        let mut sum = PartialSum::with_missing(columns, Statistic::ALL, missing);
        for object in 0..objects {
            let numbers: Vec<f64> = data.iter().map(|column| column[object]).collect();
            sum.add_numbers(0, &numbers);
            sum.count_objects(1);
        }
        let size = if word == "F32" { 4 } else { 2 };
        for statistic in std::iter::once(None).chain(Statistic::ALL.iter().copied().map(Some)) {
            let numbers = match statistic {
                None => sum.mean(),
                Some(statistic) => sum.statistic(statistic).expect("asked for"),
            };
            let header = header(word, columns, size);
            let file =
                TypedFile::safetensors(&header, dtype, statistic, &[]).expect("its own header");
            let mut bytes = Vec::new();
            file.put(0, &sum, &numbers, &mut bytes);
            assert_eq!(bytes.len(), columns * size);
            for ((column, found), number) in data.iter().zip(bytes.chunks(size)).zip(&numbers) {
                let mut word = [0; 8];
                word[..size].copy_from_slice(found);
                let found = u64::from_le_bytes(word);
                let present: Vec<f64> = match missing {
                    Missing::Skip => column.iter().copied().filter(|x| !x.is_nan()).collect(),
                    _ => column.clone(),
                };
                let quantity = oracle::quantity(statistic, &present);
                let expected = nearest(&quantity, significand, exponent);
                assert_eq!(found, expected, "{statistic:?} as {dtype:?} of {column:?}");
                let twice = nearest(&oracle::Quantity::of_number(*number), significand, exponent);
                decided += usize::from(twice != expected);
            }
        }
    }
    decided
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn are_rounded_once(seed: u64, objects in 1usize..9, columns in 1usize..60) {
        check(&mut Random(seed), objects, columns, Missing::Propagate);
        check(&mut Random(seed), objects, columns, Missing::Skip);
    }
}

/// The test above meets what it is made for.
#[test]
fn rounding_twice_would_be_noticed() {
    let decided: usize =
        (0..40).map(|seed| check(&mut Random(seed), 5, 100, Missing::Propagate)).sum();
    assert!(decided > 100, "{decided}");
}

/// The long form of the tests above.
#[test]
#[ignore = "it takes minutes"]
fn a_million_columns_are_rounded_once() {
    let mut random = Random(20);
    let (mut columns, mut decided) = (0, 0);
    while columns < 1_000_000 {
        let (objects, some) = (1 + random.below(12), 1 + random.below(2000));
        decided += check(&mut random, objects, some, Missing::Propagate);
        columns += 3 * some;
    }
    println!(
        "{columns} columns, each with all statistics; {decided} results would differ if rounded twice"
    );
    assert!(decided > 1000);
}

/// The mean of integers as the same integers, of which `f64` may not hold the mean.
#[test]
fn means_of_integers_are_the_nearest_integers() {
    let mut random = Random(21);
    for (dtype, size, is_signed) in [
        ("I8", 1, true),
        ("U8", 1, false),
        ("I16", 2, true),
        ("U16", 2, false),
        ("I32", 4, true),
        ("U32", 4, false),
        ("I64", 8, true),
        ("U64", 8, false),
    ] {
        for objects in 1..7_usize {
            let columns = 300;
            let mut sum = PartialSum::new(columns, &[]);
            let mut totals = vec![0_i128; columns];
            let text = header(dtype, columns, size);
            for _ in 0..objects {
                let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
                bytes.extend(text.bytes());
                for total in &mut totals {
                    // Near the ends now and then.
                    let bits = match random.below(4) {
                        0 => u64::MAX >> random.below(64),
                        1 => 1_u64 << 63 | random.bits() >> 60,
                        _ => random.bits(),
                    };
                    let word = &bits.to_le_bytes()[..size];
                    bytes.extend(word);
                    let shift = 128 - 8 * u32::try_from(size).unwrap();
                    let wide = i128::from(bits) << shift;
                    *total += match is_signed {
                        true => wide >> shift,
                        false => (wide.cast_unsigned() >> shift).cast_signed(),
                    };
                }
                let detection = Format::detect(&bytes, bytes.len() as u64, None);
                let Ok(Detection::Format(format)) = detection else { panic!("{detection:?}") };
                let mut block = Block::default();
                let mut decoder = format.decoder(bytes.len() as u64);
                decoder.decode(&bytes, true, columns, &mut block).unwrap();
                sum.add(0, &block);
                sum.count_objects(1);
            }
            let file = TypedFile::safetensors(&text, Dtype::Input, None, &[]).unwrap();
            let mut bytes = Vec::new();
            file.put(0, &sum, &sum.mean(), &mut bytes);
            let count = i128::try_from(objects).unwrap();
            for (total, found) in totals.iter().zip(bytes.chunks(size)) {
                let floor = total.div_euclid(count);
                let rest = 2 * total.rem_euclid(count);
                let up = rest > count || rest == count && floor % 2 != 0;
                let expected = floor + i128::from(up);
                assert_eq!(found, &expected.to_le_bytes()[..size], "{dtype}: {total} / {count}");
            }
        }
    }
}

#[test]
fn a_file_has_the_tensors_of_the_inputs_and_its_own_types() {
    let stored = r#"{"__metadata__":{"format":"pt"},
        "w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},
        "h\"q":{"dtype":"F16","shape":[3],"data_offsets":[16,22]},
        "i":{"dtype":"U8","shape":[],"data_offsets":[22,23]}}"#;
    let about = [("job", "7".to_owned())];
    let tensors = |dtype, statistic| {
        let file = TypedFile::safetensors(stored, dtype, statistic, &about).unwrap();
        assert_eq!(file.columns(), 8);
        let mut bytes = file.header().to_vec();
        assert!(bytes.len().is_multiple_of(8));
        bytes.resize(usize::try_from(file.bytes()).unwrap(), 0);
        let detection = Format::detect(&bytes, file.bytes(), None);
        let Ok(Detection::Format(format)) = detection else { panic!("{detection:?}") };
        let text = String::from_utf8_lossy(file.header()).into_owned();
        assert!(
            text.contains(r#""format":"pt""#) && text.contains(r#""distributed_average.job":"7""#)
        );
        let tensors = format.tensors().unwrap().iter();
        tensors.map(|t| format!("{} {} {:?}", t.name(), t.dtype(), t.shape())).collect::<Vec<_>>()
    };
    let expected = |types: [&str; 3]| {
        let [w, h, i] = types;
        [format!("w {w} [2, 2]"), format!("h\"q {h} [3]"), format!("i {i} []")]
    };
    assert_eq!(tensors(Dtype::Input, None), expected(["F32", "F16", "U8"]));
    assert_eq!(tensors(Dtype::Bf16, None), expected(["BF16"; 3]));
    assert_eq!(tensors(Dtype::Input, Some(Statistic::Std)), expected(["F64"; 3]));
    assert!(TypedFile::safetensors("{", Dtype::Input, None, &[]).is_err());
}
