//! The arrays with names that a result consists of.

use std::ops::Range;

/// An array with a name that a result consists of: a tensor, a variable, or all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultPart {
    /// The name of the array.
    pub name: String,
    /// Its columns.
    pub columns: Range<u64>,
    /// The length along each index, in C order.
    pub shape: Vec<u64>,
}
