//! The part of a result that a picture shows.

/// A range of columns, or of rows: the end is excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first that is shown.
    pub start: u64,
    /// The one after the last.
    pub end: u64,
}

/// The narrowest window: its columns can be told apart on any screen.
pub const NARROWEST: u64 = 8;

impl Window {
    /// All of `total`.
    #[must_use]
    pub const fn whole(total: u64) -> Window {
        Window { start: 0, end: total }
    }

    /// The window that an address names, moved into `total` where it leaves it; all if it
    /// names none.
    #[must_use]
    pub fn of(from: Option<u64>, to: Option<u64>, total: u64) -> Window {
        match (from, to) {
            (None, None) => Window::whole(total),
            (from, to) => {
                let (from, to) = (from.unwrap_or(0), to.unwrap_or(total).min(total));
                Window::placed(from, to.saturating_sub(from), total)
            }
        }
    }

    /// A window of a width from `start` on, moved and made smaller so that it fits.
    fn placed(start: u64, width: u64, total: u64) -> Window {
        let width = width.max(NARROWEST).min(total);
        let start = start.min(total - width);
        Window { start, end: start + width }
    }

    /// How many there are.
    #[must_use]
    pub const fn width(self) -> u64 {
        self.end - self.start
    }

    /// The one at a position, from 0 at the first to 1 at the last.
    #[must_use]
    pub fn at(self, position: f64) -> u64 {
        let last = self.width().saturating_sub(1);
        self.start + whole(position.clamp(0.0, 1.0) * last as f64).min(last)
    }

    /// The position of one that is shown, from 0 at the first to 1 at the last.
    #[must_use]
    pub fn position(self, index: u64) -> Option<f64> {
        let last = self.width().saturating_sub(1);
        let offset = index.checked_sub(self.start).filter(|offset| *offset <= last)?;
        Some(if last == 0 { 0.5 } else { offset as f64 / last as f64 })
    }

    /// The one whose cell is at a position, where each has a cell of the same width.
    #[must_use]
    pub fn cell(self, position: f64) -> u64 {
        let last = self.width().saturating_sub(1);
        self.start + floor(position.clamp(0.0, 1.0) * self.width() as f64).min(last)
    }

    /// The position of the middle of the cell of one that is shown.
    #[must_use]
    pub fn cell_position(self, index: u64) -> Option<f64> {
        let offset = index.checked_sub(self.start).filter(|_| index < self.end)?;
        Some((offset as f64 + 0.5) / self.width() as f64)
    }

    /// The window with `factor` times as many; what is at a position stays there.
    #[must_use]
    pub fn zoomed(self, factor: f64, position: f64, total: u64) -> Window {
        let width = whole(self.width() as f64 * factor).max(NARROWEST).min(total);
        let before = whole(position * width.saturating_sub(1) as f64);
        Window::placed(self.at(position).saturating_sub(before), width, total)
    }

    /// The window of the same width that begins so many widths later, or earlier if
    /// negative.
    #[must_use]
    pub fn moved(self, widths: f64, total: u64) -> Window {
        let step = whole(self.width() as f64 * widths.abs()).max(1);
        let start = match widths < 0.0 {
            true => self.start.saturating_sub(step),
            false => self.start.saturating_add(step),
        };
        Window::placed(start, self.width(), total)
    }

    /// The window of the same width that shows an index in its middle, or itself if it shows
    /// it already.
    #[must_use]
    pub fn showing(self, index: u64, total: u64) -> Window {
        if self.position(index).is_some() {
            return self;
        }
        Window::placed(index.saturating_sub(self.width() / 2), self.width(), total)
    }

    /// The part between two positions.
    #[must_use]
    pub fn between(self, one: f64, other: f64, total: u64) -> Window {
        let (start, last) = (self.at(one.min(other)), self.at(one.max(other)));
        Window::placed(start, last + 1 - start, total)
    }
}

/// The whole number below.
fn floor(number: f64) -> u64 {
    whole(number.floor())
}

/// The nearest whole number.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and what is not a number is 0"
)]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOTAL: u64 = 1_000_000;

    fn window(start: u64, end: u64) -> Window {
        Window { start, end }
    }

    #[test]
    fn what_an_address_names_is_moved_into_the_result() {
        assert_eq!(Window::of(None, None, TOTAL), Window::whole(TOTAL));
        assert_eq!(Window::of(Some(10), Some(30), TOTAL), window(10, 30));
        assert_eq!(Window::of(Some(10), None, TOTAL), window(10, TOTAL));
        assert_eq!(Window::of(Some(30), Some(10), TOTAL), window(30, 38));
        assert_eq!(Window::of(Some(u64::MAX), Some(u64::MAX), TOTAL), window(TOTAL - 8, TOTAL));
        assert_eq!(Window::of(Some(1), Some(2), 3), window(0, 3));
        assert_eq!(Window::of(Some(1), Some(2), 0), window(0, 0));
    }

    #[test]
    fn zooming_keeps_what_is_under_the_pointer() {
        let all = Window::whole(TOTAL);
        for position in [0.0, 0.25, 0.5, 1.0] {
            let kept = all.at(position);
            let near = all.zoomed(0.001, position, TOTAL);
            assert_eq!(near.width(), 1_000);
            assert!(near.at(position).abs_diff(kept) <= 1, "{position}: {near:?}");
            assert!(near.position(kept).is_some());
            assert_eq!(near.zoomed(1_000.0, position, TOTAL), all);
        }
        assert_eq!(all.zoomed(0.0, 0.5, TOTAL).width(), NARROWEST);
        assert_eq!(window(0, 3).zoomed(0.5, 0.5, 3), window(0, 3));
    }

    #[test]
    fn moving_stops_at_the_ends() {
        assert_eq!(window(100, 200).moved(0.25, TOTAL), window(125, 225));
        assert_eq!(window(100, 200).moved(-2.0, TOTAL), window(0, 100));
        assert_eq!(window(100, 200).moved(1e9, TOTAL), window(TOTAL - 100, TOTAL));
        assert_eq!(window(100, 108).moved(0.01, TOTAL), window(101, 109), "at least one");
    }

    #[test]
    fn positions_and_indices_belong_together() {
        let part = window(100, 111);
        assert_eq!([0.0, 0.5, 1.0, 9.0].map(|position| part.at(position)), [100, 105, 110, 110]);
        assert_eq!([100, 105, 110].map(|index| part.position(index)), [0.0, 0.5, 1.0].map(Some));
        assert_eq!([99, 111].map(|index| part.position(index)), [None, None]);
        assert_eq!([0.0, 0.1, 0.95, 1.0].map(|position| part.cell(position)), [100, 101, 110, 110]);
        assert_eq!(
            [99, 100, 111].map(|index| part.cell_position(index)),
            [None, Some(0.5 / 11.0), None]
        );
        assert_eq!(part.between(0.9, 0.1, TOTAL), window(101, 110));
        assert_eq!(part.showing(500, TOTAL), window(495, 506));
        assert_eq!(part.showing(105, TOTAL), part);
        assert_eq!(Window::whole(0).at(0.5), 0);
    }
}
