//! Lists whose rows are updated separately.

use leptos::prelude::*;

/// A list of rows, each with its own signal. A change of a row notifies only the
/// subscribers of that row. Inserting, removing or moving rows notifies the
/// subscribers of the list.
///
/// Rows are found by linear search, because lists on a page are short.
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
    /// Makes a list of `values` in their order. `key` identifies a row.
    #[must_use]
    pub fn new(values: Vec<V>, key: fn(&V) -> K) -> Self {
        let list =
            Keyed { order: RwSignal::new(Vec::new()), rows: StoredValue::new(Vec::new()), key };
        list.replace(values);
        list
    }

    /// The keys in order. Subscribers are notified when rows are inserted, removed or
    /// moved.
    #[must_use]
    pub fn order(self) -> RwSignal<Vec<K>> {
        self.order
    }

    /// The signal of a row, if it exists.
    #[must_use]
    pub fn row(self, key: &K) -> Option<ArcRwSignal<V>> {
        self.rows.with_value(|rows| {
            let (_, row) = rows.iter().find(|(other, _)| other == key)?;
            Some(row.clone())
        })
    }

    /// Replaces the content of the list.
    pub fn replace(self, values: Vec<V>) {
        let order: Vec<K> = values.iter().map(self.key).collect();
        for value in values {
            self.upsert(value);
        }
        self.rows.update_value(|rows| rows.retain(|(key, _)| order.contains(key)));
        self.set_order(order);
    }

    /// Updates a row, or inserts a new one before the first row with a smaller key.
    pub fn upsert_descending(self, value: V) {
        let key = (self.key)(&value);
        if self.upsert(value) {
            self.order.update(|order| {
                let index = order.iter().position(|other| *other < key);
                order.insert(index.unwrap_or(order.len()), key);
            });
        }
    }

    /// Removes the rows after the first `length`.
    pub fn truncate(self, length: usize) {
        while let Some(key) = self.order.with_untracked(|order| order.get(length).cloned()) {
            self.remove(&key);
        }
    }

    /// Updates a row if it exists.
    pub fn update_existing(self, value: V) {
        if self.row(&(self.key)(&value)).is_some() {
            self.upsert(value);
        }
    }

    /// Removes a row.
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

    /// Updates or creates a row without changing the order. Returns whether it is new.
    fn upsert(self, value: V) -> bool {
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
    fn an_updated_row_keeps_its_signal_and_its_place() {
        Owner::new().with(|| {
            let list = list(&[(2, "b"), (1, "a")]);
            let row = list.row(&1).unwrap();
            list.upsert_descending((1, "changed"));
            assert_eq!(row.get_untracked(), (1, "changed"));
            assert_eq!(list.order().get_untracked(), [2, 1]);
        });
    }

    #[test]
    fn rows_are_inserted_in_descending_order_and_removed() {
        Owner::new().with(|| {
            let list = list(&[(4, "d"), (2, "b")]);
            list.upsert_descending((3, "c"));
            list.upsert_descending((5, "e"));
            list.upsert_descending((1, "a"));
            list.remove(&2);
            assert_eq!(list.order().get_untracked(), [5, 4, 3, 1]);
            list.truncate(2);
            assert_eq!(list.order().get_untracked(), [5, 4]);
            assert!(list.row(&3).is_none());
        });
    }

    #[test]
    fn replacing_keeps_the_signals_of_remaining_rows() {
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
    fn updating_a_row_that_does_not_exist_changes_nothing() {
        Owner::new().with(|| {
            let list = list(&[(1, "a")]);
            list.update_existing((2, "b"));
            assert_eq!(list.order().get_untracked(), [1]);
            assert!(list.row(&2).is_none());
        });
    }
}
