//! How two results differ.

use serde::{Deserialize, Serialize};

use crate::result::{Image, Number, PlotPoint};

/// How two results of the same shape differ, value by value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Comparison {
    /// C, the number of values of each.
    pub columns: u64,
    /// The number of indices at which the bits of the values differ. 0 and -0 differ in bits,
    /// and so may two NaN.
    pub differing: u64,
    /// How many of them have no difference that is a number: NaN in one or both, or infinities
    /// of one sign.
    pub without_difference: u64,
    /// The greatest absolute difference; absent if no difference is a number.
    pub greatest: Option<Difference>,
    /// Whether the hashes of the stored files were enough, so that no value was read. Then
    /// there are no points and no image.
    pub by_hash: bool,
    /// The range of the differences, the second minus the first, over consecutive columns, as
    /// of a result's plot.
    pub points: Vec<Option<PlotPoint>>,
    /// The absolute differences as an image, from 0 to the greatest; absent unless the results
    /// have two dimensions.
    pub image: Option<Image>,
}

impl Comparison {
    /// Whether all values have the same bits.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.differing == 0
    }
}

/// The values of two results at an index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Difference {
    /// The index; the first of several.
    pub index: u64,
    /// The absolute difference, rounded to the nearest number.
    pub difference: Number,
    /// The value of the first.
    pub first: Number,
    /// The value of the second.
    pub second: Number,
}
