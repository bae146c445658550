//! The key column of a table: what identifies its rows, and must be the same in all files.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

/// The hash of a key, by which keys of different files are compared.
#[must_use]
pub fn key_hash(key: &[u8]) -> u64 {
    xxh3_64(key)
}

/// What a decoder does with the keys of the rows that it reads.
#[derive(Clone, Debug, Default)]
pub enum KeyUse {
    /// Nothing.
    #[default]
    Ignore,
    /// It keeps them, until they are taken.
    Collect,
    /// It compares them with those of another object.
    Expect(Arc<ExpectedKeys>),
}

/// The keys that some rows must have.
#[derive(Clone, Debug, Default)]
pub struct ExpectedKeys {
    /// The first of the rows.
    pub first_row: u64,
    /// The hash of the key of each row.
    pub hashes: Vec<u64>,
}

impl ExpectedKeys {
    /// The hash of a row's key, if the row is one of these.
    #[must_use]
    pub fn of_row(&self, row: u64) -> Option<u64> {
        let place = usize::try_from(row.checked_sub(self.first_row)?).ok()?;
        self.hashes.get(place).copied()
    }
}
