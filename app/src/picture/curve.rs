//! The SVG paths of the plot of a result.

use std::fmt::Write;

use protocol::result::PlotPoint;

use super::axis::Span;

/// The SVG paths of a plot, in a square of [`SIDE`] by [`SIDE`] with the origin at the
/// top left. The browser stretches the square.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Curve {
    /// The area between the minimum and the maximum of each point.
    pub envelope: String,
    /// The line through the middle of the area.
    pub line: String,
}

/// The side of the square in its own units. Coordinates have one decimal, which is
/// less than a pixel.
pub const SIDE: f64 = 1000.0;

/// Lays out points over the whole width. `None` is a gap.
#[must_use]
pub fn curve(points: &[Option<PlotPoint>], span: Span) -> Curve {
    let mut curve = Curve::default();
    let last = points.len().saturating_sub(1).max(1) as f64;
    let mut start = 0;
    for piece in points.split(Option::is_none) {
        let piece: Vec<PlotPoint> = piece.iter().flatten().copied().collect();
        let place = |offset: usize, value: f64| {
            let index = if points.len() == 1 { 0.5 } else { (start + offset) as f64 };
            (index / last * SIDE, (1.0 - span.position(value)) * SIDE)
        };
        draw_piece(&mut curve, &piece, place);
        start += piece.len() + 1;
    }
    curve
}

fn draw_piece(curve: &mut Curve, piece: &[PlotPoint], place: impl Fn(usize, f64) -> (f64, f64)) {
    if piece.is_empty() {
        return;
    }
    let upper = piece.iter().enumerate().map(|(i, p)| place(i, p.max));
    let lower = piece.iter().enumerate().map(|(i, p)| place(i, p.min));
    draw_line(&mut curve.envelope, upper.chain(lower.rev()));
    curve.envelope.push('Z');
    let middle = piece.iter().enumerate().map(|(i, p)| place(i, p.min / 2.0 + p.max / 2.0));
    draw_line(&mut curve.line, middle);
    if piece.len() == 1 {
        // A line of length 0 with round ends is drawn as a dot.
        curve.line.push_str("h0");
    }
}

fn draw_line(path: &mut String, points: impl Iterator<Item = (f64, f64)>) {
    for (index, (x, y)) in points.enumerate() {
        path.push(if index == 0 { 'M' } else { 'L' });
        // Writing to a string does not fail.
        let _ = write!(path, "{x:.1} {y:.1}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Span = Span { low: 0.0, high: 10.0 };

    fn point(min: f64, max: f64) -> Option<PlotPoint> {
        Some(PlotPoint { min, max })
    }

    #[test]
    fn the_envelope_follows_the_maxima_and_returns_along_the_minima() {
        let curve = curve(&[point(0.0, 10.0), point(5.0, 5.0)], SPAN);
        assert_eq!(curve.envelope, "M0.0 0.0L1000.0 500.0L1000.0 500.0L0.0 1000.0Z");
        assert_eq!(curve.line, "M0.0 500.0L1000.0 500.0");
    }

    #[test]
    fn a_missing_point_is_a_gap() {
        let curve = curve(&[point(0.0, 0.0), None, point(10.0, 10.0)], SPAN);
        assert_eq!(curve.line, "M0.0 1000.0h0M1000.0 0.0h0");
    }

    #[test]
    fn a_single_point_is_centred() {
        assert_eq!(curve(&[point(5.0, 5.0)], SPAN).line, "M500.0 500.0h0");
    }

    #[test]
    fn no_points_give_empty_paths() {
        assert_eq!(curve(&[], SPAN), Curve::default());
    }
}
