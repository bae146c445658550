//! A span of time in equal parts.

use protocol::Timestamp;

/// A span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first moment.
    pub start: Timestamp,
    /// Its last moment.
    pub end: Timestamp,
}

impl Span {
    /// The span between two times, of which an absent one is that of the job; `None` for
    /// the whole job.
    #[must_use]
    pub fn between(from: Option<Timestamp>, to: Option<Timestamp>) -> Option<Span> {
        if from.is_none() && to.is_none() {
            return None;
        }
        let latest = Timestamp::from_millis(u64::MAX);
        Some(Span { start: from.unwrap_or_default(), end: to.unwrap_or(latest) })
    }

    /// The length in milliseconds; 0 if it ends before it starts.
    #[must_use]
    pub const fn ms(&self) -> u64 {
        self.end.millis_since(self.start)
    }

    /// The part of it that lies in another; of length 0 if none does.
    #[must_use]
    pub fn within(&self, other: &Span) -> Span {
        let start = self.start.clamp(other.start, other.end.max(other.start));
        let end = self.end.clamp(start, other.end.max(start));
        Span { start, end }
    }
}

/// A span of time in equal parts, as far as whole milliseconds allow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    span: Span,
    count: u64,
}

impl Parts {
    /// At most `most` parts of a span, none of which is empty unless the span is.
    pub(super) fn new(span: Span, most: usize) -> Parts {
        Parts { span, count: span.ms().clamp(1, most.max(1) as u64) }
    }

    /// The number of parts.
    pub(super) fn count(&self) -> usize {
        usize::try_from(self.count).unwrap_or(usize::MAX)
    }

    /// The length of a part in milliseconds.
    pub(super) fn ms(&self, part: usize) -> u64 {
        let part = part as u64;
        self.begin(part + 1) - self.begin(part)
    }

    /// The parts that a span shares, and how many milliseconds of each.
    pub(super) fn shared(&self, span: &Span) -> impl Iterator<Item = (usize, u64)> + use<> {
        let span = span.within(&self.span);
        let (from, to) =
            (span.start.millis_since(self.span.start), span.end.millis_since(self.span.start));
        let parts = *self;
        let first = from * self.count / self.span.ms().max(1);
        (first..self.count)
            .take_while(move |part| parts.begin(*part) < to)
            .map(move |part| {
                let shared = to.min(parts.begin(part + 1)) - from.max(parts.begin(part));
                (usize::try_from(part).unwrap_or(usize::MAX), shared)
            })
            .filter(|(_, ms)| *ms > 0)
    }

    /// Where a part begins, in milliseconds from the start of the span.
    fn begin(&self, part: u64) -> u64 {
        // Spans of some thousands of years in some hundred parts stay far below 2^64.
        self.span.ms() * part / self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: u64, end: u64) -> Span {
        Span { start: Timestamp::from_millis(start), end: Timestamp::from_millis(end) }
    }

    #[test]
    fn what_spans_share_with_the_parts_adds_up_to_their_lengths() {
        for (whole, most) in
            [(span(100, 1_100), 7), (span(5, 8), 240), (span(0, 86_400_000), 120), (span(3, 3), 9)]
        {
            let parts = Parts::new(whole, most);
            let lengths: u64 = (0..parts.count()).map(|part| parts.ms(part)).sum();
            assert_eq!(lengths, whole.ms());
            for inner in [whole, span(0, 90), span(150, 151), span(101, 1_099), span(999, 5_000)] {
                let shared: Vec<_> = parts.shared(&inner).collect();
                let sum: u64 = shared.iter().map(|(_, ms)| ms).sum();
                assert_eq!(sum, inner.within(&whole).ms(), "{inner:?} in {whole:?}");
                assert!(shared.iter().all(|(part, ms)| *ms <= parts.ms(*part)));
            }
        }
    }

    #[test]
    fn a_span_outside_shares_nothing() {
        let parts = Parts::new(span(10, 20), 5);
        assert_eq!(parts.shared(&span(0, 10)).count(), 0);
        assert_eq!(parts.shared(&span(20, 30)).count(), 0);
        assert_eq!(parts.shared(&span(9, 11)).collect::<Vec<_>>(), [(0, 1)]);
    }
}
