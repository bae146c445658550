//! HDF5 files as far as NetCDF-4 needs them: groups of both forms, object headers of both
//! versions, attributes, and numbers that lie one after the other or in chunks.
//!
//! Everything is read from the bytes of the object that are there. Where some are not, they
//! are noted ([`source::Source`]) and reading goes on beside them as far as it can, so that
//! many can be asked for at the same time; then it begins anew. What has a checksum is verified.
//!
//! Source: "HDF5 File Format Specification Version 3.0", The HDF Group.

mod checksum;
mod chunks;
mod headers;
mod heaps;
mod messages;
mod objects;
mod source;

pub(super) use chunks::Chunks;
pub(super) use messages::{Place, Type, UNLIMITED};
pub(super) use objects::{Array, Attribute, Found, Object, root, variables};
pub(super) use source::{Source, Stop, broken};

/// What HDF5 files begin with.
pub(super) const MAGIC: &[u8] = b"\x89HDF\r\n\x1a\n";
