//! A small picture of a result, for lists of jobs.

use protocol::result::ResultSummary;

use super::png;
use crate::picture::axis::Span;
use crate::picture::curve::{Curve, SIDE, curve};

/// The colour of the line and of the range around it. It has a contrast of at least 3 to the
/// backgrounds of both themes, because a picture does not know the theme of the page.
const COLOUR: &str = "#1f8a91";

/// A small picture of the mean: its image if it has two dimensions, else its plot; with the
/// media type of the file. The size does not depend on C.
#[must_use]
pub fn thumbnail(result: &ResultSummary) -> (&'static str, Vec<u8>) {
    match result.image.as_ref().and_then(png::file) {
        Some(file) => ("image/png", file),
        None => ("image/svg+xml", plot(result).into_bytes()),
    }
}

/// The plot as SVG, which its page stretches.
fn plot(result: &ResultSummary) -> String {
    let finite = result.plot.iter().flatten().flat_map(|point| [point.min, point.max]);
    let span = Span::around(finite).unwrap_or(Span { low: 0.0, high: 1.0 });
    let Curve { envelope, line } = curve(&result.plot, span);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"72\" height=\"28\" \
         viewBox=\"0 0 {SIDE} {SIDE}\" preserveAspectRatio=\"none\">\
         <path d=\"{envelope}\" fill=\"{COLOUR}\" fill-opacity=\"0.35\"/>\
         <path d=\"{line}\" fill=\"none\" stroke=\"{COLOUR}\" stroke-width=\"1.5\" \
         stroke-linecap=\"round\" vector-effect=\"non-scaling-stroke\"/></svg>"
    )
}

#[cfg(test)]
mod tests {
    use protocol::result::{Image, PlotPoint};

    use super::*;

    #[test]
    fn a_result_of_two_dimensions_is_an_image_and_any_other_a_plot() {
        let point = |value| Some(PlotPoint { min: value, max: value });
        let mut result = ResultSummary { plot: vec![point(0.0), point(1.0)], ..Default::default() };
        let (kind, file) = thumbnail(&result);
        let text = String::from_utf8(file).unwrap();
        assert_eq!(kind, "image/svg+xml");
        assert!(text.contains("d=\"M0.0 946.4L1000.0 53.6\" fill=\"none\""), "{text}");
        result.image = Some(Image { width: 2, height: 1, pixels: vec![1, 255] });
        let (kind, file) = thumbnail(&result);
        assert_eq!(kind, "image/png");
        assert!(file.starts_with(b"\x89PNG"));
    }

    #[test]
    fn a_result_without_a_finite_value_has_an_empty_plot() {
        let (kind, file) = thumbnail(&ResultSummary { plot: vec![None], ..Default::default() });
        assert_eq!(kind, "image/svg+xml");
        assert!(String::from_utf8(file).unwrap().contains("<path d=\"\" fill=\"none\""));
    }
}
