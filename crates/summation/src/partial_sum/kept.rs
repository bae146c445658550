//! What a partial sum keeps beside its sums: a kernel for each [`Kept`].

use std::ops::Range;

use protocol::request::{Kept, Missing, SUM_COLUMN_BYTES, Statistic};

use super::absences::Absences;
use super::extremes::{Extreme, Extremes};
use super::payload::Payload;
use super::squares::{CanonicalSquares, Squares};

/// What sums are, and the set of what is kept beside them, as the header of an encoded
/// partial sum has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct KeptSet(u16);

/// What is kept of one kind, and how it is added up.
#[derive(Clone, Debug)]
pub(super) enum Kernel {
    /// The least or the greatest numbers.
    Extremes(Extremes),
    /// The sums of the squares.
    Squares(Squares),
    /// The numbers of missing values.
    Absences(Absences),
}

/// Memory that encoding uses again for each block.
#[derive(Default)]
pub(super) struct EncodeScratch {
    squares: Option<Box<CanonicalSquares>>,
}

impl KeptSet {
    /// What these statistics need, and what is to happen to missing values.
    pub(super) fn of(statistics: &[Statistic], missing: Missing) -> KeptSet {
        let needed = statistics.iter().flat_map(|statistic| statistic.keeps());
        let needed = needed.chain(missing.keeps());
        KeptSet(needed.fold(0, |flags, kept| flags | flag(*kept)))
    }

    /// As in a header; `None` if something is kept that is not known here, or is not kept
    /// of objects that have weights.
    pub(super) fn from_flags(flags: u16) -> Option<KeptSet> {
        let known = match KeptSet(flags).is_weighted() {
            false => Kept::ALL.into_iter().fold(0, |known, kept| known | flag(kept)),
            true => WEIGHTED | flag(Kept::Absences),
        };
        (flags & !known == 0).then_some(KeptSet(flags))
    }

    /// The same of objects that have weights.
    pub(super) const fn weighted(self) -> KeptSet {
        KeptSet(self.0 | WEIGHTED)
    }

    /// Whether objects have weights.
    pub(super) const fn is_weighted(self) -> bool {
        self.0 & WEIGHTED != 0
    }

    pub(super) const fn flags(self) -> u16 {
        self.0
    }

    /// Whether this is kept.
    pub(super) const fn has(self, kept: Kept) -> bool {
        self.0 & flag(kept) != 0
    }

    /// In the order in which they are encoded.
    fn iter(self) -> impl Iterator<Item = Kept> {
        Kept::ALL.into_iter().filter(move |kept| self.has(*kept))
    }

    /// Kernels that have seen nothing, in the order in which they are encoded.
    pub(super) fn kernels(self, columns: usize) -> Vec<Kernel> {
        self.iter().map(|kept| Kernel::new(kept, columns)).collect()
    }

    /// Bytes that a column takes: usually, and if its numbers range so widely
    /// that all that can spill over does.
    pub(super) fn column_bytes(self) -> (usize, usize) {
        let kept: u64 = self.iter().map(Kept::column_bytes).sum();
        let usual = usize::try_from(SUM_COLUMN_BYTES + kept).unwrap_or(usize::MAX);
        if self.is_weighted() {
            // The sums of products have four components in most columns. Remainders have 67
            // limbs, and those of absent weights 34.
            let absent = if self.has(Kept::Absences) { 16 } else { 0 };
            let most = 16 + 2 * 8 * 67 + 2 + 8 + absent * (1 + 34);
            return (usual + 16 + absent, usual + 16 + absent + most);
        }
        // Two more components, remainders of 34 limbs, their places, and numbers
        // that are not finite; a growing list of remainders may take twice what
        // it holds.
        let of_sums = 16 + 2 * 8 * 34 + 2 + 8;
        let of_kept: usize = self.iter().map(spill_bytes).sum();
        (usual, usual + of_sums + of_kept)
    }
}

/// The bit in the header of an encoded partial sum that says that objects have weights.
const WEIGHTED: u16 = 16;

/// Its bit in the header of an encoded partial sum.
const fn flag(kept: Kept) -> u16 {
    match kept {
        Kept::Squares => 1,
        Kept::Least => 2,
        Kept::Greatest => 4,
        Kept::Absences => 8,
    }
}

/// Bytes that a column takes in addition where its numbers spill over.
const fn spill_bytes(kept: Kept) -> usize {
    match kept {
        Kept::Least | Kept::Greatest | Kept::Absences => 0,
        // Remainders of 67 limbs and their places.
        Kept::Squares => 2 * 8 * 67 + 2,
    }
}

impl Kernel {
    fn new(kept: Kept, columns: usize) -> Kernel {
        match kept {
            Kept::Least => Kernel::Extremes(Extremes::new(Extreme::Least, columns)),
            Kept::Greatest => Kernel::Extremes(Extremes::new(Extreme::Greatest, columns)),
            Kept::Squares => Kernel::Squares(Squares::new(columns)),
            Kept::Absences => Kernel::Absences(Absences::new(columns)),
        }
    }

    pub(super) fn kept(&self) -> Kept {
        match self {
            Kernel::Extremes(extremes) => match extremes.extreme() {
                Extreme::Least => Kept::Least,
                Extreme::Greatest => Kept::Greatest,
            },
            Kernel::Squares(_) => Kept::Squares,
            Kernel::Absences(_) => Kept::Absences,
        }
    }

