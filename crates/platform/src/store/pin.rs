//! What an object must still be while it is read.

use protocol::ObjectVersion;
use protocol::task::InputObject;

use super::StoreError;

/// What an object must still be while it is read: its size and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The size in bytes.
    pub bytes: u64,
    /// The version.
    pub version: ObjectVersion,
}

impl Pin {
    /// The pin of an input object; `None` if its version is not known.
    #[must_use]
    pub fn of(object: &InputObject) -> Option<Pin> {
        let version = object.version.clone()?;
        Some(Pin { bytes: object.bytes, version })
    }

    /// Compares the object that was found with what it must be. `version` is `None` if
    /// the store has not told it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Changed`] if they differ.
    pub(super) fn hold(
        &self,
        key: &str,
        bytes: u64,
        version: Option<&ObjectVersion>,
    ) -> Result<(), StoreError> {
        let mut changes = Vec::new();
        if bytes != self.bytes {
            changes.push(format!("its size was {} bytes and is {bytes}", self.bytes));
        }
        match version {
            Some(version) => changes.extend(self.version.difference(version)),
            None => changes.push("the store no longer tells its version".to_owned()),
        }
        if changes.is_empty() {
            return Ok(());
        }
        Err(StoreError::Changed { key: key.to_owned(), change: changes.join(", ") })
    }
}

/// The error of a read that was held to a pin: an object that is gone has changed.
pub(super) fn explain(pin: Option<&Pin>, error: StoreError) -> StoreError {
    match error {
        StoreError::NotFound { key } if pin.is_some() => {
            StoreError::Changed { key, change: "it was deleted or moved away".to_owned() }
        }
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_has_changed_is_said() {
        let version = ObjectVersion::of_etag("one");
        let pin = Pin { bytes: 10, version: version.clone() };
        assert!(pin.hold("a", 10, Some(&version)).is_ok());
        let change = |bytes, version: Option<&ObjectVersion>| {
            let Err(StoreError::Changed { key, change }) = pin.hold("a", bytes, version) else {
                panic!("{bytes} {version:?}");
            };
            assert_eq!(key, "a");
            change
        };
        assert_eq!(change(12, Some(&version)), "its size was 10 bytes and is 12");
        let other = ObjectVersion::of_etag("two");
        let both = r#"its size was 10 bytes and is 9, its ETag was "one" and is "two""#;
        assert_eq!(change(9, Some(&other)), both);
        assert!(change(10, None).contains("no longer tells"));
    }
}
