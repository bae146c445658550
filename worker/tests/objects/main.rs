//! How a worker reads its input objects: few at once, each byte once, and so
//! that its memory is bounded.

mod counted;
mod losses;
mod open;
mod orders;
mod scene;
mod tensors;
