//! The conformance suite of stores: the guarantees of [`ObjectStore`] as tests.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use futures::stream::TryStreamExt;
use protocol::ObjectVersion;

use super::{ObjectMeta, ObjectStore, Pin, StoreError, read_all};

/// Runs the whole suite on a store that is empty below `prefix`.
///
/// # Panics
///
/// If the store breaks one of the guarantees of [`ObjectStore`].
pub async fn run(store: Arc<dyn ObjectStore>, prefix: &str) {
    let suite = Suite { store, prefix };
    suite.what_is_written_is_read_back().await;
    suite.reads_stop_at_the_end().await;
    suite.a_reader_reads_the_same().await;
    suite.an_absent_object_is_not_found().await;
    suite.put_replaces().await;
    suite.a_pin_holds_until_the_object_changes().await;
    suite.every_change_of_a_pinned_object_is_told().await;
    suite.the_first_create_wins().await;
    suite.an_object_is_replaced_only_in_its_version().await;
    suite.an_upload_appears_only_when_finished().await;
    suite.an_empty_upload_is_an_empty_object().await;
    suite.a_check_whether_it_can_be_written_leaves_nothing().await;
    suite.listings_are_in_order_and_by_prefix().await;
    suite.deleting_is_idempotent().await;
    suite.a_prefix_is_deleted_and_nothing_else().await;
    suite.strange_but_valid_keys_work().await;
    suite.invalid_keys_are_refused().await;
    suite.leftovers_are_removed().await;
    suite.a_lock_is_held_once();
}

struct Suite<'a> {
    store: Arc<dyn ObjectStore>,
    prefix: &'a str,
}

