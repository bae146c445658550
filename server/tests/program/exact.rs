//! The exact mean computed with big integers, independently of the program's arithmetic.

use protocol::request::Statistic;

/// Numbers are taken as multiples of this power of two; tests use none finer.
const FRACTION_BITS: i32 = 100;

/// The correctly rounded mean of every index. Numbers must be below 2^20 and
/// multiples of 2^-100, of which there may be some dozens.
pub(crate) fn mean(arrays: &[Vec<f64>]) -> Vec<f64> {
    let count = arrays.len() as i128;
    (0..arrays[0].len())
        .map(|index| {
            let sum: i128 = arrays.iter().map(|array| to_integer(array[index])).sum();
            let (quotient, rest) = (sum.div_euclid(count), sum.rem_euclid(count));
            // A bit that says whether there is a rest rounds as the rest would:
            // the quotient has more bits than a number keeps.
            assert!(quotient == 0 || quotient.unsigned_abs() >= 1 << 60, "too small for this");
            let sticky = (quotient << 1) | i128::from(rest != 0);
            sticky as f64 * 2.0_f64.powi(-FRACTION_BITS - 1)
        })
        .collect()
}

#[expect(clippy::cast_possible_truncation, reason = "asserted to be a whole number of 120 bits")]
fn to_integer(number: f64) -> i128 {
    let scaled = number * 2.0_f64.powi(FRACTION_BITS);
    assert!(scaled == scaled.trunc() && scaled.abs() < 2.0_f64.powi(120), "{number} is too fine");
    scaled as i128
}

/// Three objects of three numbers each, whose statistics are easily seen.
pub(crate) const THREE: [&str; 3] = ["1,0.5,-2", "3,0.5,-4", "2,0.5,0"];

/// A statistic of [`THREE`].
pub(crate) fn statistic_of_three(statistic: Statistic) -> [f64; 3] {
    let variance = [2.0 / 3.0, 0.0, 8.0 / 3.0];
    match statistic {
        Statistic::Sum => [6.0, 1.5, -6.0],
        Statistic::Min => [1.0, 0.5, -4.0],
        Statistic::Max => [3.0, 0.5, 0.0],
        Statistic::Range => [2.0, 0.0, 4.0],
        Statistic::Variance => variance,
        Statistic::Std => variance.map(f64::sqrt),
        Statistic::Variance1 => [1.0, 0.0, 4.0],
        Statistic::Std1 => [1.0, 0.0, 2.0],
        Statistic::Count => [3.0; 3],
    }
}

/// The numbers of a text.
pub(crate) fn parse(text: &str) -> Vec<f64> {
    text.split([',', '\n', ';', ' '])
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(|word| word.parse().expect("a number"))
        .collect()
}

/// The numbers of a .npy file of f8, version 1.
pub(crate) fn parse_npy(bytes: &[u8]) -> Vec<f64> {
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let (numbers, rest) = bytes[10 + header..].as_chunks::<8>();
    assert!(rest.is_empty());
    numbers.iter().map(|number| f64::from_le_bytes(*number)).collect()
}

/// A .npy file of f8, version 1.
pub(crate) fn to_npy(shape: &str, numbers: &[f64]) -> Vec<u8> {
    let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({shape}), }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len()).expect("a short header").to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    bytes
}

/// Numbers' bits, so that a comparison tells 0 from -0.
pub(crate) fn bits(numbers: &[f64]) -> Vec<u64> {
    numbers.iter().map(|number| number.to_bits()).collect()
}
