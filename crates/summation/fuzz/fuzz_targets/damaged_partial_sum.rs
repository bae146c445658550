//! No bytes make the decoder of partial sums panic, or take memory that they do
//! not account for; with every checksum put right, too, which chance would not do.

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::request::{Missing, Statistic};
use summation::{PartialSum, PartialSumReader, Trailer};

fuzz_target!(|data: (u8, u8, &[u8])| {
    let (kind, place, bytes) = data;
    let statistics = [&[][..], &[Statistic::Min], &[Statistic::Std]][usize::from(kind % 3)];
    let missing = if kind.is_multiple_of(2) { Missing::Skip } else { Missing::Propagate };
    let new = |columns| match kind % 5 {
        0 => PartialSum::with_weights(columns, statistics, missing),
        _ => PartialSum::new(columns, statistics),
    };
    if kind < 128 {
        let _ = PartialSum::decode(bytes);
        let mut sum = new(usize::from(place));
        let _ = PartialSumReader::new().push(bytes, true, &mut sum);
        let columns = usize::from(place);
        let show = |piece: &PartialSum| assert!(piece.mean().len() <= columns);
        let _ = PartialSumReader::new().push_pieces(bytes, true, columns, &mut sum, show);
        return;
    }
    // A sound one, with a part written over and its checksums put right.
    let mut sum = new(20);
    for x in [1e300, 1.0, 1e-300, f64::NAN] {
        sum.add(usize::from(place % 17), &[x, -x, 0.1].into_iter().collect());
        sum.count_weighted_object(1.0);
    }
    let mut encoded = sum.encode(&Trailer::default());
    // From the block's list of parts on.
    let start = 64 + 4 + usize::from(place);
    for (to, from) in encoded.iter_mut().skip(start).zip(bytes) {
        *to = *from;
    }
    summation::reseal(&mut encoded);
    if let Ok((sum, _)) = PartialSum::decode(&encoded) {
        let _ = (sum.mean(), sum.encode(&Trailer::default()));
        let _ = (sum.statistic(Statistic::Sum), sum.statistic(Statistic::Std));
    }
});
