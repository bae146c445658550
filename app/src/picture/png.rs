//! An image as a PNG in a data URL, without a library: one palette, and uncompressed
//! pixels.

use std::fmt::Write;

use protocol::result::Image;

use super::colour_map::colour;

/// The image as a data URL; `None` if the number of pixels differs from its size.
#[must_use]
pub fn data_url(image: &Image) -> Option<String> {
    encode(image).map(|bytes| format!("data:image/png;base64,{}", base64(&bytes)))
}

/// A PNG file (ISO 15948) with one byte per pixel.
fn encode(image: &Image) -> Option<Vec<u8>> {
    let (width, height) = (image.width as usize, image.height as usize);
    if width == 0 || height == 0 || width.checked_mul(height)? != image.pixels.len() {
        return None;
    }
    let mut header = Vec::with_capacity(13);
    header.extend(image.width.to_be_bytes());
    header.extend(image.height.to_be_bytes());
    // 8 bits per pixel, a palette, default compression and filter, no interlacing.
    header.extend([8, 3, 0, 0, 0]);

    let table: Vec<u8> = (0..=255).flat_map(colour).collect();

    let mut rows = Vec::with_capacity((width + 1) * height);
    for row in image.pixels.chunks(width) {
        // No filter for this row.
        rows.push(0);
        rows.extend(row);
    }

    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    push_chunk(&mut file, *b"IHDR", &header)?;
    push_chunk(&mut file, *b"PLTE", &table)?;
    // Level 0, which marks pixels without a finite value, is transparent.
    push_chunk(&mut file, *b"tRNS", &[0])?;
    push_chunk(&mut file, *b"IDAT", &stored(&rows))?;
    push_chunk(&mut file, *b"IEND", &[])?;
    Some(file)
}

fn push_chunk(file: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) -> Option<()> {
    file.extend(u32::try_from(data.len()).ok()?.to_be_bytes());
    let start = file.len();
    file.extend(kind);
    file.extend(data);
    let checksum = crc32(&file[start..]);
    file.extend(checksum.to_be_bytes());
    Some(())
}

/// A zlib stream (RFC 1950) of uncompressed blocks.
fn stored(data: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let blocks = data.chunks(usize::from(u16::MAX));
    let last = blocks.len().saturating_sub(1);
    for (index, block) in blocks.enumerate() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        stream.push(u8::from(index == last));
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend(block);
    }
    stream.extend(adler32(data).to_be_bytes());
    stream
}

fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

fn adler32(data: &[u8]) -> u32 {
    let (low, high) = data.iter().fold((1, 0), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    high << 16 | low
}

fn base64(data: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(data.len().div_ceil(3) * 4);
    for group in data.chunks(3) {
        let bits = (0..3)
            .fold(0, |bits, index| bits << 8 | u32::from(group.get(index).copied().unwrap_or(0)));
        for index in 0..4 {
            let digit = if index <= group.len() {
                char::from(DIGITS[(bits >> (18 - 6 * index) & 63) as usize])
            } else {
                '='
            };
            // Writing to a string does not fail.
            let _ = text.write_char(digit);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_standards() {
        // The published check values of both checksums.
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(adler32(b"Wikipedia"), 0x11E6_0398);
    }

    #[test]
    fn base64_is_padded() {
        // RFC 4648, section 10.
        assert_eq!(base64(b""), "");
        assert_eq!(base64(b"f"), "Zg==");
        assert_eq!(base64(b"fo"), "Zm8=");
        assert_eq!(base64(b"foo"), "Zm9v");
        assert_eq!(base64(b"foobar"), "Zm9vYmFy");
    }

    #[test]
    fn an_image_has_the_chunks_of_a_png() {
        let image = Image { width: 2, height: 1, pixels: vec![0, 255] };
        let file = encode(&image).unwrap();
        assert!(file.starts_with(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x02\0\0\0\x01\x08\x03"));
        // Signature; five chunks of 12 bytes and their data: header, 256
        // colours, one transparency, and 3 bytes of pixels in a stream with 11
        // around them.
        assert_eq!(file.len(), 8 + 5 * 12 + 13 + 768 + 1 + 14);
        // The end, with the checksum that every PNG has there.
        assert!(file.ends_with(b"IEND\xaeB`\x82"));
    }

    #[test]
    fn long_data_is_stored_in_several_blocks() {
        let data = vec![7; 70_000];
        let stream = stored(&data);
        assert_eq!(stream.len(), 2 + 5 + 65_535 + 5 + 4_465 + 4);
        assert_eq!(stream[2], 0);
        assert_eq!(stream[2 + 5 + 65_535], 1);
    }

    #[test]
    fn an_image_with_missing_pixels_is_none() {
        let image = Image { width: 2, height: 2, pixels: vec![0; 3] };
        assert_eq!(data_url(&image), None);
        assert_eq!(data_url(&Image::default()), None);
    }
}
