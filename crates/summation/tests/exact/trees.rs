//! The same bits whatever the grouping: random trees of additions, merges and
//! encodings against the numbers added one object after the other.

use proptest::prelude::*;
use protocol::request::{Choice, Statistic};
use summation::{Block, ObjectEnd, PartialSum, PartialSumReader, Trailer};

use crate::numbers::{KINDS, Random, cases};
use crate::oracle::{self, assert_same};

const ALL: &[Statistic] = Statistic::ALL;

/// Objects whose columns are each of a kind, as in a data set.
fn objects(random: &mut Random, count: usize, columns: usize) -> Vec<Vec<f64>> {
    // Mostly one kind of column, and some of others.
    let usual = random.below(KINDS);
    let kinds: Vec<usize> = (0..columns)
        .map(|_| if random.below(8) == 0 { random.below(KINDS) } else { usual })
        .collect();
    let mut objects = Vec::new();
    for index in 0..count {
        let mut object: Vec<f64> = kinds.iter().map(|&kind| random.number(kind)).collect();
        // Some columns cancel out.
        if index > 0 && random.below(3) == 0 {
            let other: &Vec<f64> = &objects[random.below(index)];
            for (x, other) in object.iter_mut().zip(other) {
                *x = -other;
            }
        }
        objects.push(object);
    }
    objects
}

/// Adds an object in pieces of random lengths.
fn add_in_pieces(random: &mut Random, sum: &mut PartialSum, object: &[f64]) {
    let mut start = 0;
    while start < object.len() {
        let length = 1 + random.below(object.len() - start);
        let piece = object[start..start + length].iter().copied();
        sum.add(start, &Block::from_iter(piece));
        start += length;
    }
    sum.count_objects(1);
}

/// The sum of some objects by a random tree.
fn random_tree(random: &mut Random, objects: &[Vec<f64>], statistics: &[Statistic]) -> PartialSum {
    let columns = objects[0].len();
    let mut sum = PartialSum::new(columns, statistics);
    if objects.len() <= 2 || random.below(4) == 0 {
        for object in objects {
            add_in_pieces(random, &mut sum, object);
        }
        return sum;
    }
    let middle = 1 + random.below(objects.len() - 1);
    for half in [&objects[..middle], &objects[middle..]] {
        let child = random_tree(random, half, statistics);
        let bytes = child.encode(&Trailer::default());
        read_in_pieces(random, &bytes, &mut sum);
    }
    sum
}

pub(crate) fn read_in_pieces(random: &mut Random, bytes: &[u8], sum: &mut PartialSum) -> Trailer {
    let mut reader = PartialSumReader::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (now, after) = rest.split_at(1 + random.below(rest.len()));
        rest = after;
        reader.push(now, rest.is_empty(), sum).expect("sound bytes");
    }
    reader.trailer().cloned().unwrap_or_default()
}

pub(crate) fn shuffle(random: &mut Random, objects: &mut [Vec<f64>]) {
    for index in (1..objects.len()).rev() {
        objects.swap(index, random.below(index + 1));
    }
}

/// Lengths around the edges of groups and blocks.
fn columns() -> impl Strategy<Value = usize> {
    proptest::sample::select(
        &[1, 2, 15, 16, 17, 31, 33, 1023, 1024, 1025, 1040, 2047, 2048, 2049][..],
    )
}

#[test]
fn a_group_with_a_spill_keeps_the_minus_of_its_zeros() {
    let mut sum = PartialSum::new(16, &[]);
    for first in [1e300, 1.0, 1e-300] {
        let mut object = [-0.0; 16];
        object[0] = first;
        let mut child = PartialSum::new(16, &[]);
        child.add(0, &object.into_iter().collect());
        child.count_objects(1);
        let bytes = child.encode(&Trailer::default());
        PartialSumReader::new().push(&bytes, true, &mut sum).unwrap();
    }
    assert_eq!(sum.mean()[1].to_bits(), (-0.0f64).to_bits());
}

