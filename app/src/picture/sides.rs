//! How large a picture of a two-dimensional result is drawn.

/// The least height, or width, that shows rows, or columns, of a picture, in pixels.
const USEFUL_PX: u64 = 120;
/// A picture that is this many times as wide as high, or as high as wide, would be a line.
const THIN: u64 = 10;

/// How the sides of a picture relate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sides {
    /// As large as there is room, with this ratio of its width to its height.
    Free(f64),
    /// As wide as there is room, and of this height, which is a multiple of its rows.
    Thin(u64),
    /// As high as there is room, and of this width, which is a multiple of its columns.
    Narrow(u64),
}

impl Sides {
    /// How a picture of so many numbers is drawn.
    #[must_use]
    pub fn of(width: u64, height: u64) -> Sides {
        let (width, height) = (width.max(1), height.max(1));
        if width / height >= THIN {
            Sides::Thin(useful(height))
        } else if height / width >= THIN {
            Sides::Narrow(useful(width))
        } else {
            Sides::Free(width as f64 / height as f64)
        }
    }

    /// The name, used in `data-shape`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Sides::Free(_) => "free",
            Sides::Thin(_) => "thin",
            Sides::Narrow(_) => "narrow",
        }
    }

    /// The side that is fixed, or the ratio, as a custom property of CSS.
    #[must_use]
    pub fn style(self) -> String {
        match self {
            Sides::Free(ratio) => format!("--ratio:{ratio:.4}"),
            Sides::Thin(px) | Sides::Narrow(px) => format!("--side:{px}px"),
        }
    }
}

/// The largest height, or width, of a picture that is a line else.
const MOST_PX: u64 = 480;

/// The smallest multiple of a number of rows or columns that is of a useful size.
fn useful(numbers: u64) -> u64 {
    (numbers * USEFUL_PX.div_ceil(numbers).max(1)).min(MOST_PX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thin_pictures_are_scaled_by_whole_pixels_to_a_useful_height() {
        assert_eq!(Sides::of(500, 2), Sides::Thin(120));
        assert_eq!(Sides::of(2_000, 7), Sides::Thin(126));
        assert_eq!(Sides::of(3, 500), Sides::Narrow(120));
        assert_eq!(Sides::of(5_000, 300), Sides::Thin(300));
        assert_eq!(Sides::of(50_000, 3_000), Sides::Thin(480));
        assert_eq!(Sides::of(0, 0), Sides::Free(1.0));
    }

    #[test]
    fn other_pictures_keep_the_ratio_of_their_sides() {
        assert_eq!(Sides::of(720, 1_440), Sides::Free(0.5));
        assert_eq!(Sides::of(1_440, 720).style(), "--ratio:2.0000");
    }
}
