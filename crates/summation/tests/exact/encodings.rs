//! What damage to an encoded partial sum does, and what an encoding costs.

use proptest::prelude::*;
use protocol::request::Statistic;
use summation::{
    Block, Checkpoint, EncodedHeader, HEADER_BYTES, ObjectEnd, PartialSum, PartialSumReader,
    Trailer,
};

use crate::numbers::{KINDS, Random};

fn some_sum(columns: usize) -> PartialSum {
    let mut random = Random(7);
    let mut sum = PartialSum::new(columns, &[Statistic::Min, Statistic::Std]);
    for object in 0..4 {
        let numbers = (0..columns).map(|column| random.number((object + column) % KINDS));
        sum.add(0, &numbers.collect());
        sum.count_objects(1);
    }
    sum
}

#[test]
fn what_is_stored_keeps_its_bytes() {
    // Stores hold partial sums of earlier versions, and attempts at one segment
    // by different versions must write the same.
    let expected: [u64; 6] = [
        0x2135_1d19_feb6_4236,
        0x2135_1d19_feb6_4236,
        0xa663_e722_07af_8670,
        0x645c_1903_5e68_fecd,
        0x431b_104c_ebb2_d822,
        0x6951_694c_78d7_1f00,
    ];
    let sets: [&[Statistic]; 6] = [
        &[],
        &[Statistic::Sum],
        &[Statistic::Min],
        &[Statistic::Max, Statistic::Min],
        &[Statistic::Std, Statistic::Max],
        &[Statistic::Sum, Statistic::Min, Statistic::Max, Statistic::Variance, Statistic::Std],
    ];
    let found = sets.map(|statistics| {
        let mut random = Random(11);
        let mut sum = PartialSum::new(2500, statistics);
        for object in 0..5 {
            let numbers = (0..2500).map(|column| random.number((object + column) % KINDS));
            sum.add(0, &numbers.collect());
            sum.count_objects(1);
        }
        xxhash_rust::xxh3::xxh3_64(&sum.encode(&some_trailer()))
    });
    assert_eq!(found, expected);
}

fn some_trailer() -> Trailer {
    let checkpoint = Checkpoint { byte: 17, column: 3, line: 1, line_start: 9 };
    Trailer { ends: vec![ObjectEnd { checkpoint, ended: false }; 3] }
}

proptest! {
    #[test]
    fn every_changed_byte_is_found(place: prop::sample::Index, change in 1u8..=255) {
        let mut bytes = some_sum(1100).encode(&some_trailer());
        let place = place.index(bytes.len());
        bytes[place] ^= change;
        let error = PartialSum::decode(&bytes).unwrap_err();
        // The error points at the header, the trailer or the block that it is in.
        prop_assert!(error.byte <= place as u64);
    }

    #[test]
    fn a_missing_end_is_found(kept: prop::sample::Index) {
        let bytes = some_sum(1100).encode(&some_trailer());
        prop_assert!(PartialSum::decode(&bytes[..kept.index(bytes.len())]).is_err());
    }

    #[test]
    fn any_bytes_are_no_partial_sum(bytes: Vec<u8>) {
        prop_assert!(PartialSum::decode(&bytes).is_err());
    }
}

#[test]
fn more_bytes_than_there_should_be_are_found() {
    let mut bytes = some_sum(10).encode(&Trailer::default());
    bytes.push(0);
    assert!(PartialSum::decode(&bytes).is_err());
}

#[test]
fn blocks_that_changed_places_are_found() {
    let mut sum = PartialSum::new(2048, &[]);
    sum.add(0, &(0..2048).map(f64::from).collect());
    let bytes = sum.encode(&Trailer::default());
    let (header, blocks) = bytes.split_at(HEADER_BYTES);
    let (first, second) = blocks.split_at(blocks.len() / 2);
    assert!(PartialSum::decode(&[header, second, first].concat()).is_err());
    assert!(PartialSum::decode(&[header, first, second].concat()).is_ok());
}

#[test]
fn the_header_and_the_trailer_come_first() {
    let bytes = some_sum(1100).encode(&some_trailer());
    let header = EncodedHeader::read(&bytes[..HEADER_BYTES]).unwrap();
    assert_eq!((header.columns, header.objects), (1100, 4));
    assert_eq!(header.total_bytes, bytes.len() as u64);
    let end = HEADER_BYTES + usize::try_from(header.trailer_bytes).unwrap();
    assert_eq!(header.read_trailer(&bytes[HEADER_BYTES..end]), Ok(some_trailer()));
}

#[test]
fn another_number_of_columns_or_other_statistics_are_refused() {
    let bytes = some_sum(10).encode(&Trailer::default());
    let statistics = [Statistic::Min, Statistic::Std];
    for (mut sum, words) in [
        (PartialSum::new(11, &statistics), "10 columns, where 11 were expected"),
        (PartialSum::new(10, &[]), "other statistics"),
    ] {
        let error = PartialSumReader::new().push(&bytes, true, &mut sum).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn what_is_zero_takes_no_room() {
    let mut sum = PartialSum::new(1024, &[]);
    sum.add(0, &(0..1024).map(f64::from).collect());
    assert!(sum.encode(&Trailer::default()).len() < 1024 * 8 + 100);
    sum.add(0, &Block::from_iter([1e-30]));
    assert!(sum.encode(&Trailer::default()).len() < 1024 * 16 + 100);
}

#[test]
fn no_columns_can_be_encoded_too() {
    let sum = PartialSum::new(0, &[]);
    let (again, _) = PartialSum::decode(&sum.encode(&Trailer::default())).unwrap();
    assert_eq!(again.columns(), 0);
}
