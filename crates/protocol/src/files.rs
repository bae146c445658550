//! The objects of the store, as users browse them.

use serde::{Deserialize, Serialize};

/// What lies directly below a prefix. The program's own objects are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct FolderPage {
    /// The prefix: empty, or ending in a slash.
    pub prefix: String,
    /// The folders, in the order of their names.
    pub folders: Vec<Folder>,
    /// The objects that are in no folder below the prefix, in the order of their keys.
    pub files: Vec<StoredObject>,
    /// Whether this is all: of very many objects only the first are counted.
    pub is_whole: bool,
}

/// A folder: the objects whose keys begin with its prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Folder {
    /// The prefix, which ends in a slash.
    pub prefix: String,
    /// The number of objects in it and in all folders below.
    pub files: u64,
    /// The size of these objects in bytes.
    pub bytes: u64,
}

/// An object of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct StoredObject {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// What is in an object of numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectContent {
    /// The format and the type of the numbers, such as `npy f8`.
    pub format: String,
    /// The shape, or the number of values of a format without shapes; empty if it is not known
    /// before the object is read.
    pub shape: Vec<u64>,
}
