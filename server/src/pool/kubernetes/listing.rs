//! The objects that a watch has reported, kept up to date.

use std::collections::BTreeMap;

use kube::ResourceExt;
use kube::runtime::watcher::Event;

/// The objects of one kind, by name. Nothing is known until the first list is
/// complete. While the watch lists again, the previous state counts.
#[derive(Debug)]
pub(super) struct Listing<T> {
    known: Option<BTreeMap<String, T>>,
    arriving: BTreeMap<String, T>,
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Listing { known: None, arriving: BTreeMap::new() }
    }
}

impl<T> Listing<T> {
    /// All objects, once the first list is complete.
    pub(super) fn known(&self) -> Option<&BTreeMap<String, T>> {
        self.known.as_ref()
    }

    /// The object of this name, if it is known and exists.
    pub(super) fn get(&self, name: &str) -> Option<&T> {
        self.known.as_ref()?.get(name)
    }

    /// As [`Listing::get`], to change the object ahead of the watch.
    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        self.known.as_mut()?.get_mut(name)
    }

    /// Applies an event of the watch.
    pub(super) fn apply<K: ResourceExt>(&mut self, event: Event<K>, read: impl Fn(&K) -> T) {
        match event {
            Event::Init => self.arriving.clear(),
            Event::InitApply(it) => {
                self.arriving.insert(it.name_any(), read(&it));
            }
            Event::InitDone => self.known = Some(std::mem::take(&mut self.arriving)),
            Event::Apply(it) => {
                self.known.get_or_insert_default().insert(it.name_any(), read(&it));
            }
            Event::Delete(it) => {
                self.known.get_or_insert_default().remove(&it.name_any());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;

    use super::*;

    fn pod(name: &str) -> Pod {
        let mut pod = Pod::default();
        pod.metadata.name = Some(name.to_owned());
        pod
    }

    #[test]
    fn a_list_counts_once_it_is_complete() {
        let mut listing = Listing::default();
        let mut take = |event| {
            listing.apply(event, |_| ());
            listing.known().map(|known| known.keys().cloned().collect::<Vec<_>>())
        };
        assert_eq!(take(Event::Init), None);
        assert_eq!(take(Event::InitApply(pod("a"))), None);
        assert_eq!(take(Event::InitDone).unwrap(), ["a"]);
        assert_eq!(take(Event::Apply(pod("b"))).unwrap(), ["a", "b"]);
        assert_eq!(take(Event::Init).unwrap(), ["a", "b"], "the former list counts");
        assert_eq!(take(Event::InitApply(pod("b"))).unwrap(), ["a", "b"]);
        assert_eq!(take(Event::InitDone).unwrap(), ["b"], "a was deleted meanwhile");
        assert_eq!(take(Event::Delete(pod("b"))).unwrap(), [""; 0]);
    }
}
