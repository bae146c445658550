//! A summary of a job's result.

use serde::{Deserialize, Serialize};

use crate::request::Statistic;

/// A summary of a job's result for its page. Its size does not depend on C.
///
/// NaN and infinities, which JSON cannot represent, are [`Number`]s.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ResultSummary {
    /// C, the number of values in the result.
    pub columns: u64,
    /// F, the number of objects that each value is the mean of.
    pub objects: u64,
    /// The shape of the result in C order; absent if the inputs have no shape.
    pub shape: Option<Vec<u64>>,
    /// The first values, at most [`FIRST_NUMBERS`].
    pub first: Vec<Number>,
    /// The plot of the result: at most [`PLOT_POINTS`] points, each for the same number
    /// of consecutive columns; `None` if those columns have no finite value.
    pub plot: Vec<Option<PlotPoint>>,
    /// The image of the result; absent unless the result has two dimensions.
    pub image: Option<Image>,
    /// The minimum value, ignoring NaN.
    pub min: Option<Number>,
    /// The maximum value, ignoring NaN.
    pub max: Option<Number>,
    /// The number of NaN values.
    pub nan_columns: u64,
    /// The number of infinite values.
    pub infinite_columns: u64,
    /// The statistics that were computed in addition to the mean.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub statistics: Vec<Statistic>,
    /// The stored .npy file of the mean; absent from records of older versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<StoredFile>,
    /// The stored safetensors file of the mean, if the inputs are model weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub safetensors: Option<StoredFile>,
    /// The stored NetCDF file of the mean, if the inputs are such files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub netcdf: Option<StoredFile>,
    /// The stored .npy file of the mean whose numbers have the type that was asked for, if that
    /// is not f64.
    // Browsers do not show it.
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub npy: Option<StoredFile>,
    /// The locations that the results were also written to, the mean last.
    // Browsers do not show it.
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<String>,
    /// What each of the statistics looks like, in the same order; empty in records of
    /// older versions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub summaries: Vec<StatisticSummary>,
    /// Figures of the mean; absent from records of older versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub figures: Option<Figures>,
}

/// A stored file of a result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct StoredFile {
    /// The size in bytes.
    pub bytes: u64,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

/// A summary of a statistic of the columns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct StatisticSummary {
    /// The first values, at most [`FIRST_NUMBERS`].
    pub first: Vec<Number>,
    /// The plot, as of the mean.
    pub plot: Vec<Option<PlotPoint>>,
    /// The minimum value, ignoring NaN.
    pub min: Option<Number>,
    /// The maximum value, ignoring NaN.
    pub max: Option<Number>,
    /// The stored .npy file.
    pub file: StoredFile,
    /// The stored safetensors file, if the inputs are model weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub safetensors: Option<StoredFile>,
    /// The stored NetCDF file, if the inputs are such files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub netcdf: Option<StoredFile>,
    /// The stored .npy file whose numbers have the type that was asked for, if that is not f64.
    // Browsers do not show it.
    #[cfg_attr(target_arch = "wasm32", serde(skip))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub npy: Option<StoredFile>,
    /// Figures of the statistic; absent from records of older versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub figures: Option<Figures>,
}

/// Figures of all values of an array of a result.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Figures {
    /// The first index of the minimum value; absent if all values are NaN.
    pub min_index: Option<u64>,
    /// The first index of the maximum value; absent if all values are NaN.
    pub max_index: Option<u64>,
    /// The number of NaN values.
    pub nan: u64,
    /// The number of infinite values.
    pub infinite: u64,
    /// The number of values that the quantiles and the histogram are computed from. If it is
    /// C, they are exact; else one value was chosen, by a hash, of each of so many equal
    /// ranges of columns.
    pub sampled: u64,
    /// The quantiles, from the least; empty if all values are NaN.
    pub quantiles: Vec<Quantile>,
    /// How the finite values are distributed; absent if there are none.
    pub histogram: Option<Histogram>,
}

/// A quantile of the values that are not NaN: the least of them that at least this fraction
/// of them do not exceed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Quantile {
    /// The fraction, 0 to 1.
    pub fraction: f64,
    /// The value.
    pub value: Number,
}

/// How finite values are distributed over bins of equal width.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Histogram {
    /// Where the first bin begins.
    pub low: f64,
    /// Where the last bin ends, itself included.
    pub high: f64,
    /// The number of values in each bin.
    pub counts: Vec<u64>,
    /// The number of finite values below the first bin.
    pub below: u64,
    /// The number of finite values above the last bin.
    pub above: u64,
}

/// The fractions of the quantiles.
pub const QUANTILES: [f64; 9] = [0.01, 0.02, 0.05, 0.25, 0.5, 0.75, 0.95, 0.98, 0.99];
/// The number of bins of a histogram.
pub const HISTOGRAM_BINS: usize = 48;
/// The most values that quantiles and a histogram are computed from.
pub const SAMPLED_MOST: u64 = 1 << 16;

/// The maximum number of values in a summary.
pub const FIRST_NUMBERS: usize = 20;
/// The maximum number of points in a plot: about one per pixel.
pub const PLOT_POINTS: usize = 512;
/// The maximum width and height of an image, in pixels.
pub const IMAGE_PIXELS: usize = 192;

/// The range of some consecutive columns of the result, ignoring NaN and infinities.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PlotPoint {
    /// The minimum value.
    pub min: f64,
    /// The maximum value.
    pub max: f64,
}

/// An image of a two-dimensional result, in rows from top to bottom.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Image {
    /// The width in pixels.
    pub width: u32,
    /// The height in pixels.
    pub height: u32,
    /// One level per pixel, from 1 (the minimum) to 255 (the maximum); 0 if the pixel
    /// has no finite value.
    pub pixels: Vec<u8>,
}

/// A number as text: the shortest that parses to the same bits, or `nan`, `inf` or
/// `-inf`. JSON numbers cannot represent the last three, nor the sign of -0.
pub type Number = String;
