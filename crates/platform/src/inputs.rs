//! The stores that inputs may lie in.

use std::sync::Arc;

use crate::place::has_scheme;
use crate::store::traced::StoreTracing;
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
    /// The prefix of the locations of the own store's objects, if it is known.
    own_location: Option<String>,
    others: Vec<(String, Arc<dyn ObjectStore>)>,
}

impl InputStores {
    /// Only the program's own store.
    #[must_use]
    pub fn new(own: Arc<dyn ObjectStore>) -> InputStores {
        InputStores { own, own_location: None, others: Vec::new() }
    }

    /// Sets where the program's own store lies: the prefix that its objects have as
    /// locations in other stores, such as `s3://bucket/prefix/`.
    #[must_use]
    pub fn own_at(mut self, location: impl Into<String>) -> InputStores {
        self.own_location = Some(location.into());
        self
    }

    /// Adds a store with the prefix of its locations, such as `s3://bucket/`.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, store: Arc<dyn ObjectStore>) -> InputStores {
        self.others.push((name.into(), store));
        self
    }

    /// Decorates the stores besides the program's own.
    #[must_use]
    pub fn with_others(
        mut self,
        decorate: impl Fn(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore>,
    ) -> InputStores {
        self.others =
            self.others.into_iter().map(|(name, store)| (name, decorate(store))).collect();
        self
    }

    /// The same stores, whose calls are recorded.
    #[must_use]
    pub fn traced(&self, tracing: &StoreTracing) -> InputStores {
        let others = self.others.iter();
        let others = others.map(|(name, store)| (name.clone(), tracing.store(store, name)));
        InputStores {
            own: tracing.store(&self.own, self.own_location()),
            own_location: self.own_location.clone(),
            others: others.collect(),
        }
    }

    /// The prefix of the locations of the own store's objects; empty if it is not known.
    #[must_use]
    pub fn own_location(&self) -> &str {
        self.own_location.as_deref().unwrap_or_default()
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

    /// The key in the program's own store of a location, also where that store lies
    /// below the prefix of another; `None` if the location lies elsewhere.
    #[must_use]
    pub fn own_key<'a>(&self, location: &'a str) -> Option<&'a str> {
        if !has_scheme(location) {
            return Some(location);
        }
        location.strip_prefix(self.own_location.as_deref()?)
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

    #[test]
    fn the_own_store_may_lie_below_another() {
        let own = Arc::new(LocalStore::read_only("own")) as Arc<dyn ObjectStore>;
        let stores = InputStores::new(own);
        assert_eq!(stores.own_key("jobs/a"), Some("jobs/a"));
        assert_eq!(stores.own_key("s3://bucket/own/jobs/a"), None);
        let stores = stores.own_at("s3://bucket/own/");
        assert_eq!(stores.own_key("s3://bucket/own/jobs/a"), Some("jobs/a"));
        assert_eq!(stores.own_key("s3://bucket/jobs/a"), None);
    }
}
