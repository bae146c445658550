//! The description that a part of the program gives of itself.

use std::fmt;

/// The name and the location of a part. Both may be shown and logged: neither ever
/// contains a user name or a password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// The name of the product or the kind, such as `RabbitMQ`.
    pub name: String,
    /// The location, such as host and port; `None` for a part inside the process.
    pub location: Option<String>,
}

impl Description {
    /// A part inside the process.
    #[must_use]
    pub fn inside(name: &str) -> Description {
        Description { name: name.to_owned(), location: None }
    }

    /// A part at `location`.
    #[must_use]
    pub fn at(name: &str, location: impl Into<String>) -> Description {
        Description { name: name.to_owned(), location: Some(location.into()) }
    }
}

/// The location, or the name of a part that has none.
impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.location.as_deref().unwrap_or(&self.name))
    }
}
