//! The objects of the store that belong to users.

use futures::TryStreamExt;
use platform::{ObjectStore, StoreError};
use protocol::Problem;
use protocol::files::{Folder, FolderPage, StoredObject};
use protocol::problem::ProblemKind;

use super::Engine;
use crate::keys::{check_prefix, is_own, is_private, is_reserved, own_names};

/// How many objects are counted for a page: more take too long.
const COUNTED: usize = 100_000;
/// How many folders and files a page has: nobody reads more.
const SHOWN: usize = 1_000;

impl Engine {
    /// What lies directly below a prefix, which is empty or ends in a slash.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn browse(&self, prefix: &str) -> Result<FolderPage, Problem> {
        browse(&**self.store(), prefix).await
    }

    /// Deletes an object of a user, or with a slash at the end of the key the folder.
    ///
    /// # Errors
    ///
    /// If there is no such object, the key is reserved, or the store does not answer.
    pub async fn delete_files(&self, key: &str) -> Result<(), Problem> {
        check_users(key)?;
        let store = self.store();
        let deleting = |error: StoreError| error.own_problem("deleting the object");
        if key.ends_with('/') {
            return store.delete_prefix(key).await.map_err(deleting);
        }
        // Deleting says nothing of whether there was an object.
        store.head(key).await.map_err(deleting)?;
        store.delete(key).await.map_err(deleting)
    }
}

/// Checks that a key is not reserved, so that users may write and delete its object.
///
/// # Errors
///
/// If it is.
pub fn check_users(key: &str) -> Result<(), Problem> {
    if key.trim_matches('/').is_empty() {
        return Err(Problem::new(ProblemKind::InvalidRequest, "the key is empty")
            .remedy("name an object or a folder"));
    }
    if !is_reserved(key) {
        return Ok(());
    }
    let detail = format!("the key {key:?} is reserved for the program's own objects");
    let own = own_names().collect::<Vec<_>>().join(", ");
    Err(Problem::new(ProblemKind::Forbidden, detail)
        .remedy(format!("choose a key whose first part is not one of {own}")))
}

/// Checks that an object is not a record or a secret of the program, so that its content
/// may be shown to whoever may view jobs.
///
/// # Errors
///
/// If it is.
pub fn check_readable(key: &str) -> Result<(), Problem> {
    if !is_private(key) {
        return Ok(());
    }
    let detail = format!("{key:?} is one of the program's own objects");
    Err(Problem::new(ProblemKind::Forbidden, detail)
        .remedy("/api/jobs has calls for what is known of a job; or read the store itself"))
}

/// What lies directly below a prefix.
async fn browse(store: &dyn ObjectStore, prefix: &str) -> Result<FolderPage, Problem> {
    check_prefix(prefix)?;
    let mut page =
        FolderPage { prefix: prefix.to_owned(), is_whole: true, ..FolderPage::default() };
    if is_own(prefix) {
        return Ok(page);
    }
    let listing = |error: StoreError| error.own_problem("listing the objects");
    let mut objects = store.list(prefix);
    let mut counted = 0;
    while let Some(object) = objects.try_next().await.map_err(listing)? {
        if is_own(&object.key) {
            continue;
        }
        counted += 1;
        if counted > COUNTED || page.folders.len() + page.files.len() > SHOWN {
            page.is_whole = false;
            break;
        }
        let rest = &object.key[prefix.len()..];
        let Some((name, _)) = rest.split_once('/') else {
            page.files.push(StoredObject { key: object.key, bytes: object.bytes });
            continue;
        };
        let folder = &object.key[..prefix.len() + name.len() + 1];
        // Keys come in order, so those of a folder follow each other.
        match page.folders.last_mut().filter(|last| last.prefix == folder) {
            Some(last) => {
                last.files += 1;
                last.bytes += object.bytes;
            }
            None => page.folders.push(Folder {
                prefix: folder.to_owned(),
                files: 1,
                bytes: object.bytes,
            }),
        }
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use platform::StorePlace;

    use super::*;

    #[tokio::test]
    async fn folders_are_counted_and_own_objects_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let place: StorePlace = folder.path().to_str().unwrap().parse().unwrap();
        let store = place.open().await.unwrap();
        let keys =
            ["a.csv", "in/1.csv", "in/2.csv", "in/deep/3.csv", "jobs/x/y", "index/z", "out/4"];
        for key in keys {
            store.put(key, Bytes::from_static(b"1,2")).await.unwrap();
        }
        let page = browse(&*store, "").await.unwrap();
        let folders: Vec<_> =
            page.folders.iter().map(|it| (it.prefix.as_str(), it.files, it.bytes)).collect();
        assert_eq!(folders, [("in/", 3, 9), ("out/", 1, 3)]);
        assert_eq!(page.files, [StoredObject { key: "a.csv".to_owned(), bytes: 3 }]);
        assert!(page.is_whole);
        let page = browse(&*store, "in/").await.unwrap();
        assert_eq!((page.folders[0].prefix.as_str(), page.files.len()), ("in/deep/", 2));
        for own in ["jobs/", "jobs/x/", "index/"] {
            let page = browse(&*store, own).await.unwrap();
            assert_eq!((page.folders.len(), page.files.len()), (0, 0), "{own}");
        }
    }

    #[test]
    fn no_key_of_the_program_nor_the_whole_store_can_be_deleted() {
        for key in
            ["", "/", "jobs/", "jobs", "jobs/x/report.json", "index/x", "JOBS/x", ".Server.lock"]
        {
            assert!(check_users(key).is_err(), "{key}");
        }
        assert!(check_users("in/").is_ok() && check_users("in/a.csv").is_ok());
    }
}
