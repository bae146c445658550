//! The types of numbers in binary files.

use crate::Block;

/// A type of numbers, as NumPy's `kind` and size name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum NumberType {
    /// One byte, zero for false.
    Bool,
    /// Signed integers.
    I1,
    /// Signed integers of 2 bytes.
    I2,
    /// Signed integers of 4 bytes.
    I4,
    /// Signed integers of 8 bytes.
    I8,
    /// Unsigned integers.
    U1,
    /// Unsigned integers of 2 bytes.
    U2,
    /// Unsigned integers of 4 bytes.
    U4,
    /// Unsigned integers of 8 bytes.
    U8,
    /// Half precision.
    F2,
    /// The upper half of single precision, as neural networks use it (bfloat16).
    Bf16,
    /// Single precision.
    F4,
    /// Double precision.
    F8,
}

impl NumberType {
    /// The type that NumPy names so, without the byte order: `f8`, `b1`.
    pub(crate) fn from_name(name: &str) -> Option<NumberType> {
        Some(match name {
            "b1" => NumberType::Bool,
            "i1" => NumberType::I1,
            "i2" => NumberType::I2,
            "i4" => NumberType::I4,
            "i8" => NumberType::I8,
            "u1" => NumberType::U1,
            "u2" => NumberType::U2,
            "u4" => NumberType::U4,
            "u8" => NumberType::U8,
            "f2" => NumberType::F2,
            "f4" => NumberType::F4,
            "f8" => NumberType::F8,
            _ => return None,
        })
    }

    /// NumPy's name, without the byte order.
    #[must_use]
    pub(crate) const fn describe(self) -> &'static str {
        match self {
            NumberType::Bool => "bool",
            NumberType::I1 => "i1",
            NumberType::I2 => "i2",
            NumberType::I4 => "i4",
            NumberType::I8 => "i8",
            NumberType::U1 => "u1",
            NumberType::U2 => "u2",
            NumberType::U4 => "u4",
            NumberType::U8 => "u8",
            NumberType::F2 => "f2",
            NumberType::Bf16 => "bf16",
            NumberType::F4 => "f4",
            NumberType::F8 => "f8",
        }
    }

    /// The type that safetensors names so.
    pub(crate) fn from_safetensors(name: &str) -> Option<NumberType> {
        Some(match name {
            "BOOL" => NumberType::Bool,
            "I8" => NumberType::I1,
            "I16" => NumberType::I2,
            "I32" => NumberType::I4,
            "I64" => NumberType::I8,
            "U8" => NumberType::U1,
            "U16" => NumberType::U2,
            "U32" => NumberType::U4,
            "U64" => NumberType::U8,
            "F16" => NumberType::F2,
            "BF16" => NumberType::Bf16,
            "F32" => NumberType::F4,
            "F64" => NumberType::F8,
            _ => return None,
        })
    }

    /// Safetensors' name.
    #[must_use]
    pub(crate) const fn safetensors_name(self) -> &'static str {
        match self {
            NumberType::Bool => "BOOL",
            NumberType::I1 => "I8",
            NumberType::I2 => "I16",
            NumberType::I4 => "I32",
            NumberType::I8 => "I64",
            NumberType::U1 => "U8",
            NumberType::U2 => "U16",
            NumberType::U4 => "U32",
            NumberType::U8 => "U64",
            NumberType::F2 => "F16",
            NumberType::Bf16 => "BF16",
            NumberType::F4 => "F32",
            NumberType::F8 => "F64",
        }
    }

    /// Whether its numbers are integers.
    #[must_use]
    pub(crate) const fn is_integer(self) -> bool {
        !matches!(self, NumberType::F2 | NumberType::Bf16 | NumberType::F4 | NumberType::F8)
    }

    /// How many bytes a number takes.
    #[must_use]
    pub(crate) const fn bytes(self) -> u64 {
        match self {
            NumberType::Bool | NumberType::I1 | NumberType::U1 => 1,
            NumberType::I2 | NumberType::U2 | NumberType::F2 | NumberType::Bf16 => 2,
            NumberType::I4 | NumberType::U4 | NumberType::F4 => 4,
            NumberType::I8 | NumberType::U8 | NumberType::F8 => 8,
        }
    }

    /// Appends the numbers that whole elements hold.
    pub(crate) fn decode(self, bytes: &[u8], big_endian: bool, block: &mut Block) {
        /// One loop for each byte order, so that neither asks for every number.
        macro_rules! numbers {
            ($number:ty, $bytes:literal, $convert:expr) => {{
                let (elements, _) = bytes.as_chunks::<$bytes>();
                let convert = $convert;
                if big_endian {
                    block.extend(elements.iter().map(|&e| convert(<$number>::from_be_bytes(e))));
                } else {
                    block.extend(elements.iter().map(|&e| convert(<$number>::from_le_bytes(e))));
                }
            }};
        }
        /// Likewise for integers that an `f64` may not hold.
        macro_rules! pairs {
            ($number:ty, $split:path) => {{
                let (elements, _) = bytes.as_chunks::<8>();
                if big_endian {
                    let numbers = elements.iter().map(|&e| <$number>::from_be_bytes(e));
                    block.extend_pairs(numbers.map($split));
                } else {
                    let numbers = elements.iter().map(|&e| <$number>::from_le_bytes(e));
                    block.extend_pairs(numbers.map($split));
                }
            }};
        }
        match self {
            NumberType::Bool => numbers!(u8, 1, |byte| f64::from(u8::from(byte != 0))),
            NumberType::I1 => numbers!(i8, 1, f64::from),
            NumberType::I2 => numbers!(i16, 2, f64::from),
            NumberType::I4 => numbers!(i32, 4, f64::from),
            NumberType::I8 => pairs!(i64, split_signed),
            NumberType::U1 => numbers!(u8, 1, f64::from),
            NumberType::U2 => numbers!(u16, 2, f64::from),
            NumberType::U4 => numbers!(u32, 4, f64::from),
            NumberType::U8 => pairs!(u64, split_unsigned),
            NumberType::F2 => numbers!(u16, 2, half_to_double),
            NumberType::Bf16 => numbers!(u16, 2, brain_to_double),
            NumberType::F4 => numbers!(f32, 4, f64::from),
            NumberType::F8 => numbers!(f64, 8, |number| number),
        }
    }
}

