//! The colour map of images.

/// Evenly spaced colours from the minimum to the maximum.
///
/// Lightness increases evenly (OKLCH 0.24 to 0.96, hue from violet over blue and
/// green to yellow), so that equal steps look equal, also to colour-blind people and
/// in greyscale.
const ANCHORS: [[u8; 3]; 11] = [
    [39, 15, 68],
    [41, 35, 107],
    [16, 61, 142],
    [3, 92, 140],
    [5, 119, 147],
    [5, 146, 154],
    [2, 173, 157],
    [15, 202, 144],
    [135, 219, 134],
    [200, 232, 141],
    [251, 246, 171],
];

/// The RGB colour of a level from 0 (the minimum) to 255 (the maximum).
#[must_use]
pub fn colour(level: u8) -> [u8; 3] {
    let steps = ANCHORS.len() - 1;
    let scaled = usize::from(level) * steps;
    let (index, part) = (scaled / 255, scaled % 255);
    let (from, to) = (ANCHORS[index], ANCHORS[(index + 1).min(steps)]);
    std::array::from_fn(|channel| {
        let mixed =
            usize::from(from[channel]) * (255 - part) + usize::from(to[channel]) * part + 127;
        u8::try_from(mixed / 255).unwrap_or(u8::MAX)
    })
}

/// The RGB colour of pixels without a finite number, which the colour map does not have.
pub const NO_NUMBER: [u8; 3] = [222, 62, 160];

/// The colour map as a CSS gradient from left to right.
#[must_use]
pub fn gradient() -> String {
    let stops: Vec<String> =
        ANCHORS.iter().map(|[red, green, blue]| format!("rgb({red} {green} {blue})")).collect();
    format!("linear-gradient(to right, {})", stops.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_are_the_first_and_the_last_colour() {
        assert_eq!(colour(0), ANCHORS[0]);
        assert_eq!(colour(255), ANCHORS[10]);
    }

    #[test]
    fn lightness_increases_monotonically() {
        // The relative luminance of sRGB, without the linear part of the gamma curve.
        let luminance = |level: u8| {
            let [red, green, blue] = colour(level).map(|part| (f64::from(part) / 255.0).powf(2.2));
            0.2126 * red + 0.7152 * green + 0.0722 * blue
        };
        for level in (5..=255).step_by(5) {
            assert!(luminance(level) > luminance(level - 5), "at {level}");
        }
    }
}
