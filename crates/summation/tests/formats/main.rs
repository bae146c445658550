//! Bytes to numbers: the same wherever ranges are cut, and errors that say where.

mod binary;
mod compressed;
mod reading;
mod tables;
mod text;
