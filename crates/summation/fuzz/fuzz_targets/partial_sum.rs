//! Sums of any numbers are encoded the same in whatever order they are added,
//! and read back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::request::Statistic;
use summation::{Block, PartialSum, PartialSumReader, Trailer};

const STATISTICS: [Statistic; 3] = [Statistic::Min, Statistic::Max, Statistic::Std];

fuzz_target!(|data: (u8, Vec<f64>)| {
    let (columns, numbers) = data;
    let columns = usize::from(columns) + 1;
    let objects: Vec<&[f64]> = numbers.chunks_exact(columns).take(50).collect();
    let add = |objects: &mut dyn Iterator<Item = &&[f64]>| {
        let mut sum = PartialSum::new(columns, &STATISTICS);
        for object in objects {
            sum.add(0, &object.iter().copied().collect::<Block>());
            sum.count_objects(1);
        }
        sum
    };
    let forward = add(&mut objects.iter());
    let backward = add(&mut objects.iter().rev());
    let (first, second) = objects.split_at(objects.len() / 2);
    let mut halves = add(&mut first.iter());
    let second = add(&mut second.iter()).encode(&Trailer::default());
    PartialSumReader::new().push(&second, true, &mut halves).expect("sound bytes");
    let bytes = forward.encode(&Trailer::default());
    assert_eq!(bytes, backward.encode(&Trailer::default()));
    assert_eq!(bytes, halves.encode(&Trailer::default()));
    let (again, _) = PartialSum::decode(&bytes).expect("sound bytes");
    assert_eq!(bytes, again.encode(&Trailer::default()));
    let _ = (forward.mean(), forward.statistic(Statistic::Std));
});
