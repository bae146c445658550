//! What a job is: its inputs, which of them is wrong, and the mean.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use super::Load;
use crate::exact;

/// How the inputs of a job are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Text, a number a line.
    Lines,
    /// Text, all numbers in a line.
    Commas,
    Npy,
    /// `.npy` of numbers of 4 bytes.
    NpySingle,
    Safetensors,
}

const FORMATS: [Format; 5] =
    [Format::Lines, Format::Commas, Format::Npy, Format::NpySingle, Format::Safetensors];

/// What a job is, and what must become of it.
pub(super) struct Spec {
    /// The numbers follow from it.
    seed: u64,
    pub(super) files: usize,
    count: usize,
    format: Format,
    /// The file that is wrong, if one is.
    pub(super) bad: Option<usize>,
    /// The file that was overwritten during the job.
    pub(super) overwritten: Option<usize>,
    /// Resumed since, so that its result is that of the files as they are.
    pub(super) is_renewed: bool,
}

impl Spec {
    pub(super) fn random(random: &mut StdRng, load: Load) -> Spec {
        let files = random.random_range(2..=load.files_max);
        let format = FORMATS[random.random_range(0..FORMATS.len())];
        let is_text = matches!(format, Format::Lines | Format::Commas);
        let bad = random.random_bool(load.bad).then(|| random.random_range(0..files));
        Spec {
            seed: random.random(),
            files,
            count: random.random_range(1..=load.columns_max),
            format,
            // What is wrong in others is found when the job is planned, if at all.
            bad: bad.filter(|_| is_text),
            overwritten: None,
            is_renewed: false,
        }
    }

    /// The key of a file.
    pub(super) fn key(&self, folder: &str, file: usize) -> String {
        let extension = match self.format {
            Format::Lines | Format::Commas => "csv",
            Format::Npy | Format::NpySingle => "npy",
            Format::Safetensors => "safetensors",
        };
        format!("{folder}/{file:02}.{extension}")
    }

    /// The numbers of a file: multiples of a quarter, which sums keep exactly.
    fn numbers(&self, file: usize, is_overwritten: bool) -> Vec<f64> {
        let mut random = StdRng::seed_from_u64(self.seed.wrapping_add(file as u64));
        let more = if is_overwritten { 1.0 } else { 0.0 };
        let number = || f64::from(random.random_range(1..100_000_u32)) * 0.25 + more;
        std::iter::repeat_with(number).take(self.count).collect()
    }

    /// The bytes of a file as it is now, or as it is when it is wrong.
    pub(super) fn content(&self, file: usize, is_bad: bool) -> Vec<u8> {
        let numbers = self.numbers(file, self.overwritten == Some(file));
        let separator = if self.format == Format::Commas { "," } else { "\n" };
        match self.format {
            Format::Lines | Format::Commas => {
                let mut words: Vec<String> = numbers.iter().map(f64::to_string).collect();
                if is_bad {
                    words.push("wrong".to_owned());
                }
                (words.join(separator) + "\n").into_bytes()
            }
            Format::Npy => exact::to_npy(&format!("{},", numbers.len()), &numbers),
            Format::NpySingle => {
                let header = exact::to_npy(&format!("{},", numbers.len()), &[]);
                let (head, text) = header.split_at(10);
                let text = String::from_utf8_lossy(text).replace("<f8", "<f4").into_bytes();
                let body = numbers.iter().flat_map(|number| single(*number).to_le_bytes());
                [head.to_vec(), text, body.collect()].concat()
            }
            Format::Safetensors => {
                let end = numbers.len() * 8;
                let tensor =
                    json!({"dtype": "F64", "shape": [numbers.len()], "data_offsets": [0, end]});
                let header = json!({"weights": tensor}).to_string().into_bytes();
                let body = numbers.iter().flat_map(|number| number.to_le_bytes());
                let length = (header.len() as u64).to_le_bytes();
                [length.to_vec(), header, body.collect()].concat()
            }
        }
    }

    /// The bits that the mean may have: those of the inputs, and those of the inputs before
    /// one was overwritten, if the job may have read it before.
    pub(super) fn means(&self) -> Vec<Vec<u64>> {
        let mut means = vec![self.mean(self.overwritten)];
        if self.overwritten.is_some() && !self.is_renewed {
            means.push(self.mean(None));
        }
        means
    }

    /// The bits of the correctly rounded mean: sums of so few quarters are exact.
    fn mean(&self, overwritten: Option<usize>) -> Vec<u64> {
        let mut sums = vec![0.0; self.count];
        for file in 0..self.files {
            let numbers = self.numbers(file, overwritten == Some(file));
            sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
        }
        let files = self.files as f64;
        let means: Vec<f64> = sums.into_iter().map(|sum| sum / files).collect();
        exact::bits(&means)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "quarters below 2^15 fit")]
fn single(number: f64) -> f32 {
    number as f32
}
