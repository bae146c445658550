//! Sums of any numbers, with weights and without, are encoded the same in whatever order
//! they are added, and read back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::request::{Missing, Statistic};
use summation::{Block, PartialSum, PartialSumReader, Trailer};

const STATISTICS: [Statistic; 3] = [Statistic::Min, Statistic::Max, Statistic::Std];

/// How the numbers are added.
#[derive(Clone, Copy)]
enum Kind {
    Plain,
    Weighted(Missing),
}

fuzz_target!(|data: (u8, Vec<f64>)| {
    let (columns, numbers) = data;
    let columns = usize::from(columns) + 1;
    for kind in [Kind::Plain, Kind::Weighted(Missing::Propagate), Kind::Weighted(Missing::Skip)] {
        check(columns, &numbers, kind);
    }
});

fn check(columns: usize, numbers: &[f64], kind: Kind) {
    let objects: Vec<&[f64]> = numbers.chunks_exact(columns).take(50).collect();
    let add = |objects: &mut dyn Iterator<Item = &&[f64]>| {
        let mut sum = match kind {
            Kind::Plain => PartialSum::new(columns, &STATISTICS),
            Kind::Weighted(missing) => PartialSum::with_weights(columns, &[], missing),
        };
        for object in objects {
            let block = object.iter().copied().collect::<Block>();
            if let Kind::Weighted(_) = kind {
                // The first number is the weight too, if it can be.
                let weight = Some(object[0].abs()).filter(|it| it.is_normal()).unwrap_or(5e-324);
                sum.add_weighted(0, &block, weight);
                sum.count_weighted_object(weight);
            } else {
                sum.add(0, &block);
                sum.count_objects(1);
            }
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
    let _ = (forward.mean(), forward.statistic(Statistic::Std), forward.statistic(Statistic::Sum));
}
