//! A picture as a PNG, also in a data URL.
//!
//! Only the server makes one: what it needs is not part of what the browser
//! downloads.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use png::{BitDepth, ColorType, Encoder, EncodingError};
use protocol::result::Image;

use crate::picture::colour_map::{NO_NUMBER, colour};

/// The picture as a data URL; `None` if it has not as many pixels as it says.
#[must_use]
pub fn data_url(image: &Image) -> Option<String> {
    file(image).map(|file| url_of(&file))
}

/// The picture of a mean that is not complete yet, as a data URL: where nothing is known it
/// is transparent.
#[must_use]
pub fn partial_data_url(image: &Image) -> Option<String> {
    encoded(image, Gaps::Transparent).map(|file| url_of(&file))
}

fn url_of(file: &[u8]) -> String {
    format!("data:image/png;base64,{}", BASE64_STANDARD.encode(file))
}

/// How pixels without a finite number are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gaps {
    Coloured,
    Transparent,
}

/// The picture as a PNG file; `None` if it has not as many pixels as it says.
#[must_use]
pub fn file(image: &Image) -> Option<Vec<u8>> {
    encoded(image, Gaps::Coloured)
}

fn encoded(image: &Image, gaps: Gaps) -> Option<Vec<u8>> {
    let pixels = u64::from(image.width) * u64::from(image.height);
    if pixels == 0 || pixels != image.pixels.len() as u64 {
        return None;
    }
    encode(image, gaps).ok()
}

/// A PNG file (ISO 15948) with one byte a pixel, coloured by a palette.
fn encode(image: &Image, gaps: Gaps) -> Result<Vec<u8>, EncodingError> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, image.width, image.height);
    encoder.set_color(ColorType::Indexed);
    encoder.set_depth(BitDepth::Eight);
    // Level 0 stands for no finite number.
    let colours = std::iter::once(NO_NUMBER).chain((1..=255).map(colour));
    encoder.set_palette(colours.flatten().collect::<Vec<u8>>());
    if gaps == Gaps::Transparent {
        // How opaque the first colours of the palette are; the others are wholly.
        encoder.set_trns(vec![0]);
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&image.pixels)?;
    writer.finish()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use png::{Decoder, Transformations};

    use super::*;

    fn read(file: &[u8]) -> (u32, u32, Vec<u8>) {
        let mut decoder = Decoder::new(Cursor::new(file));
        decoder.set_transformations(Transformations::ALPHA);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut pixels).unwrap();
        assert_eq!(frame.color_type, ColorType::Rgba);
        (frame.width, frame.height, pixels)
    }

    #[test]
    fn a_picture_has_the_colours_of_its_levels_and_another_one_without_numbers() {
        let levels: Vec<u8> = (0..=255).collect();
        let image = Image { width: 32, height: 8, pixels: levels.clone() };
        let file = encode(&image, Gaps::Coloured).unwrap();
        assert!(file.starts_with(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x20\0\0\0\x08\x08\x03"));
        assert!(file.ends_with(b"IEND\xaeB`\x82"));
        let (width, height, pixels) = read(&file);
        assert_eq!((width, height), (32, 8));
        let (pixels, []) = pixels.as_chunks::<4>() else { panic!("not four bytes a pixel") };
        for (level, [red, green, blue, alpha]) in levels.into_iter().zip(pixels) {
            let expected = if level == 0 { NO_NUMBER } else { colour(level) };
            assert_eq!(([*red, *green, *blue], *alpha), (expected, 255), "{level}");
        }
    }

    #[test]
    fn a_picture_becomes_a_data_url() {
        let image = Image { width: 2, height: 1, pixels: vec![1, 255] };
        let url = data_url(&image).unwrap();
        let text = url.strip_prefix("data:image/png;base64,").unwrap();
        assert_eq!(BASE64_STANDARD.decode(text).unwrap(), file(&image).unwrap());
    }

    #[test]
    fn what_is_not_known_yet_is_transparent_and_not_a_colour() {
        let image = Image { width: 2, height: 1, pixels: vec![0, 255] };
        let opacity = |gaps| {
            let (_, _, pixels) = read(&encoded(&image, gaps).unwrap());
            [pixels[3], pixels[7]]
        };
        assert_eq!(opacity(Gaps::Transparent), [0, 255]);
        assert_eq!(opacity(Gaps::Coloured), [255, 255]);
    }

    #[test]
    fn a_picture_that_lacks_pixels_is_none() {
        let image = Image { width: 2, height: 2, pixels: vec![0; 3] };
        assert_eq!(data_url(&image), None);
        assert_eq!(data_url(&Image::default()), None);
    }
}
