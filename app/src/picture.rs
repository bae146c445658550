//! The layout of plots, images, the sum tree and a job's attempts, as pure functions.

pub mod axis;
pub mod colour_map;
pub mod curve;
pub mod histogram;
pub mod run;
pub mod sides;
pub mod timeline;
pub mod tree;
pub mod window;
