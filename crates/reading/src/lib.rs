//! Reads objects of a store range by range, for workers and the server.
//!
//! In reading order:
//!
//! - [`Ranges`]: the bytes of one object. [`open`] chooses how they are read: a
//!   file is read on the thread that uses it, any other object is read ahead.
//! - [`Buffers`]: reused memory for ranges.
//! - [`StoredInput`]: an input in its store, which may consist of several objects.
//! - [`detect`]: detects the format of an object from no more bytes than needed.
//! - [`StoredSum`]: adds a partial sum, or passes it on piece by piece, as its
//!   ranges arrive.
//! - [`stream`]: an object as a stream, for downloads.
//!
//! # Invariants
//!
//! - **At most two ranges of an object are in memory**: the one in use and the
//!   next. For a file it is one range, of at most [`FILE_RANGE_BYTES`].
//! - **Every requested byte is delivered**, or reading ends with an error. So an
//!   object that is shorter than when it was listed is an error.
//! - **A pinned object is read as it was when it was pinned**, or reading ends with
//!   [`platform::StoreError::Changed`].

mod buffers;
mod detecting;
mod ranges;
mod stored_input;
mod stored_sum;
mod streaming;

pub use buffers::Buffers;
pub use detecting::{DetectError, detect};
pub use ranges::{Extents, FILE_RANGE_BYTES, ObjectRef, Piece, Ranges, open, open_remote};
pub use stored_input::StoredInput;
pub use stored_sum::{ReadError, StoredSum};
pub use streaming::stream;
