//! Models in several files.

use std::ops::Range;

use protocol::request::ReadOptions;
use protocol::task::ObjectPart;
use summation::{Block, Detection, Format, InputError, Piece};

use crate::safetensors::{file, singles};

/// Some objects that are one input: their names, and their bytes one after the other.
struct Input {
    parts: Vec<ObjectPart>,
    bytes: Vec<u8>,
}

fn input(objects: &[(&str, Vec<u8>)]) -> Input {
    let part = |(name, bytes): &(&str, Vec<u8>)| ObjectPart {
        location: format!("m/{name}"),
        bytes: bytes.len() as u64,
        version: None,
    };
    let bytes = objects.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect();
    Input { parts: objects.iter().map(part).collect(), bytes }
}

fn index(places: &str) -> (&'static str, Vec<u8>) {
    let text = format!(r#"{{"metadata":{{}},"weight_map":{{{places}}}}}"#);
    ("model.safetensors.index.json", text.into_bytes())
}

fn place(byte: u64) -> usize {
    usize::try_from(byte).expect("in memory")
}

impl Input {
    /// Tells the format from what is asked for, and from the first `shown` bytes.
    fn detect(&self, shown: usize, select: &[&str]) -> Result<Format, InputError> {
        let select = select.iter().map(|&name| name.to_owned()).collect();
        let options = ReadOptions { select, ..ReadOptions::default() };
        let total = self.bytes.len() as u64;
        let mut others = Vec::new();
        for _ in 0..5 {
            let head = &self.bytes[..shown.min(self.bytes.len())];
            match Format::detect_in(head, &others, total, &options, &self.parts)? {
                Detection::Format(format) => return Ok(format),
                Detection::Needs(bytes) => panic!("{bytes} first bytes are asked for"),
                Detection::NeedsRanges(ranges) => {
                    others.extend(ranges.into_iter().map(|Range { start, end }| Piece {
                        start,
                        bytes: self.bytes[place(start)..place(end)].to_vec(),
                    }));
                }
            }
        }
        panic!("more and more is asked for");
    }

    fn error(&self) -> String {
        self.detect(16, &[]).expect_err("it is wrong").detail()
    }

    /// The numbers of some columns.
    fn columns(&self, format: &Format, from: u64, to: u64) -> Vec<f64> {
        let extents = format.extents(&(from..to)).expect("tensors have extents");
        let wanted: Vec<u8> = extents
            .iter()
            .flat_map(|e| &self.bytes[place(e.start)..place(e.end)])
            .copied()
            .collect();
        let checkpoint = format.checkpoint_of(from).expect("seekable");
        let mut decoder = format.decoder_at(self.bytes.len() as u64, checkpoint);
        let mut block = Block::default();
        decoder.decode(&wanted, false, usize::MAX, &mut block).expect("numbers");
        block.values().to_vec()
    }
}

/// Two shards: one with a long header.
fn shards() -> [(&'static str, Vec<u8>); 2] {
    let long = "x".repeat(20_000);
    [
        ("1.safetensors", file(&[("b", "F32", &[2], singles(&[1.0, 2.0]))])),
        (
            "2.safetensors",
            file(&[
                (&long, "F32", &[1], singles(&[3.0])),
                ("a", "F64", &[1], 4.0_f64.to_le_bytes().to_vec()),
            ]),
        ),
    ]
}

#[test]
fn the_tensors_of_all_shards_are_those_of_the_model() {
    let [one, two] = shards();
    let index = index(r#""a":"2.safetensors","b":"1.safetensors""#);
    let model = input(&[index, one, two]);
    for shown in [16, 5_000, 1 << 20] {
        let format = model.detect(shown, &[]).unwrap();
        assert_eq!(format.columns(model.bytes.len() as u64), Some(4));
        assert_eq!(format.describe(), "safetensors of several types, 3 tensors in 2 shards");
        let names = format.names().unwrap();
        assert_eq!((names[0].as_str(), names[1].as_str()), ("a", "b"), "the widest come first");
        assert_eq!(model.columns(&format, 0, 4), [4.0, 1.0, 2.0, 3.0]);
        assert_eq!(model.columns(&format, 2, 4), [2.0, 3.0], "from one shard into the other");
        let some = model.detect(shown, &["a", "b"]).unwrap();
        assert_eq!(some.describe(), "safetensors of several types, 2 of 3 tensors in 2 shards");
    }
}

#[test]
fn models_with_other_shards_or_none_are_aligned_by_name() {
    let [one, two] = shards();
    let first =
        input(&[index(r#""a":"2.safetensors""#), one, two]).detect(16, &["a", "b"]).unwrap();
    let b = ("b", "F32", &[2][..], singles(&[5.0, 6.0]));
    let a = ("a", "F64", &[1][..], 7.0_f64.to_le_bytes().to_vec());
    let other = input(&[
        index(r#""a":"z.safetensors","b":"y.safetensors""#),
        ("y.safetensors", file(std::slice::from_ref(&b))),
        ("z.safetensors", file(std::slice::from_ref(&a))),
    ]);
    let aligned = other.detect(16, &[]).unwrap().aligned(Some(&first), "m").unwrap();
    assert_eq!(other.columns(&aligned, 0, 3), [7.0, 5.0, 6.0]);
    let whole = file(&[b, a]);
    let Detection::Format(single) = Format::detect(&whole, whole.len() as u64, None).unwrap()
    else {
        panic!("all is there");
    };
    assert!(single.aligned(Some(&first), "m").is_ok());
    let fewer = input(&[index(r#""b":"1.safetensors""#), shards()[0].clone()]);
    let error = fewer.detect(16, &[]).unwrap().aligned(Some(&first), "m").unwrap_err();
    assert_eq!(error.detail(), "has no tensor \"a\", which m has");
}

#[test]
fn errors_name_the_shard_and_the_place_in_it() {
    let [one, two] = shards();
    let good = index(r#""a":"2.safetensors""#);
    let twice = input(&[good.clone(), one.clone(), ("2.safetensors", one.1.clone())]);
    let in_both = "the tensor \"b\" is in 1.safetensors and in 2.safetensors";
    assert_eq!(twice.error(), in_both);
    let cut = two.1[..two.1.len() - 1].to_vec();
    let cut = input(&[good.clone(), one.clone(), ("2.safetensors", cut)]).error();
    assert!(cut.starts_with("2.safetensors: byte 2"), "{cut}");
    assert!(cut.contains("ends at byte"), "{cut}");
    let text = input(&[good.clone(), ("1.safetensors", b"1,2,3\n".to_vec()), two.clone()]).error();
    assert_eq!(text, "1.safetensors: byte 0: is no safetensors file");
    let empty = input(&[good, ("1.safetensors", Vec::new()), two.clone()]).error();
    assert_eq!(empty, "1.safetensors: byte 0: is no safetensors file");
    let elsewhere = input(&[index(r#""b":"2.safetensors""#), one.clone(), two.clone()]).error();
    let expected = "by its index, the tensor \"b\" is in 2.safetensors, but it is in 1.safetensors";
    assert_eq!(elsewhere, expected);
    let nowhere = input(&[index(r#""c":"2.safetensors""#), one.clone(), two.clone()]).error();
    assert_eq!(nowhere, "by its index, the tensor \"c\" is in 2.safetensors, but it is not there");
    let broken = input(&[("model.safetensors.index.json", b"{".to_vec()), one, two]).error();
    assert!(broken.starts_with("model.safetensors.index.json: an index of shards"), "{broken}");
}
