//! Numbers a second of the decoders, and bytes a second of generated data.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use protocol::request::{Generate, GeneratedFormat};
use summation::generate::Generator;
use summation::{Block, Detection, Format, HEAD_BYTES};

const COUNT: u64 = 100_000;

fn generated(format: GeneratedFormat) -> Vec<u8> {
    let generate = Generate { files: 1, count: COUNT, format, seed: 1 };
    let mut generator = Generator::new(&generate, 0);
    let mut bytes = Vec::new();
    while generator.fill(1 << 20, &mut bytes) {}
    bytes
}

/// The same numbers with so many digits behind the point.
fn rounded(text: &[u8], digits: usize) -> Vec<u8> {
    let text = std::str::from_utf8(text).unwrap_or_default();
    let numbers: Vec<String> = text
        .trim()
        .split(',')
        .filter_map(|number| number.parse::<f64>().ok())
        .map(|x| format!("{:.digits$}", (x - 0.5) * 1000.0))
        .collect();
    numbers.join("\n").into_bytes()
}

/// One object, decoded 8,192 numbers at a time.
fn decode(bytes: &[u8], block: &mut Block) -> u64 {
    let total = bytes.len() as u64;
    // As much as programs look at: not a line of all numbers, unless a compressed one needs it.
    let head = &bytes[..bytes.len().min(HEAD_BYTES)];
    let found =
        [head, bytes].into_iter().find_map(|bytes| match Format::detect(bytes, total, None) {
            Ok(Detection::Format(format)) => Some(format),
            _ => None,
        });
    let Some(format) = found else {
        return 0;
    };
    let mut decoder = format.decoder(total);
    let mut rest = bytes;
    while !decoder.has_ended() {
        block.clear();
        match decoder.decode(rest, true, 8192, block) {
            Ok(consumed) => rest = &rest[consumed..],
            Err(_) => return 0,
        }
        black_box(block.values());
    }
    decoder.checkpoint().column
}

fn decoding(c: &mut Criterion) {
    let csv = generated(GeneratedFormat::Csv);
    let mut exponents = Vec::new();
    let mut random = 1u64;
    for _ in 0..COUNT {
        random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        let number = f64::from_bits(random);
        let number = if number.is_finite() { number } else { 1.0 };
        exponents.extend(format!("{number:e}\n").bytes());
    }
    let mut block = Block::with_capacity(8192);
    for (name, bytes) in [
        ("text, 17 digits", csv.clone()),
        ("text, 3 digits behind the point", rounded(&csv, 3)),
        ("text, over the whole range", exponents),
        ("npy f8", generated(GeneratedFormat::Npy)),
        ("text, zstd", zstd::encode_all(&csv[..], 1).unwrap_or_default()),
    ] {
        assert_eq!(decode(&bytes, &mut block), COUNT);
        let mut group = c.benchmark_group(format!("decode {name}"));
        group.throughput(Throughput::Elements(COUNT));
        group.bench_function("numbers", |b| b.iter(|| decode(black_box(&bytes), &mut block)));
        group.finish();
    }
}

fn generating(c: &mut Criterion) {
    for format in [GeneratedFormat::Csv, GeneratedFormat::Npy] {
        let mut group = c.benchmark_group(format!("generate {}", format.extension()));
        group.throughput(Throughput::Bytes(generated(format).len() as u64));
        group.bench_function("bytes", |b| b.iter(|| generated(black_box(format))));
        group.finish();
    }
}

fn quick() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(30)
}

criterion_group! {
    name = benches;
    config = quick();
    targets = decoding, generating
}
criterion_main!(benches);