    /// Begins anew with so many columns, in the same memory.
    pub(super) fn reset(&mut self, columns: usize) {
        match self {
            Kernel::Extremes(extremes) => extremes.reset(columns),
            Kernel::Squares(squares) => squares.reset(columns),
            Kernel::Absences(absences) => absences.reset(columns),
        }
    }

    /// Forgets the columns from `columns` on.
    pub(super) fn truncate(&mut self, columns: usize) {
        match self {
            Kernel::Extremes(extremes) => extremes.truncate(columns),
            Kernel::Squares(squares) => squares.truncate(columns),
            Kernel::Absences(absences) => absences.truncate(columns),
        }
    }

    /// Takes in numbers for the columns from `start` on, all of one block.
    /// `all_finite` may be false although they are.
    pub(super) fn add(
        &mut self,
        start: usize,
        values: &[f64],
        low: Option<&[f64]>,
        all_finite: bool,
    ) {
        match self {
            Kernel::Extremes(extremes) => extremes.add(start, values),
            Kernel::Squares(squares) if all_finite => squares.add(start, values, low),
            Kernel::Squares(squares) => squares.add_finite(start, values, low),
            // Nothing is missing.
            Kernel::Absences(_) => {}
        }
    }

    /// Takes in likewise numbers among which NaN stands for what is missing.
    pub(super) fn add_present(&mut self, start: usize, values: &[f64], low: Option<&[f64]>) {
        match self {
            Kernel::Extremes(extremes) => extremes.add_present(start, values),
            Kernel::Squares(squares) => squares.add_finite(start, values, low),
            Kernel::Absences(absences) => absences.count(start, values),
        }
    }

    /// Appends a block to its payload; tells which parts of it that are.
    pub(super) fn encode(
        &self,
        columns: Range<usize>,
        scratch: &mut EncodeScratch,
        payload: &mut Vec<u8>,
    ) -> u32 {
        match self {
            Kernel::Extremes(extremes) => extremes.encode(columns, payload),
            Kernel::Squares(squares) => {
                let canonical =
                    scratch.squares.get_or_insert_with(|| Box::new(CanonicalSquares::new()));
                squares.encode(columns, canonical, payload)
            }
            Kernel::Absences(absences) => absences.encode(columns, payload),
        }
    }

    /// Takes in an encoded block; `None` if it is not laid out as it says.
    /// `scratch` holds three numbers for each of its columns.
    pub(super) fn decode(
        &mut self,
        start: usize,
        payload: &mut Payload<'_>,
        scratch: &mut [f64],
    ) -> Option<()> {
        match self {
            Kernel::Extremes(extremes) => extremes.decode(start, payload, scratch.len() / 3),
            Kernel::Squares(squares) => squares.decode(start, payload, scratch),
            Kernel::Absences(absences) => absences.decode(start, payload, scratch.len() / 3),
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::request::Choice as _;

    use super::*;

    #[test]
    fn the_header_of_what_is_stored_stays_as_it_is() {
        let of = |statistics: &[Statistic]| KeptSet::of(statistics, Missing::Propagate).flags();
        assert_eq!(of(&[]), 0);
        assert_eq!(of(&[Statistic::Sum]), 0);
        assert_eq!(of(&[Statistic::Std, Statistic::Variance]), 1);
        assert_eq!(of(&[Statistic::Min]), 2);
        assert_eq!(of(&[Statistic::Max, Statistic::Min]), 6);
        assert_eq!(KeptSet::of(&[Statistic::Std], Missing::Error).flags(), 1);
        assert_eq!(KeptSet::of(&[Statistic::Std], Missing::Skip).flags(), 9);
        assert_eq!(KeptSet::from_flags(15).map(KeptSet::flags), Some(15));
        assert_eq!(KeptSet::from_flags(32), None);
        assert_eq!(KeptSet::of(&[Statistic::Sum], Missing::Skip).weighted().flags(), 24);
        for known in [16, 24] {
            assert_eq!(KeptSet::from_flags(known).map(KeptSet::flags), Some(known));
        }
        assert_eq!(KeptSet::from_flags(17), None, "no squares of what is weighted");
    }

    #[test]
    fn kernels_are_of_the_kind_that_was_asked_for() {
        for kept in Kept::ALL {
            assert_eq!(Kernel::new(kept, 1).kept(), kept);
        }
    }

    #[test]
    fn a_column_takes_what_its_statistics_need() {
        assert_eq!(KeptSet::default().column_bytes(), (16, 586));
        let of =
            |statistics: &[Statistic], missing| KeptSet::of(statistics, missing).column_bytes();
        assert_eq!(of(&[Statistic::Min], Missing::Propagate), (24, 594));
        assert_eq!(of(&[], Missing::Skip), (24, 594));
        let weighted = |missing| KeptSet::of(&[], missing).weighted().column_bytes();
        assert_eq!(weighted(Missing::Propagate), (32, 32 + 1098));
        assert_eq!(weighted(Missing::Skip), (56, 56 + 1098 + 16 * 35));
        assert_eq!(of(Statistic::ALL, Missing::Error), (56, 586 + 8 + 8 + 24 + 1074));
    }
}
