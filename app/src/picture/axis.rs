//! Axes: the positions and labels of their marks.

use crate::format::{count, scientific};

/// The range of an axis. Both ends are finite, and `low < high`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// The value at the start of the axis.
    pub low: f64,
    /// The value at the end of the axis.
    pub high: f64,
}

/// The margin at each end, as a fraction of the range of the data.
const MARGIN: f64 = 0.06;

impl Span {
    /// The range of the finite `values` with a margin; `None` if there are none. A
    /// single value is centred.
    #[must_use]
    pub fn around(values: impl IntoIterator<Item = f64>) -> Option<Span> {
        let (low, high) = values.into_iter().filter(|value| value.is_finite()).fold(
            None,
            |range: Option<(f64, f64)>, value| match range {
                None => Some((value, value)),
                Some((low, high)) => Some((low.min(value), high.max(value))),
            },
        )?;
        let margin = if low < high {
            // Multiplied first: the difference of two finite numbers may overflow.
            high * MARGIN - low * MARGIN
        } else if low == 0.0 {
            1.0
        } else {
            low.abs() * 0.1
        };
        let span = Span { low: (low - margin).max(f64::MIN), high: (high + margin).min(f64::MAX) };
        (span.low < span.high).then_some(span)
    }

    /// The position of a value on the axis: 0 at the start, 1 at the end.
    #[must_use]
    pub fn position(self, value: f64) -> f64 {
        // Halved, so that the whole range of f64 does not overflow.
        (value / 2.0 - self.low / 2.0) / (self.high / 2.0 - self.low / 2.0)
    }
}

/// A mark on an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// The position on the axis, 0 to 1.
    pub position: f64,
    /// The label.
    pub label: String,
}

/// About `wanted` marks (at most twice as many) at round values.
#[must_use]
pub fn value_marks(span: Span, wanted: u32) -> Vec<Mark> {
    let step = round_step((span.high / 2.0 - span.low / 2.0) / f64::from(wanted) * 2.0);
    if !step.is_finite() || step <= 0.0 {
        return Vec::new();
    }
    let first = (span.low / step).ceil();
    (0..=wanted * 2)
        .map(|index| (first + f64::from(index)) * step)
        .take_while(|value| *value <= span.high)
        // Adding zero turns -0 into 0.
        .map(|value| Mark { position: span.position(value), label: value_label(value + 0.0, step) })
        .collect()
}

/// About `wanted` marks at round indices of an axis from index `start` to index `last`.
#[must_use]
pub fn index_marks(start: u64, last: u64, wanted: u64) -> Vec<Mark> {
    let length = last.saturating_sub(start);
    if length == 0 {
        return vec![Mark { position: 0.5, label: count(start) }];
    }
    let mut step = 1;
    // 1, 2, 5, 10, 20, 50, ...
    for factor in [2, 5].iter().cycle() {
        if length / step <= wanted {
            break;
        }
        step = match factor {
            2 => step * 2,
            _ => step / 2 * 5,
        };
        if length / step > wanted && *factor == 5 {
            step *= 2;
        }
    }
    (start.div_ceil(step)..=last / step)
        .map(|index| Mark {
            position: (index * step - start) as f64 / length as f64,
            label: count(index * step),
        })
        .collect()
}

/// The smallest of 1, 2 and 5 times a power of ten that is at least `step`.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|candidate| *candidate >= step * 0.999_999)
        .unwrap_or(power * 10.0)
}

/// The label of a value on an axis with marks at intervals of `step`, with no more
/// digits than distinguish the marks.
fn value_label(value: f64, step: f64) -> String {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "logarithms of finite numbers are between -324 and 309"
    )]
    let exponent_of = |number: f64| number.abs().log10().floor() as i32;
    let step_exponent = exponent_of(step * 1.000_001);
    let exponent = if value == 0.0 { step_exponent } else { exponent_of(value * 1.000_001) };
    if value == 0.0 {
        "0".to_owned()
    } else if exponent >= 6 || step_exponent < -6 {
        let digits = usize::try_from(exponent - step_exponent).unwrap_or(0);
        scientific(value, digits.min(16))
    } else {
        let decimals = usize::try_from(-step_exponent).unwrap_or(0);
        format!("{value:.decimals$}").replace('-', "−")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(marks: &[Mark]) -> Vec<&str> {
        marks.iter().map(|mark| mark.label.as_str()).collect()
    }

    #[test]
    fn marks_are_round_and_within_the_axis() {
        let span = Span { low: -0.13, high: 0.52 };
        let marks = value_marks(span, 5);
        assert_eq!(labels(&marks), ["0", "0.2", "0.4"]);
        assert!(marks.iter().all(|mark| (0.0..=1.0).contains(&mark.position)));
    }

    #[test]
    fn close_marks_have_enough_digits_to_differ() {
        let span = Span { low: 20.001, high: 20.009 };
        assert_eq!(labels(&value_marks(span, 4)), ["20.002", "20.004", "20.006", "20.008"]);
    }

    #[test]
    fn very_large_and_very_small_values_have_powers_of_ten() {
        let large = Span { low: 0.0, high: 4e12 };
        assert_eq!(labels(&value_marks(large, 4)), ["0", "1×10¹²", "2×10¹²", "3×10¹²", "4×10¹²"]);
        let small = Span { low: 0.0, high: 2e-9 };
        assert_eq!(labels(&value_marks(small, 2)), ["0", "1×10⁻⁹", "2×10⁻⁹"]);
    }

    #[test]
    fn the_whole_range_of_numbers_has_an_axis() {
        let span = Span::around([f64::MIN, f64::MAX]).unwrap();
        assert_eq!(span.position(0.0), 0.5);
        assert!(!value_marks(span, 4).is_empty());
    }

    #[test]
    fn numbers_too_close_for_marks_do_not_hang() {
        let span = Span { low: 1e15, high: 1e15 + 0.125 };
        assert!(value_marks(span, 4).len() <= 9);
    }

    #[test]
    fn a_single_value_is_centred() {
        let span = Span::around([7.0]).unwrap();
        assert_eq!(span.position(7.0), 0.5);
        let zero = Span::around([0.0]).unwrap();
        assert_eq!(zero.position(0.0), 0.5);
    }

    #[test]
    fn values_that_are_not_finite_are_ignored() {
        assert_eq!(Span::around([f64::NAN, f64::INFINITY]), None);
        assert_eq!(Span::around([]), None);
    }

    #[test]
    fn indices_are_marked_at_round_numbers() {
        assert_eq!(labels(&index_marks(0, 11, 12)).len(), 12);
        assert_eq!(labels(&index_marks(7, 7, 5)), ["7"]);
        let marks = index_marks(0, 9_999, 5);
        assert_eq!(
            labels(&marks),
            ["0", "2\u{202f}000", "4\u{202f}000", "6\u{202f}000", "8\u{202f}000"]
        );
        assert_eq!(labels(&index_marks(0, 100, 5)), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(index_marks(0, u64::MAX - 1, 5).len(), 4);
        let part = index_marks(995, 1_010, 4);
        assert_eq!(labels(&part), ["995", "1\u{202f}000", "1\u{202f}005", "1\u{202f}010"]);
        assert_eq!(part[1].position, 5.0 / 15.0);
    }
}
