//! How a part of the program describes itself to people.

use std::fmt;

/// What a part is called and where it is. Both may be shown and logged: neither
/// ever holds a user name or a password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// The name that people know it by, such as `RabbitMQ`.
    pub name: String,
    /// Where it is, such as a host and a port; `None` for a part that lives
    /// inside the process.
    pub location: Option<String>,
}

impl Description {
    /// A part that lives inside the process.
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
