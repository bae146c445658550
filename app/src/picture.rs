//! The layout of plots, pictures and the sum tree, as plain functions.

pub mod axis;
pub mod colour_map;
pub mod curve;
pub mod timeline;
pub mod tree;
