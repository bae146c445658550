//! The stores that inputs may lie in.

use std::sync::Arc;

use crate::place::has_scheme;
use crate::{ObjectStore, StoreError};

/// The stores that inputs may lie in: the program's own, and those that the
/// operator has allowed, each with the prefix of its locations.
///
/// A location is a key in the program's own store (`weather/1950.csv`), or begins
/// with the prefix of another (`s3://bucket/weather/1950.csv`,
/// `file:///data/1950.csv`).
#[derive(Clone)]
pub struct InputStores {
    own: Arc<dyn ObjectStore>,
    others: Vec<(String, Arc<dyn ObjectStore>)>,
}

impl InputStores {
    /// Only the program's own store.
    #[must_use]
    pub fn new(own: Arc<dyn ObjectStore>) -> InputStores {
        InputStores { own, others: Vec::new() }
    }

    /// Adds a store with the prefix of its locations, such as `s3://bucket/`.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, store: Arc<dyn ObjectStore>) -> InputStores {
        self.others.push((name.into(), store));
        self
    }

    /// Resolves a location, or a prefix of locations: the store that it lies in, the
    /// prefix of that store's locations, and the key.
    ///
    /// # Errors
    ///
    /// [`StoreError::Denied`] if the location lies in a store that is not allowed.
    pub fn resolve<'a>(
        &'a self,
        location: &'a str,
    ) -> Result<(&'a Arc<dyn ObjectStore>, &'a str, &'a str), StoreError> {
        for (name, store) in &self.others {
            if let Some(key) = location.strip_prefix(name.as_str()) {
                return Ok((store, name, key));
            }
        }
        if has_scheme(location) {
            return Err(StoreError::Denied { key: location.to_owned(), source: None });
        }
        Ok((&self.own, "", location))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::local::LocalStore;

    #[test]
    fn a_location_lies_in_the_store_that_it_names() {
        let store = |root: &str| Arc::new(LocalStore::read_only(root)) as Arc<dyn ObjectStore>;
        let stores = InputStores::new(store("own")).with("s3://bucket/", store("other"));
        let (_, name, key) = stores.resolve("s3://bucket/a/b").unwrap();
        assert_eq!((name, key), ("s3://bucket/", "a/b"));
        let (_, name, key) = stores.resolve("a/b").unwrap();
        assert_eq!((name, key), ("", "a/b"));
        let elsewhere = stores.resolve("s3://elsewhere/a");
        assert!(matches!(elsewhere, Err(StoreError::Denied { .. })));
    }
}
