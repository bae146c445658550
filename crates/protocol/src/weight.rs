//! The weight of an input object.

use std::fmt;
use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

/// The weight of an input object: a finite number above 0. In messages and records it is a
/// number.
///
/// It takes no more memory where there is none, because a plan may have a million objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Weight(NonZeroU64);

/// What is no weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InvalidWeight(f64);

impl fmt::Display for InvalidWeight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is no weight: a weight is a finite number above 0", self.0)
    }
}

impl std::error::Error for InvalidWeight {}

impl Weight {
    /// A finite number above 0; `None` if the number is not.
    #[must_use]
    pub fn new(weight: f64) -> Option<Weight> {
        let bits = NonZeroU64::new(weight.to_bits());
        bits.filter(|_| weight > 0.0 && weight.is_finite()).map(Weight)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> f64 {
        f64::from_bits(self.0.get())
    }
}

impl TryFrom<f64> for Weight {
    type Error = InvalidWeight;

    fn try_from(weight: f64) -> Result<Weight, InvalidWeight> {
        Weight::new(weight).ok_or(InvalidWeight(weight))
    }
}

impl From<Weight> for f64 {
    fn from(weight: Weight) -> f64 {
        weight.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_the_same_in_messages() {
        // Bits that a parser which rounds twice gets wrong, and the ends of the range.
        let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
        let hard =
            [0.1 + 0.2, 5e-324, f64::MIN_POSITIVE, f64::MAX, 8.41e21, 9_007_199_254_740_993.0];
        let random = (0..20_000).map(|_| {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            f64::from_bits(bits >> 1)
        });
        for weight in hard.into_iter().chain(random).filter_map(Weight::new) {
            let json = serde_json::to_string(&weight).unwrap();
            assert_eq!(serde_json::from_str::<Weight>(&json).unwrap(), weight, "{json}");
        }
    }

    #[test]
    fn only_finite_numbers_above_zero_are_weights() {
        for number in [0.0, -0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Weight::new(number), None);
        }
        assert!(serde_json::from_str::<Weight>("0").is_err());
        assert!(serde_json::from_str::<Weight>("-1.5").is_err());
        assert_eq!(serde_json::from_str::<Weight>("3").unwrap().get(), 3.0);
        assert_eq!(size_of::<Option<Weight>>(), 8);
    }
}
