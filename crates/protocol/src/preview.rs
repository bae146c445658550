//! The plan of a request that is not submitted.

use serde::{Deserialize, Serialize};

use crate::job::InputSummary;
use crate::plan::Plan;

/// The plan of a request. No job exists for it, and nothing is computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Preview {
    /// W, the number of workers: the requested one or the server's default.
    pub workers: u32,
    /// The properties of the inputs that planning found.
    pub inputs: InputSummary,
    /// The sum tree and its estimated cost.
    pub plan: Plan,
}
