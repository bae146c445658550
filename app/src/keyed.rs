//! Lists whose rows change one by one.

use leptos::prelude::*;

/// A list of rows, each with a signal of its own: when a row changes, only
/// what shows that row is told, and the list itself only when rows come, go or
/// change places.
///
/// Rows are found by looking through them: lists on a page are short.
pub struct Keyed<K: 'static, V: 'static> {
    order: RwSignal<Vec<K>>,
    rows: StoredValue<Vec<(K, ArcRwSignal<V>)>>,
    key: fn(&V) -> K,
}

impl<K, V> Clone for Keyed<K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for Keyed<K, V> {}

impl<K, V> Keyed<K, V>
where
    K: Clone + Ord + Send + Sync + 'static,
    V: Clone + PartialEq + Send + Sync + 'static,
{
    /// The list of `values`, in their order, told apart by `key`.
    #[must_use]
    pub fn new(values: Vec<V>, key: fn(&V) -> K) -> Self {
        let list =
            Keyed { order: RwSignal::new(Vec::new()), rows: StoredValue::new(Vec::new()), key };
        list.replace(values);
        list
    }

    /// The keys in order; a reader is told when rows come, go or change places.
    #[must_use]
    pub fn order(self) -> RwSignal<Vec<K>> {
        self.order
    }

    /// The signal of a row, if it is there.
    #[must_use]
    pub fn row(self, key: &K) -> Option<ArcRwSignal<V>> {
        self.rows.with_value(|rows| {
            let (_, row) = rows.iter().find(|(other, _)| other == key)?;
            Some(row.clone())
        })
    }

    /// Makes the list these values, in their order.
    pub fn replace(self, values: Vec<V>) {
        let order: Vec<K> = values.iter().map(self.key).collect();
        for value in values {
            self.change(value);
        }
        self.rows.update_value(|rows| rows.retain(|(key, _)| order.contains(key)));
        self.set_order(order);
    }

    /// Changes a row, or puts a new one before the first that has a lesser key.
    pub fn put_descending(self, value: V) {
        let key = (self.key)(&value);
        if self.change(value) {
            self.order.update(|order| {
                let index = order.iter().position(|other| *other < key);
                order.insert(index.unwrap_or(order.len()), key);
            });
        }
    }

    /// Takes out the rows after the first `length`.
    pub fn truncate(self, length: usize) {
        while let Some(key) = self.order.with_untracked(|order| order.get(length).cloned()) {
            self.remove(&key);
        }
    }

    /// Changes a row if it is there.
    pub fn change_existing(self, value: V) {
        if self.row(&(self.key)(&value)).is_some() {
            self.change(value);
        }
    }

    /// Takes a row out.
    pub fn remove(self, key: &K) {
        self.order.maybe_update(|order| match order.iter().position(|other| other == key) {
            Some(index) => {
                order.remove(index);
                true
            }
            None => false,
        });
        self.rows.update_value(|rows| rows.retain(|(other, _)| other != key));
    }

    /// Changes a row or makes it, out of order; says whether it is new.
    fn change(self, value: V) -> bool {
        let key = (self.key)(&value);
        match self.row(&key) {
            Some(row) => {
                if row.with_untracked(|old| *old != value) {
                    row.set(value);
                }
                false
            }
            None => {
                self.rows.update_value(|rows| {
                    rows.push((key, ArcRwSignal::new(value)));
                });
                true
            }
        }
    }

    fn set_order(self, order: Vec<K>) {
        if self.order.with_untracked(|old| *old != order) {
            self.order.set(order);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(values: &[(u32, &'static str)]) -> Keyed<u32, (u32, &'static str)> {
        Keyed::new(values.to_vec(), |value| value.0)
    }

    #[test]
    fn a_changed_row_keeps_its_signal_and_its_place() {
        Owner::new().with(|| {
            let list = list(&[(2, "b"), (1, "a")]);
            let row = list.row(&1).unwrap();
            list.put_descending((1, "changed"));
            assert_eq!(row.get_untracked(), (1, "changed"));
            assert_eq!(list.order().get_untracked(), [2, 1]);
        });
    }

    #[test]
    fn a_new_row_finds_its_place_and_a_removed_one_goes() {
        Owner::new().with(|| {
            let list = list(&[(4, "d"), (2, "b")]);
            list.put_descending((3, "c"));
            list.put_descending((5, "e"));
            list.put_descending((1, "a"));
            list.remove(&2);
            assert_eq!(list.order().get_untracked(), [5, 4, 3, 1]);
            list.truncate(2);
            assert_eq!(list.order().get_untracked(), [5, 4]);
            assert!(list.row(&3).is_none());
        });
    }

    #[test]
    fn replacing_keeps_the_signals_of_rows_that_stay() {
        Owner::new().with(|| {
            let list = list(&[(2, "b"), (1, "a")]);
            let row = list.row(&2).unwrap();
            list.replace(vec![(4, "d"), (2, "later")]);
            assert_eq!(row.get_untracked(), (2, "later"));
            assert_eq!(list.order().get_untracked(), [4, 2]);
            assert!(list.row(&1).is_none());
        });
    }

    #[test]
    fn a_value_for_a_row_that_is_not_there_is_left_out_of_a_closed_list() {
        Owner::new().with(|| {
            let list = list(&[(1, "a")]);
            list.change_existing((2, "b"));
            assert_eq!(list.order().get_untracked(), [1]);
            assert!(list.row(&2).is_none());
        });
    }
}
