//! Test data, the same bytes for the same seed on every machine.
//!
//! Each number is a smooth wave over the columns plus noise that differs from
//! file to file, so that the mean of many files shows the wave and the more
//! files the clearer. Only operations that IEEE 754 defines exactly are used.

use protocol::request::{Generate, GeneratedFormat};

use crate::{Order, output};

/// How many half waves the columns have.
const HALF_WAVES: f64 = 6.0;

/// What the counter of `SplitMix64` goes up by (Steele, Lea and Flood, "Fast
/// Splittable Pseudorandom Number Generators", 2014).
const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// The bytes of one generated file, in pieces.
#[derive(Clone, Debug)]
pub struct Generator {
    numbers: Numbers,
    format: GeneratedFormat,
    /// The next column; the header, if there is one, comes before column 0.
    column: u64,
    started: bool,
}

/// The numbers of one generated file; any of them can be had at once.
#[derive(Clone, Copy, Debug)]
struct Numbers {
    count: u64,
    seed: u64,
    /// Half waves a column.
    step: f64,
}

impl Generator {
    /// For the file with this index, from 0.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "no matter in a step")]
    pub fn new(generate: &Generate, file: u64) -> Generator {
        Generator {
            numbers: Numbers {
                count: generate.count,
                seed: mix(mix(generate.seed).wrapping_add(file)),
                step: HALF_WAVES / generate.count as f64,
            },
            format: generate.format,
            column: 0,
            started: false,
        }
    }

    /// Appends the next bytes, about `bytes` of them; returns whether there are more.
    pub fn fill(&mut self, bytes: usize, to: &mut Vec<u8>) -> bool {
        let end = to.len() + bytes;
        to.reserve(bytes + 64);
        if !self.started && self.format == GeneratedFormat::Npy {
            to.extend(output::npy_header(&[self.numbers.count], Order::C));
        }
        self.started = true;
        while to.len() < end && self.column < self.numbers.count {
            let numbers = (self.numbers.count - self.column).min(256);
            let columns = self.column..self.column + numbers;
            self.column = columns.end;
            match self.format {
                GeneratedFormat::Npy => {
                    for column in columns {
                        to.extend_from_slice(&self.numbers.at(column).to_le_bytes());
                    }
                }
                GeneratedFormat::Csv => {
                    for column in columns {
                        output::put_number(self.numbers.at(column), to);
                        to.push(b',');
                    }
                }
            }
        }
        let has_more = self.column < self.numbers.count;
        if !has_more && self.format == GeneratedFormat::Csv && to.last() == Some(&b',') {
            to.pop();
            to.push(b'\n');
        }
        has_more
    }
}

impl Numbers {
    /// Between 0 and 1.
    #[inline(always)]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "of a column, no matter in a wave; of 53 bits, nothing is lost"
    )]
    fn at(&self, column: u64) -> f64 {
        let noise = (mix(self.seed.wrapping_add(column.wrapping_mul(GOLDEN_GAMMA))) >> 11) as f64
            * (f64::EPSILON / 2.0);
        let place = column as f64 * self.step;
        let half_wave = place as i32;
        let within = place - f64::from(half_wave);
        let arc = within * (1.0 - within);
        let wave = if half_wave & 1 == 0 { arc } else { -arc };
        0.375 + wave + 0.25 * noise
    }
}

/// The finaliser of `SplitMix64`.
#[inline(always)]
const fn mix(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(GOLDEN_GAMMA);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Block, Detection, Format};

    fn file(format: GeneratedFormat, count: u64, piece: usize) -> Vec<u8> {
        let generate = Generate { files: 3, count, format, seed: 42 };
        let mut generator = Generator::new(&generate, 1);
        let mut bytes = Vec::new();
        while generator.fill(piece, &mut bytes) {}
        bytes
    }

    fn numbers(bytes: &[u8]) -> Vec<f64> {
        let detection = Format::detect(bytes, bytes.len() as u64, None);
        let Ok(Detection::Format(format)) = detection else { panic!("{detection:?}") };
        let mut decoder = format.decoder(bytes.len() as u64);
        let mut block = Block::default();
        decoder.decode(bytes, true, usize::MAX, &mut block).unwrap();
        assert!(decoder.has_ended());
        block.values().to_vec()
    }

    #[test]
    fn both_formats_hold_the_same_numbers_in_any_pieces() {
        let npy = numbers(&file(GeneratedFormat::Npy, 1000, 100_000));
        assert_eq!(npy.len(), 1000);
        assert!(npy.iter().all(|&x| 0.0 < x && x < 1.0));
        for piece in [1, 777, 1 << 20] {
            let csv = file(GeneratedFormat::Csv, 1000, piece);
            assert_eq!(csv, file(GeneratedFormat::Csv, 1000, 5000));
            assert_eq!(numbers(&csv), npy);
        }
    }

    /// The bytes are part of what users rely on: a seed names a data set.
    #[test]
    fn the_bytes_of_a_seed_never_change() {
        let text = file(GeneratedFormat::Csv, 3, 100);
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "0.4188239024308186,0.5005753415611537,0.5568365262531194\n"
        );
    }
}
