//! How a request would be computed.

use serde::{Deserialize, Serialize};

use crate::job::InputSummary;
use crate::plan::Plan;

/// How a request would be computed: nothing of it has begun, and no job has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Preview {
    /// W as it would be used, after the server's default.
    pub workers: u32,
    /// What has been found out about the inputs.
    pub inputs: InputSummary,
    /// The sum tree, and what it would cost.
    pub plan: Plan,
}
