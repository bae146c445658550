//! Sorts listings by the bytes of the keys, for stores with another order.
//!
//! SeaweedFS lists folder by folder: objects in `a/` come before `a-b`, because the
//! name `a` comes before `a-b`, although `-` comes before `/`. So the objects of a
//! folder wait until no name can follow that continues the folder's name with a byte
//! before `/`. Objects in no folder never wait, so a million objects in one folder
//! are passed on as they arrive.

use std::collections::BTreeMap;

use crate::store::ObjectMeta;

/// Sorts a listing that arrives folder by folder into the order of the keys.
pub(super) struct Order {
    /// The length in bytes of the listed folder's name, which all keys begin with.
    folder_bytes: usize,
    waiting: BTreeMap<String, ObjectMeta>,
}

impl Order {
    /// For the listing of `prefix`.
    pub(super) fn new(prefix: &str) -> Order {
        let folder_bytes = prefix.rfind('/').map_or(0, |slash| slash + 1);
        Order { folder_bytes, waiting: BTreeMap::new() }
    }

    /// Adds the next object of the listing. Calls `give` for those before which no
    /// other can come any more.
    pub(super) fn push(&mut self, object: ObjectMeta, mut give: impl FnMut(ObjectMeta)) {
        let latest = object.key.clone();
        self.waiting.insert(latest.clone(), object);
        while let Some(first) = self.waiting.first_entry() {
            if !is_final(first.key(), &latest, self.folder_bytes) {
                return;
            }
            give(first.remove());
        }
    }

    /// Calls `give` for the rest, at the end of the listing.
    pub(super) fn finish(&mut self, give: impl FnMut(ObjectMeta)) {
        std::mem::take(&mut self.waiting).into_values().for_each(give);
    }
}

/// Whether everything that follows `latest` in the listing sorts after `key`.
fn is_final(key: &str, latest: &str, folder_bytes: usize) -> bool {
    let Some((folder, _)) = key.get(folder_bytes..).unwrap_or_default().split_once('/') else {
        return true;
    };
    match latest.get(folder_bytes..).unwrap_or_default().strip_prefix(folder) {
        Some(rest) => rest.as_bytes().first().is_some_and(|byte| *byte > b'/'),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys in the order of a walk, in order.
    fn put_in_order(prefix: &str, mut keys: Vec<&str>) -> (Vec<String>, usize) {
        keys.sort_by_key(|key| key.split('/').map(str::to_owned).collect::<Vec<_>>());
        let (mut order, mut given, mut waiting_max) = (Order::new(prefix), Vec::new(), 0);
        for key in keys {
            let object = ObjectMeta { key: key.to_owned(), bytes: 0, version: None };
            order.push(object, |it| given.push(it.key));
            waiting_max = waiting_max.max(order.waiting.len());
        }
        order.finish(|it| given.push(it.key));
        (given, waiting_max)
    }

    #[test]
    fn names_that_go_on_where_a_folders_name_ends_come_before_what_is_in_it() {
        let sorted = ["p/a-b", "p/a-b/c", "p/a.b/c", "p/a/-", "p/a/b/c", "p/a/b-/d", "p/a0", "p/b"];
        let mut expected = sorted;
        expected.sort_unstable();
        assert_eq!(put_in_order("p/", sorted.to_vec()).0, expected);
        assert_eq!(put_in_order("p/a", expected[..7].to_vec()).0, expected[..7]);
        assert_eq!(put_in_order("", sorted.to_vec()).0, expected);
    }

    #[test]
    fn only_what_is_in_a_folder_waits() {
        let flat: Vec<String> = (0..1000).map(|i| format!("p/{i:04}")).collect();
        let flat: Vec<&str> = flat.iter().map(String::as_str).collect();
        assert_eq!(put_in_order("p/", flat).1, 0);
    }

    #[test]
    fn every_tree_of_few_names_is_put_in_order() {
        let names = ["a", "a-", "a-b", "a0", "b"];
        let mut keys: Vec<String> = Vec::new();
        for first in names {
            for second in names {
                keys.push(format!("{first}/{second}/x"));
                keys.push(format!("{first}/{second}"));
            }
        }
        // Every set of few of them.
        for seed in 0..5000_u64 {
            let chosen = |i: usize| (seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> i) & 3 == 0;
            let keys: Vec<&str> = keys
                .iter()
                .enumerate()
                .filter(|(i, _)| chosen(*i))
                .map(|(_, key)| key.as_str())
                .collect();
            let mut expected = keys.clone();
            expected.sort_unstable();
            assert_eq!(put_in_order("", keys).0, expected, "{seed}");
        }
    }
}
