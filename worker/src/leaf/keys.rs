//! The keys that the rows of all tables of a job must have.

use std::ops::Range;
use std::sync::Arc;

use platform::store::read_all;
use platform::{ObjectStore, StoreError};
use protocol::task::{Failure, KEY_FIELDS, KEY_HASHES};
use summation::{ExpectedKeys, InputError};

use crate::failure;

/// The keys of the job's first object, in the store.
#[derive(Clone, Copy)]
pub(crate) struct StoredKeys<'a> {
    pub(crate) store: &'a Arc<dyn ObjectStore>,
    /// The prefix of their objects.
    pub(crate) prefix: &'a str,
}

/// The bytes of a hash.
const HASH_BYTES: u64 = 8;

impl StoredKeys<'_> {
    /// The keys of some rows, as far as the first object has them.
    pub(super) async fn of_rows(&self, rows: Range<u64>) -> Result<Arc<ExpectedKeys>, Failure> {
        let key = format!("{}{KEY_HASHES}", self.prefix);
        let length = HASH_BYTES * (rows.end - rows.start);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let read = self.store.read(&key, HASH_BYTES * rows.start, length, Vec::new()).await;
        let bytes = read.map_err(|error| reading(&error))?;
        let hashes = bytes.as_chunks::<8>().0.iter().map(|hash| u64::from_le_bytes(*hash));
        Ok(Arc::new(ExpectedKeys { first_row: rows.start, hashes: hashes.collect() }))
    }

    /// The failure of an object whose key in a row differs from that of the first object.
    pub(super) async fn differing(&self, object: &str, error: &InputError, row: u64) -> Failure {
        let key = format!("{}{KEY_FIELDS}", self.prefix);
        let fields = match read_all(&**self.store, &key).await {
            Ok(fields) => fields,
            Err(error) => return reading(&error),
        };
        let mut error = error.clone();
        let row = usize::try_from(row).unwrap_or(usize::MAX);
        if let Some(expected) = lines(&fields).nth(row) {
            let expected = String::from_utf8_lossy(expected);
            error.what = format!("{} in row {}: {expected}", error.what, row + 1).into();
        }
        failure::invalid_input(object, &error)
    }
}

fn reading(error: &StoreError) -> Failure {
    failure::store("reading the keys of the first file", error)
}

/// The lines of a column of CSV; those within quotes do not count.
fn lines(fields: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut is_quoted = false;
    fields.split(move |&byte| {
        is_quoted ^= byte == b'"';
        byte == b'\n' && !is_quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_within_quotes_belong_to_their_field() {
        let found: Vec<&[u8]> = lines(b"a\n\"b\nb\"\"\"\nc\n").collect();
        assert_eq!(found, [&b"a"[..], b"\"b\nb\"\"\"", b"c", b""]);
    }
}
