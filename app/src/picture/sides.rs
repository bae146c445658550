//! How large a picture of a two-dimensional result is drawn.

/// The least height, or width, that shows rows, or columns, of a picture, in pixels.
const USEFUL_PX: u32 = 120;
/// A picture that is this many times as wide as high, or as high as wide, would be a line.
const THIN: u32 = 10;

/// How the sides of a picture relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sides {
    /// As wide as there is room.
    Wide,
    /// As high as there is room.
    Tall,
    /// As wide as there is room, and of this height, which is a multiple of its rows.
    Thin(u32),
    /// As high as there is room, and of this width, which is a multiple of its columns.
    Narrow(u32),
}

impl Sides {
    /// How a picture of so many pixels is drawn.
    #[must_use]
    pub fn of(width: u32, height: u32) -> Sides {
        let (width, height) = (width.max(1), height.max(1));
        if width / height >= THIN {
            Sides::Thin(useful(height))
        } else if height / width >= THIN {
            Sides::Narrow(useful(width))
        } else if width >= height {
            Sides::Wide
        } else {
            Sides::Tall
        }
    }

    /// The name, used in `data-shape`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Sides::Wide => "wide",
            Sides::Tall => "tall",
            Sides::Thin(_) => "thin",
            Sides::Narrow(_) => "narrow",
        }
    }

    /// The side that is fixed, as a custom property of CSS.
    #[must_use]
    pub fn style(self) -> String {
        match self {
            Sides::Wide | Sides::Tall => String::new(),
            Sides::Thin(px) | Sides::Narrow(px) => format!("--side:{px}px"),
        }
    }
}

/// The smallest multiple of a number of rows or columns that is of a useful size.
fn useful(pixels: u32) -> u32 {
    pixels * USEFUL_PX.div_ceil(pixels).max(1)
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
        assert_eq!(Sides::of(0, 0), Sides::Wide);
    }

    #[test]
    fn other_pictures_fill_one_of_their_sides() {
        assert_eq!(Sides::of(720, 1_440), Sides::Tall);
        assert_eq!(Sides::of(1_440, 720), Sides::Wide);
        assert_eq!(Sides::of(64, 64), Sides::Wide);
    }
}
