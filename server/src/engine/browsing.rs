//! The objects of the store that belong to users.

use futures::{StreamExt, TryStreamExt, stream};
use platform::{ObjectStore, StoreError};
use protocol::Problem;
use protocol::files::{Folder, FolderPage, ObjectContent, StoredObject};
use protocol::problem::ProblemKind;
use protocol::request::ReadOptions;
use summation::{Detection, Format, HEAD_BYTES};

use super::Engine;
use crate::keys::{check_prefix, is_own, is_private, is_reserved, own_names};
use crate::planning::content_of;

/// How many objects are counted for a page: more take too long.
const COUNTED: usize = 100_000;
/// How many folders and files a page has: nobody reads more.
const SHOWN: usize = 1_000;
/// How many files of a page are looked into.
const LOOKED_INTO: usize = 100;
/// How many of them at the same time, each with [`HEAD_BYTES`] in memory.
const READS_AT_ONCE: usize = 8;

impl Engine {
    /// What lies directly below a prefix, which is empty or ends in a slash.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn browse(&self, prefix: &str) -> Result<FolderPage, Problem> {
        browse(&**self.store(), prefix).await
    }

    /// What is in each of some objects of the store, in the same order. Of an object nothing is
    /// known if its first [`HEAD_BYTES`] do not tell, or it cannot be read now. Of many objects
    /// only the first are looked into.
    pub async fn contents(&self, files: &[StoredObject]) -> Vec<Option<ObjectContent>> {
        contents(&**self.store(), files).await
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

async fn contents(store: &dyn ObjectStore, files: &[StoredObject]) -> Vec<Option<ObjectContent>> {
    let looked_into: Vec<StoredObject> = files.iter().take(LOOKED_INTO).cloned().collect();
    let reads = stream::iter(looked_into).map(|file| async move { content(store, &file).await });
    let mut contents: Vec<_> = reads.buffered(READS_AT_ONCE).collect().await;
    contents.resize(files.len(), None);
    contents
}

/// What is in an object, as far as its first bytes tell.
async fn content(store: &dyn ObjectStore, file: &StoredObject) -> Option<ObjectContent> {
    let length = usize::try_from(file.bytes).map_or(HEAD_BYTES, |bytes| bytes.min(HEAD_BYTES));
    let head = store.read(&file.key, 0, length, Vec::new()).await.ok()?;
    let detected = Format::detect_with(&head, file.bytes, &ReadOptions::default());
    let Ok(Detection::Format(format)) = detected else {
        return None;
    };
    Some(content_of(&format, file.bytes))
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

    #[tokio::test]
    async fn the_first_bytes_of_a_file_tell_its_type_and_shape() {
        let folder = tempfile::tempdir().unwrap();
        let place: StorePlace = folder.path().to_str().unwrap().parse().unwrap();
        let store = place.open().await.unwrap();
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }";
        let mut npy = b"\x93NUMPY\x01\x00".to_vec();
        npy.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
        npy.extend(header.as_bytes());
        npy.extend([0; 24]);
        let objects: [(&str, &[u8]); 4] = [
            ("a.npy", &npy),
            ("b.csv", b"1\n2\n"),
            ("c.png", b"\x89PNG\r\n\x1a\n"),
            ("d.csv", b""),
        ];
        for (key, bytes) in objects {
            store.put(key, Bytes::copy_from_slice(bytes)).await.unwrap();
        }
        let mut page = browse(&*store, "").await.unwrap();
        // It was deleted since.
        page.files.push(StoredObject { key: "e.npy".to_owned(), bytes: 9 });
        let found: Vec<Option<String>> = contents(&*store, &page.files)
            .await
            .into_iter()
            .map(|it| it.map(|it| format!("{} {:?}", it.format, it.shape)))
            .collect();
        let [npy, text, ..] = &found[..] else { panic!("{found:?}") };
        assert_eq!(npy.as_deref(), Some("npy f4 [3, 2]"));
        assert_eq!(text.as_deref(), Some("text []"));
        assert_eq!(found[2..], [None, None, None]);
        let many = vec![page.files[0].clone(); LOOKED_INTO + 1];
        let found = contents(&*store, &many).await;
        assert_eq!(found.iter().filter(|it| it.is_some()).count(), LOOKED_INTO);
        assert_eq!(found.len(), many.len());
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
