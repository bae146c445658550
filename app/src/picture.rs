//! The layout of plots, images and the sum tree, as pure functions.

pub mod axis;
pub mod colour_map;
pub mod curve;
pub mod timeline;
pub mod tree;
