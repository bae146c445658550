//! What can be computed beside the mean: one row for each statistic.

use serde::{Deserialize, Serialize};

use super::{Choice, Described, Field};

/// What [`super::JobRequest::statistics`] are.
pub const STATISTICS: Field = Field {
    name: "statistics",
    symbol: None,
    title: "Beside the mean",
    hint: "",
    description: "What to compute beside the mean, in the same pass",
};

/// Bytes that the sum of one column takes in a partial sum, unless its numbers
/// range over more than 106 bits.
pub const SUM_COLUMN_BYTES: u64 = 16;

/// Makes [`Statistic`] and its [`Choice`] from the rows of the table below.
macro_rules! statistics {
    ($($statistic:ident {
        word: $word:literal,
        title: $title:literal,
        description: $description:literal,
        keeps: $keeps:expr,
    })*) => {
        /// What can be computed beside the mean, index by index.
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
            /// What a partial sum has to keep for it beside the sums.
            #[must_use]
            pub const fn keeps(self) -> &'static [Kept] {
                match self {
                    $(Statistic::$statistic => &$keeps,)*
                }
            }
        }
    };
}

// How each is computed from what is kept says `PartialSum::statistic` in the
// crate `summation`; a kind of `Kept` that is new has its kernel there, too.
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
        description: "The least number",
        keeps: [Kept::Least],
    }
    Max {
        word: "max",
        title: "maximum",
        description: "The greatest number",
        keeps: [Kept::Greatest],
    }
    Variance {
        word: "variance",
        title: "variance",
        description: "The population variance (divided by F), rounded once",
        keeps: [Kept::Squares],
    }
    Std {
        word: "std",
        title: "standard deviation",
        description: "The population standard deviation, rounded once",
        keeps: [Kept::Squares],
    }
    Count {
        word: "count",
        title: "count",
        description: "How many numbers there are; exact up to 2^53",
        keeps: [],
    }
}

#[cfg(feature = "schema")]
super::schema::choices!(Statistic);

/// What a partial sum can keep for each column beside its sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The least number.
    Least,
    /// The greatest number.
    Greatest,
    /// The sum of the squares.
    Squares,
}

impl Kept {
    /// All there are, in the order in which partial sums are encoded.
    pub const ALL: [Kept; 3] = [Kept::Least, Kept::Greatest, Kept::Squares];

    /// Bytes that it takes for one column, unless the numbers of the column
    /// range over more than 106 bits.
    #[must_use]
    pub const fn column_bytes(self) -> u64 {
        match self {
            Kept::Least | Kept::Greatest => 8,
            Kept::Squares => 24,
        }
    }
}
