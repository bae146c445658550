//! The SVG path of a histogram.

use std::fmt::Write;

use super::curve::SIDE;

/// The bars of a histogram, in a square of [`SIDE`] by [`SIDE`] with the origin at the top
/// left: the highest fills it. A bar of few values is still seen.
#[must_use]
pub fn bars(counts: &[u64]) -> String {
    /// The least height of a bar that is not empty.
    const LEAST: f64 = 12.0;
    let most = counts.iter().copied().max().unwrap_or(0).max(1) as f64;
    let width = SIDE / counts.len().max(1) as f64;
    let drawn = width * 0.88;
    let mut path = String::new();
    for (index, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let height = (count as f64 / most * SIDE).max(LEAST);
        let left = index as f64 * width;
        // Writing to a string does not fail.
        let _ = write!(path, "M{left:.1} {SIDE}v-{height:.1}h{drawn:.1}v{height:.1}Z");
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_bar_fills_the_square_and_no_value_is_invisible() {
        let path = bars(&[1, 0, 1_000, 500]);
        assert_eq!(
            path,
            "M0.0 1000v-12.0h220.0v12.0Z\
             M500.0 1000v-1000.0h220.0v1000.0Z\
             M750.0 1000v-500.0h220.0v500.0Z"
        );
        assert_eq!(bars(&[]), "");
        assert_eq!(bars(&[0, 0]), "");
    }
}