#[test]
fn the_pieces_of_an_encoded_sum_have_its_numbers() {
    let mut random = Random(7);
    for columns in [1, 1024, 8191, 8192, 8193, 20_000] {
        let objects = objects(&mut random, 3, columns);
        let sum = random_tree(&mut random, &objects, ALL);
        let bytes = sum.encode(&Trailer::default());
        let mut reader = PartialSumReader::new();
        let mut piece = PartialSum::new(0, ALL);
        let (mut mean, mut deviation) = (Vec::new(), Vec::new());
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (now, after) = rest.split_at(1 + random.below(rest.len()));
            rest = after;
            let show = |piece: &PartialSum| {
                piece.put_mean(&mut mean);
                deviation.extend(piece.statistic(Statistic::Std).unwrap());
            };
            reader
                .push_pieces(now, rest.is_empty(), columns, &mut piece, show)
                .expect("sound bytes");
        }
        assert_eq!(bits(&mean), bits(&sum.mean()));
        assert_eq!(bits(&deviation), bits(&sum.statistic(Statistic::Std).unwrap()));
    }
    let mut piece = PartialSum::new(0, &[]);
    let bytes = PartialSum::new(5000, &[]).encode(&Trailer::default());
    for wrong in [&bytes[..bytes.len() - 1], &[&bytes[..], &[0]].concat()] {
        let read = PartialSumReader::new().push_pieces(wrong, true, 5000, &mut piece, |_| {});
        assert!(read.is_err());
    }
}

fn bits(numbers: &[f64]) -> Vec<u64> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn the_mean_is_exact_and_the_bytes_are_the_same(seed: u64, columns in columns(), count in 1usize..14) {
        let mut random = Random(seed);
        let mut objects = objects(&mut random, count, columns);
        let mut flat = PartialSum::new(columns, &[]);
        for object in &objects {
            flat.add(0, &object.iter().copied().collect());
            flat.count_objects(1);
        }
        let expected = flat.encode(&Trailer::default());
        for _ in 0..3 {
            shuffle(&mut random, &mut objects);
            let tree = random_tree(&mut random, &objects, &[]);
            prop_assert_eq!(tree.objects(), count as u64);
            prop_assert!(tree.encode(&Trailer::default()) == expected);
        }
        for (column, mean) in flat.mean().into_iter().enumerate() {
            let numbers: Vec<f64> = objects.iter().map(|object| object[column]).collect();
            assert_same(mean, oracle::mean(&numbers), &numbers);
        }
    }

    #[test]
    fn so_are_the_statistics(seed: u64, columns in columns(), count in 1usize..10) {
        let mut random = Random(seed);
        let columns = columns.min(100 + columns % 40);
        let mut objects = objects(&mut random, count, columns);
        let tree = random_tree(&mut random, &objects, ALL);
        shuffle(&mut random, &mut objects);
        let other = random_tree(&mut random, &objects, ALL);
        prop_assert!(tree.encode(&Trailer::default()) == other.encode(&Trailer::default()));
        for &statistic in ALL {
            let found = other.statistic(statistic).unwrap();
            for (column, found) in found.into_iter().enumerate() {
                let numbers: Vec<f64> = objects.iter().map(|object| object[column]).collect();
                assert_same(found, oracle::statistic(statistic, &numbers), &numbers);
            }
        }
    }

    #[test]
    fn shortening_is_as_if_it_had_been_shorter(seed: u64, columns in columns(), cut in 0usize..2050) {
        let mut random = Random(seed);
        let objects = objects(&mut random, 5, columns);
        let cut = cut.min(columns);
        let mut long = random_tree(&mut random, &objects, ALL);
        long.shorten(cut);
        prop_assert_eq!(long.columns(), cut);
        let mut short = PartialSum::new(cut, ALL);
        for object in &objects {
            short.add(0, &object[..cut].iter().copied().collect());
            short.count_objects(1);
        }
        prop_assert!(long.encode(&Trailer::default()) == short.encode(&Trailer::default()));
        // And the memory can be used again.
        long.reset(columns);
        for object in &objects {
            add_in_pieces(&mut random, &mut long, object);
        }
        let again = random_tree(&mut random, &objects, ALL);
        prop_assert!(long.encode(&Trailer::default()) == again.encode(&Trailer::default()));
    }

    #[test]
    fn a_partial_sum_reads_back(seed: u64, columns in columns(), count in 0usize..6, ends in 0usize..5) {
        let mut random = Random(seed);
        let objects = objects(&mut random, count.max(1), columns);
        let sum = random_tree(&mut random, &objects, ALL);
        let trailer = Trailer { ends: vec![ObjectEnd::default(); ends] };
        let bytes = sum.encode(&trailer);
        let (again, found) = PartialSum::decode(&bytes).unwrap();
        prop_assert_eq!(&found, &trailer);
        prop_assert!(again.encode(&trailer) == bytes);
        let mut third = PartialSum::new(columns, ALL);
        prop_assert_eq!(read_in_pieces(&mut random, &bytes, &mut third), trailer.clone());
        prop_assert!(third.encode(&trailer) == bytes);
    }
}
