//! The time axis: marks at round times since the start of the job.

use std::fmt::Write;

use super::AXIS_PX;
use crate::format::duration;

/// The distances of marks in milliseconds, each so that labels are round.
const STEPS_MS: [u64; 24] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000,
    120_000, 300_000, 600_000, 1_800_000, 3_600_000, 10_800_000, 21_600_000, 86_400_000,
];

/// A mark of the axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeMark {
    /// The time since the start of the job in milliseconds.
    pub ms: u64,
    /// Its label.
    pub label: String,
}

/// About `wanted` marks, at most one more and at least one, from `from_ms` until `to_ms` since the start of
/// the job.
#[must_use]
pub fn time_marks(from_ms: u64, to_ms: u64, wanted: u64) -> Vec<TimeMark> {
    let span_ms = to_ms.saturating_sub(from_ms);
    let wanted = wanted.max(1);
    let fits = |step: &&u64| span_ms / **step <= wanted;
    // Of spans of years, whole days.
    let step = STEPS_MS
        .iter()
        .find(fits)
        .copied()
        .unwrap_or_else(|| (span_ms / wanted).div_ceil(86_400_000).max(1) * 86_400_000);
    let first = from_ms.div_ceil(step);
    (first..=to_ms / step)
        .map(|index| TimeMark { ms: index * step, label: label(index * step) })
        .collect()
}

/// A time without needless zeros: `0 s`, `250 ms`, `1.5 s`, `1 min 05 s`.
fn label(ms: u64) -> String {
    match ms {
        1..1_000 => duration(ms),
        ..60_000 => {
            let mut text = format!("{}.{:03}", ms / 1_000, ms % 1_000);
            text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
            text + "\u{a0}s"
        }
        _ => duration(ms),
    }
}

/// The marks as SVG, in a picture of the time from `start_ms` to `end_ms` since the start
/// of the job.
#[must_use]
pub fn axis_svg(marks: &[TimeMark], (start_ms, end_ms): (u64, u64)) -> String {
    let whole = end_ms.saturating_sub(start_ms).max(1) as f64;
    let mut svg = String::new();
    for TimeMark { ms, label } in marks {
        let x = ms.saturating_sub(start_ms) as f64 * 100.0 / whole;
        // A label at the right edge would be cut off.
        let (anchor, dx) = if x > 94.0 { ("end", -4) } else { ("start", 4) };
        // On a narrow screen it would be from further away, and all end at their lines.
        let class = if (12.0..=94.0).contains(&x) { " class=\"inner\"" } else { "" };
        // Writing to a string does not fail.
        let _ = write!(
            svg,
            "<line x1=\"{x:.3}%\" x2=\"{x:.3}%\" y1=\"0\" y2=\"100%\"></line>\
            <text{class} x=\"{x:.3}%\" dx=\"{dx}\" y=\"{}\" text-anchor=\"{anchor}\">{label}</text>",
            AXIS_PX - 8
        );
    }
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(from_ms: u64, to_ms: u64) -> Vec<String> {
        let marks = time_marks(from_ms, to_ms, 6);
        marks.into_iter().map(|mark| mark.label.replace('\u{a0}', " ")).collect()
    }

    #[test]
    fn marks_are_at_round_times() {
        assert_eq!(labels(0, 8_300), ["0 s", "2 s", "4 s", "6 s", "8 s"]);
        assert_eq!(labels(1_100, 1_900), ["1.2 s", "1.4 s", "1.6 s", "1.8 s"]);
        assert_eq!(labels(0, 41), ["0 s", "10 ms", "20 ms", "30 ms", "40 ms"]);
        assert_eq!(
            labels(55_000, 80_000),
            ["55 s", "1 min 00 s", "1 min 05 s", "1 min 10 s", "1 min 15 s", "1 min 20 s"]
        );
    }

    #[test]
    fn there_are_few_marks_in_any_span() {
        for span_ms in (0..50).map(|power| 1_u64 << power) {
            for wanted in [1, 6, 12] {
                let marks = time_marks(0, span_ms, wanted).len() as u64;
                assert!((1..=wanted + 1).contains(&marks), "{marks} marks in {span_ms} ms");
            }
        }
    }

    #[test]
    fn marks_lie_at_their_times() {
        let marks = time_marks(0, 4_000, 4);
        let svg = axis_svg(&marks, (0, 4_000));
        assert!(svg.contains("<line x1=\"25.000%\" x2=\"25.000%\""), "{svg}");
        assert_eq!(svg.matches("text-anchor=\"end\"").count(), 1, "the last one");
        assert_eq!(
            svg.matches("<text class=\"inner\"").count(),
            3,
            "neither the first nor the last"
        );
    }
}
