//! What is known about a job's result besides its numbers.

use serde::{Deserialize, Serialize};

use crate::request::Statistic;

/// A job's result as its page shows it: small, whatever the size of the result.
///
/// Numbers that JSON has no word for (NaN, infinities) travel as [`Number`]s.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ResultSummary {
    /// C, how many numbers it has.
    pub columns: u64,
    /// F, how many objects each is the mean of.
    pub objects: u64,
    /// Its shape, if the inputs had one; in C order.
    pub shape: Option<Vec<u64>>,
    /// The first numbers, at most [`FIRST_NUMBERS`].
    pub first: Vec<Number>,
    /// The course of the whole result, at most [`PLOT_POINTS`] points of as many
    /// consecutive columns each; none where no number of theirs is finite.
    pub plot: Vec<Option<PlotPoint>>,
    /// The result as a picture, if its shape has two dimensions.
    pub image: Option<Image>,
    /// The least of its numbers, NaN left out.
    pub min: Option<Number>,
    /// The greatest of its numbers, NaN left out.
    pub max: Option<Number>,
    /// How many of its numbers are NaN.
    pub nan_columns: u64,
    /// How many of its numbers are infinite.
    pub infinite_columns: u64,
    /// What was computed beside the mean.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub statistics: Vec<Statistic>,
}

/// How many numbers a summary quotes.
pub const FIRST_NUMBERS: usize = 20;
/// How many points a summary's plot has: about one for each pixel.
pub const PLOT_POINTS: usize = 512;
/// The longest side of a summary's image, in pixels.
pub const IMAGE_PIXELS: usize = 192;

/// What some consecutive columns of the result look like; NaN and infinities left out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PlotPoint {
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

/// A result of two dimensions as a picture, row by row from the top.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Image {
    /// How many pixels a row has.
    pub width: u32,
    /// How many rows there are.
    pub height: u32,
    /// One number a pixel, from 1 (the least) to 255 (the greatest); 0 where there
    /// are only NaN and infinities.
    pub pixels: Vec<u8>,
}

/// A number as text: the shortest that reads back as the same bits, `nan`,
/// `inf` or `-inf`. JSON numbers would lose the last three, and the minus of -0.
pub type Number = String;