/// An integer as the nearest `f64` and the rest.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "32 bits each, which an f64 holds"
)]
fn split_signed(integer: i64) -> (f64, f64) {
    let high = (integer >> 32) as f64 * 4_294_967_296.0;
    let low = f64::from(integer as u32);
    let sum = high + low;
    (sum, low - (sum - high))
}

/// An integer as the nearest `f64` and the rest.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "32 bits each, which an f64 holds"
)]
fn split_unsigned(integer: u64) -> (f64, f64) {
    let high = (integer >> 32) as f64 * 4_294_967_296.0;
    let low = f64::from(integer as u32);
    let sum = high + low;
    (sum, low - (sum - high))
}

/// bfloat16: the upper half of single precision.
fn brain_to_double(half: u16) -> f64 {
    f64::from(f32::from_bits(u32::from(half) << 16))
}

/// IEEE 754 half precision, by way of single precision: the fraction and the
/// exponent are put in their places and the exponent's bias put right by a
/// multiplication, which is exact and does for subnormals too.
fn half_to_double(half: u16) -> f64 {
    const BIAS: f32 = f32::from_bits((127 + 127 - 15) << 23);
    let magnitude = u32::from(half & 0x7fff) << 13;
    let mut single = (f32::from_bits(magnitude) * BIAS).to_bits();
    if half & 0x7c00 == 0x7c00 {
        single = magnitude | 0x7f80_0000;
    }
    f64::from(f32::from_bits(single | u32::from(half & 0x8000) << 16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::cast_possible_truncation, reason = "both are integers")]
    #[test]
    fn integers_are_split_exactly() {
        for integer in [0, 1, -1, i64::MAX, i64::MIN, i64::MAX - 1, (1 << 53) + 1, -(1 << 53) - 1] {
            let (value, low) = split_signed(integer);
            assert_eq!(value, integer as f64);
            assert_eq!(value as i128 + low as i128, i128::from(integer));
        }
        for integer in [0, 1, u64::MAX, u64::MAX - 1, (1 << 63) + 1, (1 << 53) + 1] {
            let (value, low) = split_unsigned(integer);
            assert_eq!(value, integer as f64);
            assert_eq!(value as i128 + low as i128, i128::from(integer));
        }
    }

    #[test]
    fn every_half_is_converted_by_its_definition() {
        for half in 0..=u16::MAX {
            let sign = if half >> 15 == 1 { -1.0 } else { 1.0 };
            let exponent = i32::from(half >> 10 & 31);
            let fraction = f64::from(half & 1023);
            let expected = match exponent {
                0 => fraction * 2f64.powi(-24),
                31 if fraction == 0.0 => f64::INFINITY,
                31 => f64::NAN,
                _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
            };
            let found = half_to_double(half);
            assert!(found == sign * expected || found.is_nan() && expected.is_nan());
            assert_eq!(found.is_sign_negative(), half >> 15 == 1);
        }
    }

    #[test]
    fn both_byte_orders_give_the_same() {
        let mut little = Block::default();
        let mut big = Block::default();
        NumberType::I2.decode(&[1, 2, 255, 255], false, &mut little);
        NumberType::I2.decode(&[2, 1, 255, 255], true, &mut big);
        assert_eq!(little.values(), [513.0, -1.0]);
        assert_eq!(little, big);
    }
}
