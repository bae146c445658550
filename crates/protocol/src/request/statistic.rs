//! The statistics that can be computed in addition to the mean: one row for each.

use serde::{Deserialize, Serialize};

use super::{Choice, Described, Field};

/// The field of [`super::JobRequest::statistics`].
pub const STATISTICS: Field = Field {
    name: "statistics",
    symbol: None,
    title: "Additional statistics",
    hint: "",
    description: "The statistics to compute in addition to the mean, in the same pass",
};

/// The size of the sum of one column in a partial sum, in bytes, unless the
/// column's numbers range over more than 106 bits.
pub const SUM_COLUMN_BYTES: u64 = 16;

/// Makes [`Statistic`] and its [`Choice`] from the rows of the table below.
macro_rules! statistics {
    ($($statistic:ident {
        word: $word:literal,
        title: $title:literal,
        description: $description:literal,
        keeps: $keeps:expr,
    })*) => {
        /// A statistic of every index, computed in addition to the mean.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Statistic {
            $(
                #[doc = concat!($description, ".")]
                #[serde(rename = $word)]
                $statistic,
            )*
        }

        impl Choice for Statistic {
            const ALL: &'static [Statistic] = &[$(Statistic::$statistic),*];

            const FIELD: Field = STATISTICS;

            fn described(self) -> Described {
                match self {
                    $(Statistic::$statistic => Described {
                        word: $word,
                        title: $title,
                        description: $description,
                    },)*
                }
            }
        }

        impl Statistic {
            /// The quantities that a partial sum must keep for it in addition to the sums.
            #[must_use]
            pub const fn keeps(self) -> &'static [Kept] {
                match self {
                    $(Statistic::$statistic => &$keeps,)*
                }
            }
        }
    };
}

// `PartialSum::statistic` in the crate `summation` computes each statistic from
// the kept quantities. A new kind of `Kept` needs a kernel there, too.
statistics! {
    Sum {
        word: "sum",
        title: "sum",
        description: "The exact sum, rounded once",
        keeps: [],
    }
    Min {
        word: "min",
        title: "minimum",
        description: "The minimum",
        keeps: [Kept::Least],
    }
    Max {
        word: "max",
        title: "maximum",
        description: "The maximum",
        keeps: [Kept::Greatest],
    }
    Range {
        word: "range",
        title: "range",
        description: "The maximum minus the minimum, rounded once",
        keeps: [Kept::Least, Kept::Greatest],
    }
    Variance {
        word: "variance",
        title: "variance",
        description: "The population variance (divided by the count), rounded once",
        keeps: [Kept::Squares],
    }
    Std {
        word: "std",
        title: "standard deviation",
        description: "The population standard deviation, rounded once",
        keeps: [Kept::Squares],
    }
    Variance1 {
        word: "variance1",
        title: "sample variance",
        description: "The sample variance (divided by the count minus 1), rounded once; NaN of \
                      fewer than two values",
        keeps: [Kept::Squares],
    }
    Std1 {
        word: "std1",
        title: "sample standard deviation",
        description: "The square root of the sample variance, rounded once; NaN of fewer than two \
                      values",
        keeps: [Kept::Squares],
    }
    Count {
        word: "count",
        title: "count",
        description: "The number of values; exact up to 2^53",
        keeps: [],
    }
}

#[cfg(feature = "schema")]
super::schema::choices!(Statistic);

/// A quantity that a partial sum can keep for each column in addition to its sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The minimum.
    Least,
    /// The maximum.
    Greatest,
    /// The sum of the squares.
    Squares,
    /// The number of missing values.
    Absences,
}

impl Kept {
    /// All quantities, in the order of the encoding of partial sums.
    pub const ALL: [Kept; 4] = [Kept::Least, Kept::Greatest, Kept::Squares, Kept::Absences];

    /// The size of the quantity for one column in bytes, unless the column's numbers
    /// range over more than 106 bits. [`Kept::Absences`] takes less where nothing is
    /// missing.
    #[must_use]
    pub const fn column_bytes(self) -> u64 {
        match self {
            Kept::Least | Kept::Greatest | Kept::Absences => 8,
            Kept::Squares => 24,
        }
    }
}
