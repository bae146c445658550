//! What adding, merging, encoding and dividing cost, in bytes of `f64` added or
//! numbers a second; and what each statistic costs on top.

use std::hint::black_box;
use std::time::Duration;

use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use protocol::request::{Choice, Statistic};
use summation::{Block, PartialSum, PartialSumReader, Trailer};

/// Columns of a segment: its sums stay in the second-level cache.
const COLUMNS: usize = 64 * 1024;
/// Numbers decoded at a time.
const BLOCK: usize = 8 * 1024;

/// Random numbers in [0, 1) (`SplitMix64`).
fn measurements(seed: u64, count: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..count)
        .map(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let bits = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((bits ^ (bits >> 31)) >> 11) as f64 * (f64::EPSILON / 2.0)
        })
        .collect()
}

fn blocks(numbers: &[f64]) -> Vec<Block> {
    numbers.chunks(BLOCK).map(|chunk| chunk.iter().copied().collect()).collect()
}

fn add_all(sum: &mut PartialSum, blocks: &[Block]) {
    let mut start = 0;
    for block in blocks {
        sum.add(start, block);
        start += block.len();
    }
    sum.count_objects(1);
}

fn numbers_of(group: &mut BenchmarkGroup<'_, WallTime>, count: usize) {
    group.throughput(Throughput::Bytes(8 * count as u64));
}

/// One object after another into one segment.
fn adding(c: &mut Criterion) {
    let mut group = c.benchmark_group("add");
    numbers_of(&mut group, COLUMNS);
    let single = |x: f64| (x * 16_777_216.0).floor() / 16_777_216.0;
    let wide = |x: f64| x * 2f64.powf((x * 1e6).fract() * 130.0 - 65.0);
    let masked = |x: f64| if (x * 1e6).fract() < 0.3 { f64::NAN } else { x };
    let kinds: [(&str, &dyn Fn(f64) -> f64); 4] = [
        ("measurements", &|x| x),
        ("single precision", &single),
        ("over 40 decades", &wide),
        ("3 in 10 are NaN", &masked),
    ];
    for (name, kind) in kinds {
        let objects: Vec<Vec<Block>> = (0..8)
            .map(|seed| measurements(seed, COLUMNS).into_iter().map(kind).collect::<Vec<_>>())
            .map(|numbers| blocks(&numbers))
            .collect();
        let mut objects = objects.iter().cycle();
        let mut sum = PartialSum::new(COLUMNS, &[]);
        group.bench_function(name, |b| {
            b.iter(|| objects.next().map(|object| add_all(&mut sum, black_box(object))));
        });
    }
    // What adding would cost if it did not have to be exact.
    let numbers = measurements(1, COLUMNS);
    let mut plain = vec![0.0; COLUMNS];
    group.bench_function("not exactly, for comparison", |b| {
        b.iter(|| {
            for (sum, x) in plain.iter_mut().zip(black_box(&numbers)) {
                *sum += x;
            }
        });
    });
    group.finish();
}

/// 100 arrays of 1,000,000 numbers in memory, on two threads: bytes a second of
/// both together. A worker adds segment by segment, whose sums stay in the cache.
fn two_cores(c: &mut Criterion) {
    const ARRAYS: u64 = 100;
    const NUMBERS: usize = 1_000_000;
    let mut group = c.benchmark_group("100 arrays of 1,000,000 on two threads");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(8 * ARRAYS * NUMBERS as u64));
    let arrays: Vec<Vec<Block>> =
        (0..ARRAYS).map(|seed| blocks(&measurements(seed, NUMBERS))).collect();
    for (name, segment) in [("in segments of 65,536", COLUMNS), ("in one segment", NUMBERS)] {
        group.bench_function(format!("exact, {name}"), |b| {
            b.iter(|| on_two_threads(&arrays, |half| add_exactly(half, segment)));
        });
        group.bench_function(format!("not exact, {name}"), |b| {
            b.iter(|| on_two_threads(&arrays, |half| add_plainly(half, segment)));
        });
    }
    group.finish();
}

