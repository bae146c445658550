//! Numbers in, exact sums out. No I/O, no threads, no waiting.
//!
//! In reading order:
//!
//! - [`Format`] tells from the first bytes of an object how its numbers are
//!   written, and a [`Decoder`] turns its bytes, as they come, into [`Block`]s
//!   of numbers. An [`InputError`] says what was wrong, and where.
//!   [`check_none_missing`] is for jobs in which no value may be missing.
//! - A [`Transposition`] reads an array that is stored in one [`Order`] as if it
//!   were stored in the other.
//! - [`PartialSum`] adds blocks. [`Trailer`] and the encoding let it be stored,
//!   and a [`PartialSumReader`] adds what was stored to another.
//! - [`output`] writes results, [`generate`] makes test data. [`read_weights`] reads a table
//!   of weights.
//!
//! Invariants:
//!
//! - A partial sum is the exact sum of its numbers. The mean is that sum
//!   divided by the number of objects, rounded once.
//! - Nothing depends on the order or the grouping of additions, on where byte
//!   ranges were cut, or on the machine: not a bit of a mean, not a byte of an
//!   encoded partial sum, not the position in an error. (Only where damage to
//!   compressed data is noticed depends on how its bytes came.)
//! - Memory is bounded by the columns of a partial sum and by constants here,
//!   whatever the bytes are.

mod block;
mod exact;
mod format;
pub mod generate;
mod input_error;
mod keys;
mod missing;
mod order;
pub mod output;
mod partial_sum;
mod weights;

pub use block::Block;
pub use format::{
    Access, Checkpoint, Decoder, Detection, Format, HEAD_BYTES, HEAD_BYTES_MAX, INDEX_BYTES_MAX,
    Piece, Tensor, Variable, shards_of,
};
pub use input_error::InputError;
pub use keys::{ExpectedKeys, KeyUse, key_hash};
pub use missing::check_none_missing;
pub use order::{Order, Transposition};
#[cfg(feature = "fuzzing")]
pub use partial_sum::reseal;
pub use partial_sum::{
    CorruptError, EncodedHeader, HEADER_BYTES, ObjectEnd, PartialSum, PartialSumReader, Trailer,
};
pub use weights::{WeightLine, read_weights, weights_table};
