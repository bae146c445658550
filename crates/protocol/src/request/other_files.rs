//! What happens to files below a prefix that are not data.

use serde::{Deserialize, Serialize};

use super::{Choice, Described, Field};

/// The field of [`super::JobRequest::other_files`].
pub const OTHER_FILES: Field = Field {
    name: "other_files",
    symbol: None,
    title: "Other files",
    hint: "README, .md, hidden files",
    description: "What happens to files below a prefix that are not data: documents, images, \
                  programs, and names that begin with . or _",
};

/// What happens to files below a prefix that are not data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OtherFiles {
    /// They are left out, and listed.
    #[default]
    Skip,
    /// The job fails and names them.
    Refuse,
}

impl OtherFiles {
    // Browsers write no requests.
    #[cfg_attr(target_arch = "wasm32", expect(dead_code, reason = "only for writing a request"))]
    pub(super) fn is_default(&self) -> bool {
        *self == OtherFiles::default()
    }
}

impl Choice for OtherFiles {
    const ALL: &'static [OtherFiles] = &[OtherFiles::Skip, OtherFiles::Refuse];

    const FIELD: Field = OTHER_FILES;

    fn described(self) -> Described {
        match self {
            OtherFiles::Skip => Described {
                word: "skip",
                title: "skip",
                description: "They are left out, and listed in the plan and the job",
            },
            OtherFiles::Refuse => Described {
                word: "refuse",
                title: "refuse",
                description: "The job fails and names them",
            },
        }
    }
}

#[cfg(feature = "schema")]
super::schema::choices!(OtherFiles);
