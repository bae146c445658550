//! The stores that results may also be written to.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::files::SCHEME;
use crate::{ObjectStore, StoreError};

/// The stores that results may also be written to: those that the operator has allowed, each
/// with the prefix of its locations. The program's own store is none of them, whatever is
/// allowed.
#[derive(Clone)]
pub struct OutputStores {
    /// The prefix of the locations of the objects of the program's own store.
    own: Option<String>,
    stores: Vec<(String, Arc<dyn ObjectStore>)>,
}

/// An object that may be written.
#[derive(Clone)]
pub struct OutputObject {
    /// The store that it lies in.
    pub store: Arc<dyn ObjectStore>,
    /// Its key there.
    pub key: String,
}

impl OutputStores {
    /// No stores; the program's own has objects with locations that begin with `own`.
    #[must_use]
    pub fn new(own: Option<String>) -> OutputStores {
        OutputStores { own, stores: Vec::new() }
    }

    /// Adds a store with the prefix of its locations, such as `s3://bucket/`.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, store: Arc<dyn ObjectStore>) -> OutputStores {
        self.stores.push((name.into(), store));
        self
    }

    /// Decorates the stores.
    #[must_use]
    pub fn with_each(
        mut self,
        decorate: impl Fn(Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore>,
    ) -> OutputStores {
        self.stores =
            self.stores.into_iter().map(|(name, store)| (name, decorate(store))).collect();
        self
    }

    /// All stores.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn ObjectStore>> {
        self.stores.iter().map(|(_, store)| store)
    }

    /// The object at a location.
    ///
    /// # Errors
    ///
    /// [`StoreError::Denied`] if the location lies in no store that is allowed, or in the
    /// program's own; [`StoreError::InvalidKey`] if no object can have it.
    pub fn resolve(&self, location: &str) -> Result<OutputObject, StoreError> {
        let denied = || StoreError::Denied { key: location.to_owned(), source: None };
        let found = self
            .stores
            .iter()
            .find_map(|(name, store)| Some((store, location.strip_prefix(name.as_str())?)));
        let (store, key) = found.ok_or_else(denied)?;
        crate::store::check_key(key)?;
        if self.is_own(location) {
            return Err(denied());
        }
        Ok(OutputObject { store: store.clone(), key: key.to_owned() })
    }

    /// Whether a location lies in the program's own store, also through a symbolic link.
    fn is_own(&self, location: &str) -> bool {
        let Some(own) = &self.own else { return false };
        if location.starts_with(own) {
            return true;
        }
        match (location.strip_prefix(SCHEME), own.strip_prefix(SCHEME)) {
            (Some(path), Some(own)) => real(Path::new(path)).starts_with(real(Path::new(own))),
            _ => false,
        }
    }
}

/// The path without symbolic links, as far as there is anything.
fn real(path: &Path) -> PathBuf {
    for ancestor in path.ancestors() {
        if let (Ok(real), Ok(rest)) = (ancestor.canonicalize(), path.strip_prefix(ancestor)) {
            return real.join(rest);
        }
    }
    path.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::local::LocalStore;

    #[test]
    fn an_output_lies_in_a_store_that_is_allowed_and_not_in_the_own_one() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        std::fs::create_dir_all(out.join("own/jobs")).unwrap();
        std::os::unix::fs::symlink(out.join("own"), out.join("link")).unwrap();
        let at = |path: &str| format!("{SCHEME}{}/{path}", out.display());
        let store: Arc<dyn ObjectStore> = Arc::new(LocalStore::open_outside(&out).unwrap());
        let stores = OutputStores::new(Some(at("own/"))).with(at(""), store.clone());
        let stores = stores.with("s3://bucket/runs/", store);
        assert_eq!(stores.resolve(&at("a/b.npy")).map(|it| it.key).unwrap(), "a/b.npy");
        let key = stores.resolve("s3://bucket/runs/a").map(|it| it.key);
        assert_eq!(key.unwrap(), "a");
        for denied in [
            at("own/a"),
            at("own/jobs/a"),
            at("link/a"),
            at("link/new/folder/a"),
            "s3://bucket/a".to_owned(),
            "s3://bucket/runs-2/a".to_owned(),
            "file:///etc/passwd".to_owned(),
            "a/b".to_owned(),
        ] {
            let error = stores.resolve(&denied).map(|_| ()).unwrap_err();
            assert!(matches!(error, StoreError::Denied { .. }), "{denied}: {error}");
        }
        for invalid in [at("../a"), at("a//b"), at("a/./b"), at("")] {
            let error = stores.resolve(&invalid).map(|_| ()).unwrap_err();
            assert!(matches!(error, StoreError::InvalidKey { .. }), "{invalid}: {error}");
        }
    }
}