impl Suite<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    async fn list(&self, name: &str) -> Vec<ObjectMeta> {
        self.store.list(&self.key(name)).try_collect().await.expect("listing")
    }

    async fn what_is_written_is_read_back(&self) {
        let key = self.key("written/a");
        self.store.put(&key, Bytes::from_static(b"0123456789")).await.expect("put");
        assert_eq!(self.store.head(&key).await.expect("head").bytes, 10);
        let middle = self.store.read(&key, 3, 4, Vec::new()).await.expect("read");
        assert_eq!(middle, b"3456");
        let reused = self.store.read(&key, 0, 2, middle).await.expect("read");
        assert_eq!(reused, b"01", "the buffer is cleared before it is filled");
    }

    async fn reads_stop_at_the_end(&self) {
        let key = self.key("end");
        self.store.put(&key, Bytes::from_static(b"0123")).await.expect("put");
        assert_eq!(self.store.read(&key, 2, 100, Vec::new()).await.expect("read"), b"23");
        assert_eq!(self.store.read(&key, 4, 100, Vec::new()).await.expect("read"), b"");
        assert_eq!(self.store.read(&key, 9, 100, Vec::new()).await.expect("read"), b"");
    }

    /// For stores that have readers.
    async fn a_reader_reads_the_same(&self) {
        let key = self.key("reader");
        self.store.put(&key, Bytes::from_static(b"012345")).await.expect("put");
        let Some(mut reader) = self.store.reader(&key, None) else {
            return;
        };
        let mut buffer = [0; 4];
        assert_eq!(reader.read_at(1, &mut buffer).expect("read"), 4);
        assert_eq!(&buffer, b"1234");
        assert_eq!(reader.read_at(4, &mut buffer).expect("read"), 2);
        assert_eq!(&buffer[..2], b"45");
        assert_eq!(reader.read_at(9, &mut buffer).expect("read"), 0);
        let mut absent = self.store.reader(&self.key("no reader"), None).expect("it does nothing");
        let read = absent.read_at(0, &mut buffer);
        assert!(matches!(read, Err(StoreError::NotFound { .. })), "{read:?}");
    }

    async fn an_absent_object_is_not_found(&self) {
        let key = self.key("absent");
        let read = self.store.read(&key, 0, 1, Vec::new()).await;
        assert!(matches!(read, Err(StoreError::NotFound { .. })), "{read:?}");
        let head = self.store.head(&key).await;
        assert!(matches!(head, Err(StoreError::NotFound { .. })), "{head:?}");
        // A folder is not an object.
        self.store.put(&self.key("folder/object"), Bytes::new()).await.expect("put");
        let folder = self.store.head(&self.key("folder")).await;
        assert!(matches!(folder, Err(StoreError::NotFound { .. })), "{folder:?}");
    }

    async fn put_replaces(&self) {
        let key = self.key("replaced");
        self.store.put(&key, Bytes::from_static(b"a longer first")).await.expect("put");
        self.store.put(&key, Bytes::from_static(b"second")).await.expect("put");
        assert_eq!(read_all(&*self.store, &key).await.expect("read"), b"second");
    }

    /// Small objects, large ones, and those of several parts.
    async fn a_pin_holds_until_the_object_changes(&self) {
        let keys = ["pinned/empty", "pinned/small", "pinned/large", "pinned/uploaded"];
        let [empty, small, large, uploaded] = keys.map(|name| self.key(name));
        self.store.put(&empty, Bytes::new()).await.expect("put");
        self.store.put(&small, Bytes::from_static(b"0123456789")).await.expect("put");
        let piece = Bytes::from(vec![7; 10 << 20]);
        self.store.put(&large, piece.clone()).await.expect("put");
        let mut upload = self.store.upload(&uploaded).await.expect("upload");
        for _ in 0..2 {
            upload.write(piece.clone()).await.expect("write");
        }
        upload.finish().await.expect("finish");
        for listed in self.list("pinned/").await {
            let ObjectMeta { key, bytes, version } = listed.clone();
            assert_eq!(self.store.head(&key).await.expect("head"), listed, "of the listing");
            let pin = Pin { bytes, version: version.expect("every store has versions") };
            for (offset, length) in [(0, 4), (3, 9), (bytes / 2, 5 << 20), (0, usize::MAX)] {
                let read = || self.store.read_pinned(&key, Some(&pin), offset, length, Vec::new());
                let expected = self.store.read(&key, offset, length, Vec::new()).await;
                let expected = expected.expect("read");
                assert!(read().await.expect("pinned") == expected, "{key} {offset} {length}");
                if let Some(mut reader) = self.store.reader(&key, Some(&pin)) {
                    let mut buffer = vec![0; expected.len()];
                    let read = reader.read_at(offset, &mut buffer).expect("pinned");
                    assert!(buffer[..read] == expected[..], "{key} {offset} {length}");
                }
            }
        }
    }

    async fn every_change_of_a_pinned_object_is_told(&self) {
        let key = self.key("changed");
        for (content, told) in [
            (Some("abcd"), ""),
            (Some("dcba"), ""),
            (Some("abcde"), "its size was 4 bytes and is 5"),
            (Some("abc"), "its size was 4 bytes and is 3"),
            (Some(""), "its size was 4 bytes and is 0"),
            (None, "deleted"),
        ] {
            self.store.put(&key, Bytes::from_static(b"0123")).await.expect("put");
            let ObjectMeta { bytes, version, .. } = self.store.head(&key).await.expect("head");
            let pin = Pin { bytes, version: version.expect("every store has versions") };
            let mut reader = self.store.reader(&key, Some(&pin));
            match content {
                Some(content) => self.store.put(&key, content.into()).await.expect("put"),
                None => self.store.delete(&key).await.expect("delete"),
            }
            for (offset, length) in [(0, 2), (1, 100), (3, 1)] {
                let read = self.store.read_pinned(&key, Some(&pin), offset, length, Vec::new());
                let Err(StoreError::Changed { key: named, change }) = read.await else {
                    panic!("{content:?} is read from {offset}");
                };
                assert_eq!(named, key);
                assert!(change.contains(told), "{change}");
            }
            if let Some(reader) = &mut reader {
                let read = reader.read_at(0, &mut [0; 4]);
                assert!(matches!(read, Err(StoreError::Changed { .. })), "{content:?}: {read:?}");
            }
        }
    }

    async fn the_first_create_wins(&self) {
        const RIVALS: u8 = 16;
        let key = self.key("created");
        let created = join_all((0..RIVALS).map(|rival| {
            let (store, key) = (self.store.clone(), key.clone());
            async move { store.create(&key, Bytes::from(vec![rival; 1000])).await }
        }))
        .await;
        let winners: Vec<usize> = (0..created.len()).filter(|&i| created[i].is_ok()).collect();
        let [winner] = winners[..] else {
            panic!("exactly one create wins, not {winners:?} of {created:?}");
        };
        for loser in created.into_iter().filter_map(Result::err) {
            assert!(matches!(loser, StoreError::AlreadyExists { .. }), "{loser:?}");
        }
        let kept = read_all(&*self.store, &key).await.expect("read");
        assert_eq!(kept, vec![u8::try_from(winner).expect("a rival"); 1000]);
    }

    async fn an_object_is_replaced_only_in_its_version(&self) {
        const RIVALS: u8 = 16;
        let key = self.key("replaced in its version");
        let changed = |replaced| matches!(replaced, Err(StoreError::Changed { .. }));
        self.store.create_unflushed(&key, Bytes::from_static(b"0")).await.expect("create");
        let mut versions = vec![self.version(&key).await];
        // A rival each time knows the same version.
        for round in 1..=3_u8 {
            let expected = versions.last().expect("a version").clone();
            let replaced = join_all((0..RIVALS).map(|rival| {
                let (store, key, expected) = (self.store.clone(), key.clone(), expected.clone());
                let bytes = Bytes::from(vec![round, rival]);
                async move { store.replace(&key, bytes, &expected).await }
            }))
            .await;
            let winners: Vec<usize> =
                (0..replaced.len()).filter(|&i| replaced[i].is_ok()).collect();
            let [winner] = winners[..] else {
                panic!("exactly one replacement wins, not {winners:?} of {replaced:?}");
            };
            let kept = read_all(&*self.store, &key).await.expect("read");
            assert_eq!(kept, [round, u8::try_from(winner).expect("a rival")]);
            let version = replaced[winner].as_ref().expect("the winner").clone();
            assert_eq!(self.version(&key).await, version);
            assert!(
                replaced.into_iter().enumerate().all(|(rival, it)| rival == winner || changed(it))
            );
            versions.push(version);
        }
        let bytes = Bytes::from_static(b"late");
        assert!(changed(self.store.replace(&key, bytes.clone(), &versions[0]).await));
        self.store.delete(&key).await.expect("delete");
        assert!(changed(self.store.replace(&key, bytes, &versions[3]).await));
        assert_eq!(self.list("replaced in its version").await, []);
    }

    async fn version(&self, key: &str) -> ObjectVersion {
        self.store.head(key).await.expect("head").version.expect("a version")
    }

    async fn an_upload_appears_only_when_finished(&self) {
        let key = self.key("uploads/whole");
        // Larger than the parts that a real store takes.
        let piece = Bytes::from(vec![7; 3 << 20]);
        let mut upload = self.store.upload(&key).await.expect("upload");
        for _ in 0..4 {
            upload.write(piece.clone()).await.expect("write");
        }
        assert!(matches!(self.store.head(&key).await, Err(StoreError::NotFound { .. })));
        assert_eq!(self.list("uploads/").await, []);
        upload.finish().await.expect("finish");
        assert_eq!(self.store.head(&key).await.expect("head").bytes, 12 << 20);
        let mut dropped = self.store.upload(&self.key("uploads/dropped")).await.expect("upload");
        dropped.write(piece).await.expect("write");
        drop(dropped);
        let names: Vec<String> =
            self.list("uploads/").await.into_iter().map(|object| object.key).collect();
        assert_eq!(names, [key]);
    }

    async fn an_empty_upload_is_an_empty_object(&self) {
        let key = self.key("uploads-empty/none");
        self.store.upload(&key).await.expect("upload").finish().await.expect("finish");
        assert_eq!(self.store.head(&key).await.expect("head").bytes, 0);
    }

    async fn a_check_whether_it_can_be_written_leaves_nothing(&self) {
        let key = self.key("check/a/b");
        self.store.check_writable(&key).await.expect("writable");
        assert_eq!(self.list("check/").await, Vec::new());
        self.store.put(&key, Bytes::from_static(b"there")).await.expect("put");
        self.store.check_writable(&key).await.expect("writable");
        let there = self.store.read(&key, 0, 100, Vec::new()).await.expect("read");
        assert_eq!(there, b"there");
    }

    async fn listings_are_in_order_and_by_prefix(&self) {
        // A folder's name sorts as it stands in the keys: "a.b/c" before "a/b".
        let names = ["list/a-b", "list/a.b/c", "list/a/b", "list/a0", "list/b"];
        for name in names.iter().rev() {
            self.store.put(&self.key(name), Bytes::from_static(b"x")).await.expect("put");
        }
        self.store.put(&self.key("listed"), Bytes::new()).await.expect("put");
        let listed: Vec<String> =
            self.list("list/a-").await.into_iter().map(|object| object.key).collect();
        assert_eq!(listed, [self.key("list/a-b")]);
        let all = self.list("list/").await;
        assert!(all.iter().all(|object| object.bytes == 1));
        let keys: Vec<String> = all.into_iter().map(|object| object.key).collect();
        assert_eq!(keys, names.map(|name| self.key(name)));
        assert_eq!(self.list("nothing/").await, []);
    }

    async fn deleting_is_idempotent(&self) {
        let key = self.key("deleted/x");
        self.store.put(&key, Bytes::new()).await.expect("put");
        self.store.delete(&key).await.expect("delete");
        self.store.delete(&key).await.expect("delete again");
        assert_eq!(self.list("deleted/").await, []);
    }

    async fn a_prefix_is_deleted_and_nothing_else(&self) {
        for name in ["prefix/a", "prefix/b/c", "prefix-not"] {
            self.store.put(&self.key(name), Bytes::new()).await.expect("put");
        }
        self.store.delete_prefix(&self.key("prefix/")).await.expect("delete");
        self.store.delete_prefix(&self.key("prefix/")).await.expect("delete again");
        let left: Vec<String> =
            self.list("prefix").await.into_iter().map(|object| object.key).collect();
        assert_eq!(left, [self.key("prefix-not")]);
    }

    async fn strange_but_valid_keys_work(&self) {
        for name in ["strange/with space", "strange/ümlaut", "strange/a+b&c=d%20e", "strange/.dot"]
        {
            let key = self.key(name);
            self.store.put(&key, Bytes::from_static(b"x")).await.expect("put");
            assert_eq!(read_all(&*self.store, &key).await.expect("read"), b"x", "{key}");
        }
        assert_eq!(self.list("strange/").await.len(), 4);
    }

    async fn invalid_keys_are_refused(&self) {
        for key in ["", "/a", "a/", "a//b", "../a", "a/./b", "a/../../b", "a\0b", "a\\b"] {
            let refused = self.store.put(key, Bytes::new()).await;
            assert!(matches!(refused, Err(StoreError::InvalidKey { .. })), "{key:?}: {refused:?}");
            let refused = self.store.read(key, 0, 1, Vec::new()).await;
            assert!(matches!(refused, Err(StoreError::InvalidKey { .. })), "{key:?}: {refused:?}");
        }
    }

    /// For stores that have locks.
    fn a_lock_is_held_once(&self) {
        let Some(held) = self.store.lock().expect("the lock") else {
            return;
        };
        assert!(matches!(self.store.lock(), Err(StoreError::AlreadyExists { .. })));
        drop(held);
        assert!(self.store.lock().expect("the lock again").is_some());
    }

    async fn leftovers_are_removed(&self) {
        self.store.remove_leftovers(Duration::ZERO).await.expect("removing what there was");
        let mut upload = self.store.upload(&self.key("leftover")).await.expect("upload");
        upload.write(Bytes::from(vec![7; 9 << 20])).await.expect("write");
        // As if its process had been killed.
        std::mem::forget(upload);
        let young = self.store.remove_leftovers(Duration::from_secs(3600)).await;
        assert_eq!(young.expect("removing"), 0);
        assert_eq!(self.store.remove_leftovers(Duration::ZERO).await.expect("removing"), 1);
        assert_eq!(self.store.remove_leftovers(Duration::ZERO).await.expect("removing"), 0);
    }
}
