//! Reads objects of a store range by range, for workers and the server.
//!
//! In reading order:
//!
//! - [`Ranges`]: the bytes of one object. [`open`] chooses how they are read: a
//!   file where it is used, anything else ahead of its use.
//! - [`Buffers`]: memory that ranges are read into, again and again.
//! - [`detect`]: tells the format of an object from as many bytes as it takes.
//! - [`StoredSum`]: adds a partial sum, or shows it piece by piece, as its
//!   ranges come.
//! - [`stream`]: an object as a stream, for whoever downloads it.
//!
//! # Invariants
//!
//! - **At most two ranges of an object are in memory**: the one that is used
//!   and the next. Of a file it is one, of at most [`FILE_RANGE_BYTES`].
//! - **Each byte that was asked for is there**, or reading ends with an error:
//!   an object that is shorter than it was when it was listed is noticed.

mod buffers;
mod detecting;
mod ranges;
mod stored_sum;
mod streaming;

pub use buffers::Buffers;
pub use detecting::{DetectError, detect};
pub use ranges::{Extents, FILE_RANGE_BYTES, Piece, Ranges, open, open_remote};
pub use stored_sum::{ReadError, StoredSum};
pub use streaming::stream;
