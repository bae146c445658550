//! What all attempts did, over the same time as the lanes.

use std::fmt::Write;

/// The height of a chart in its own units.
pub const CHART_HEIGHT: u32 = 100;

/// A chart of values in equal parts of the time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chart {
    /// The path of its area, in a box of [`Chart::width`] by [`CHART_HEIGHT`] that the
    /// browser stretches.
    pub path: String,
    /// The number of values.
    pub width: usize,
}

/// Draws values as steps, of which `top` reaches the upper edge.
#[must_use]
pub fn chart(values: &[f64], top: f64) -> Chart {
    let mut path = format!("M0 {CHART_HEIGHT}");
    for value in values {
        let share = if top > 0.0 { (value / top).clamp(0.0, 1.0) } else { 0.0 };
        let y = f64::from(CHART_HEIGHT) * (1.0 - share);
        // Writing to a string does not fail.
        let _ = write!(path, "V{y:.1}h1");
    }
    let _ = write!(path, "V{CHART_HEIGHT}Z");
    Chart { path, width: values.len() }
}

/// The largest of some values; 0 if there is none.
#[must_use]
pub fn top(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_a_step_of_its_height() {
        let chart = chart(&[0.0, 2.0, 4.0], 4.0);
        assert_eq!(chart.path, "M0 100V100.0h1V50.0h1V0.0h1V100Z");
        assert_eq!(chart.width, 3);
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert_eq!(chart(&[0.0], top(&[0.0])).path, "M0 100V100.0h1V100Z");
        assert_eq!(top(&[]), 0.0);
    }
}