fn on_two_threads(arrays: &[Vec<Block>], add: impl Fn(&[Vec<Block>]) + Sync) {
    std::thread::scope(|scope| {
        for half in arrays.chunks(arrays.len() / 2) {
            scope.spawn(|| add(half));
        }
    });
}

fn add_exactly(arrays: &[Vec<Block>], segment: usize) {
    let mut sum = PartialSum::new(segment, &[]);
    let count = arrays[0].len();
    let step = segment.div_ceil(BLOCK);
    for start in (0..count).step_by(step) {
        sum.reset(segment);
        for array in arrays {
            add_all(&mut sum, &array[start..count.min(start + step)]);
        }
        black_box(&sum);
    }
}

fn add_plainly(arrays: &[Vec<Block>], segment: usize) {
    let mut sums = vec![0.0; segment.next_multiple_of(BLOCK)];
    let count = arrays[0].len();
    let step = segment.div_ceil(BLOCK);
    for start in (0..count).step_by(step) {
        sums.fill(0.0);
        for array in arrays {
            let blocks = &array[start..count.min(start + step)];
            for (sums, block) in sums.chunks_mut(BLOCK).zip(blocks) {
                for (sum, x) in sums.iter_mut().zip(block.values()) {
                    *sum += x;
                }
            }
        }
        black_box(&sums);
    }
}

/// The same additions with what each statistic needs.
fn statistics(c: &mut Criterion) {
    let mut group = c.benchmark_group("add with");
    numbers_of(&mut group, COLUMNS);
    let blocks = blocks(&measurements(1, COLUMNS));
    for (name, statistics) in [
        ("the mean alone", &[][..]),
        ("sum", &[Statistic::Sum]),
        ("min", &[Statistic::Min]),
        ("max", &[Statistic::Max]),
        ("variance or standard deviation", &[Statistic::Variance]),
        ("all of them", Statistic::ALL),
    ] {
        let mut sum = PartialSum::new(COLUMNS, statistics);
        group.bench_function(name, |b| b.iter(|| add_all(&mut sum, black_box(&blocks))));
    }
    group.finish();
}

/// A sum of ten objects as bytes, and back into another.
fn encoding(c: &mut Criterion) {
    let mut group = c.benchmark_group("partial sum");
    let mut sum = PartialSum::new(COLUMNS, &[]);
    for seed in 0..10 {
        add_all(&mut sum, &blocks(&measurements(seed, COLUMNS)));
    }
    let bytes = sum.encode(&Trailer::default());
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("encode", |b| b.iter(|| black_box(&sum).encode(&Trailer::default())));
    let mut total = PartialSum::new(COLUMNS, &[]);
    group.bench_function("decode and add", |b| {
        b.iter(|| {
            let mut reader = PartialSumReader::new();
            reader.push(black_box(&bytes), true, &mut total)
        });
    });
    group.finish();
}

/// The division at the end.
fn results(c: &mut Criterion) {
    let mut group = c.benchmark_group("result of");
    group.throughput(Throughput::Elements(COLUMNS as u64));
    let statistics = [Statistic::Variance, Statistic::Min];
    for objects in [8, 10, 100] {
        let mut sum = PartialSum::new(COLUMNS, &statistics);
        for seed in 0..objects {
            add_all(&mut sum, &blocks(&measurements(seed, COLUMNS)));
        }
        group.bench_function(format!("{objects} objects, mean"), |b| {
            b.iter(|| black_box(&sum).mean());
        });
        if objects == 10 {
            for statistic in [Statistic::Min, Statistic::Variance, Statistic::Std] {
                let name = format!("{objects} objects, {statistic:?}").to_lowercase();
                group.bench_function(name, |b| b.iter(|| black_box(&sum).statistic(statistic)));
            }
        }
    }
    group.finish();
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
    targets = adding, two_cores, statistics, encoding, results
}
criterion_main!(benches);
