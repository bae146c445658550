//! A model in several safetensors files, its shards, and the index that names them.
//!
//! The index is JSON: its `weight_map` has the name of each tensor, and the file that has it.
//! The input consists of the index and then its shards. Its bytes are those of all of them, one
//! after the other, so a tensor lies where its shard begins, and behind that.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use protocol::task::ObjectPart;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use super::super::head::{HEAD_BYTES, Head, Told};
use super::header::{HEADER_BYTES_MAX, Header, LENGTH_BYTES};
use super::{Format, Model, Tensors, header_end, header_length, quoted};
use crate::InputError;

/// The longest index that is read, in bytes: enough for some 100,000 tensors.
pub const INDEX_BYTES_MAX: u64 = 16 << 20;

/// The most bytes that the headers of all shards have together. They are in memory at the same
/// time.
const HEADERS_BYTES_MAX: u64 = 4 * HEADER_BYTES_MAX;

/// The most shards of a model.
const SHARDS_MAX: usize = 10_000;

/// The names of the shards that an index lists, sorted, each once.
///
/// # Errors
///
/// If the text is no such index, or a name is not that of a file beside it.
pub fn shards_of(index: &[u8]) -> Result<Vec<String>, InputError> {
    let Index { places } = Index::read(index)?;
    let names: BTreeSet<&String> = places.iter().map(|place| &place.shard).collect();
    if names.is_empty() {
        let error = InputError::new("an index that names no tensors");
        return Err(error.remedy("write the model again"));
    }
    if names.len() > SHARDS_MAX {
        let what = format!("an index of {} shards, of which {SHARDS_MAX} can be read", names.len());
        return Err(InputError::new(what).remedy("save the model in fewer files"));
    }
    // An index must not lead to files elsewhere.
    let is_elsewhere = |name: &str| name.is_empty() || name == ".." || name.contains(['/', '\\']);
    match names.iter().find(|name| is_elsewhere(name)) {
        Some(name) => {
            let what = format!("the shard {} does not lie beside the index", quoted(name));
            Err(InputError::new(what).remedy("put the shards and the index into one folder"))
        }
        None => Ok(names.into_iter().cloned().collect()),
    }
}

/// The model of an input that consists of an index and its shards.
pub(in super::super) fn tell(head: &Head<'_>) -> Result<Told, InputError> {
    let [index, shards @ ..] = head.parts else {
        return Ok(Told::Other);
    };
    let Some(text) = head.range(0..index.bytes) else {
        return Ok(Told::NeedsRanges(std::iter::once(0..index.bytes).collect()));
    };
    let index = Index::read(text).map_err(|error| error.in_part(index.name()))?;
    let starts = shards.iter().scan(text.len() as u64, |start, shard| {
        let begin = *start;
        *start += shard.bytes;
        Some(begin)
    });
    let shards: Vec<Shard<'_>> =
        shards.iter().zip(starts).map(|(part, start)| Shard { part, start }).collect();
    let (mut needed, mut lengths) = (Vec::new(), Vec::with_capacity(shards.len()));
    for shard in &shards {
        match shard.header_end(head).map_err(|error| error.in_part(shard.part.name()))? {
            Ok(end) => lengths.push(end),
            Err(range) => needed.push(range),
        }
    }
    if !needed.is_empty() {
        return Ok(Told::NeedsRanges(needed));
    }
    let all: u64 = lengths.iter().sum();
    if all > HEADERS_BYTES_MAX {
        let most = HEADERS_BYTES_MAX >> 20;
        let what =
            format!("the headers of its shards have {all} bytes, of which {most} MiB are read");
        return Err(InputError::new(what).remedy("save the model as several models"));
    }
    let mut headers = Vec::with_capacity(shards.len());
    for (shard, &end) in shards.iter().zip(&lengths) {
        let header = shard.start + LENGTH_BYTES as u64..shard.start + end;
        match head.range(header) {
            Some(text) => headers.push(text),
            None => needed.push(shard.start..shard.start + end),
        }
    }
    if !needed.is_empty() {
        return Ok(Told::NeedsRanges(needed));
    }
    let header = joined(&shards, &headers, &index)?;
    // A place in the input tells nobody anything.
    let tensors = Tensors::selected(header, 0, &head.options.select)
        .map_err(|error| InputError { byte: None, ..error })?;
    Ok(Told::Is(Format::new(Model { tensors: Arc::new(tensors), shards: shards.len() })))
}

/// A file of a model.
struct Shard<'a> {
    part: &'a ObjectPart,
    /// Where it begins in the input, in bytes.
    start: u64,
}

impl Shard<'_> {
    /// The end of its header in the shard, in bytes; the range that is needed if that cannot be
    /// told.
    fn header_end(&self, head: &Head<'_>) -> Result<Result<u64, Range<u64>>, InputError> {
        let bytes = self.part.bytes;
        let wanted = self.start..self.start + bytes.min(HEAD_BYTES as u64);
        let Some(first) = head.range(wanted.clone()) else {
            return Ok(Err(wanted));
        };
        let Some(length) = header_length(first) else {
            return Err(InputError::new("is no safetensors file").at_byte(0));
        };
        Ok(Ok(header_end(length, bytes)? as u64))
    }
}

/// The tensors of all shards, with their places in the input.
///
/// # Errors
///
/// If a header is wrong, two shards have tensors of one name, or a shard lacks a tensor which
/// it has by the index.
fn joined(shards: &[Shard<'_>], texts: &[&[u8]], index: &Index) -> Result<Header, InputError> {
    let mut all = Header::default();
    // The name of each tensor, and the shard that has it.
    let mut has: HashMap<String, &str> = HashMap::new();
    for (shard, text) in shards.iter().zip(texts) {
        let own = shard.part.name();
        let in_shard = |error: InputError| error.in_part(own);
        let mut header = Header::read(text).map_err(in_shard)?;
        let data_start = (LENGTH_BYTES + text.len()) as u64;
        header.check(data_start, shard.part.bytes - data_start).map_err(in_shard)?;
        for mut entry in header.entries.drain(..) {
            if let Some(other) = has.insert(entry.name.clone(), own) {
                let what = format!("the tensor {} is in {other} and in {own}", quoted(&entry.name));
                return Err(InputError::new(what).remedy("write the model again"));
            }
            entry.begin += shard.start + data_start;
            entry.end += shard.start + data_start;
            all.entries.push(entry);
        }
        for (key, value) in header.metadata {
            all.metadata.entry(key).or_insert(value);
        }
    }
    for Place { tensor, shard } in &index.places {
        let found = match has.get(tensor) {
            Some(other) if *other == shard.as_str() => continue,
            Some(other) => format!("it is in {other}"),
            None => "it is not there".to_owned(),
        };
        let what =
            format!("by its index, the tensor {} is in {shard}, but {found}", quoted(tensor));
        return Err(InputError::new(what).remedy("copy the model again, or write it again"));
    }
    Ok(all)
}

/// What an index says.
struct Index {
    places: Vec<Place>,
}

/// A tensor, and the file that has it.
struct Place {
    tensor: String,
    shard: String,
}

/// An index as JSON has it. What else is there, such as the size of all tensors, is not needed.
#[derive(Deserialize)]
struct Described {
    weight_map: Places,
}

struct Places(Vec<Place>);

impl Index {
    fn read(text: &[u8]) -> Result<Index, InputError> {
        let Described { weight_map } = serde_json::from_slice(text).map_err(|error| {
            let what = format!("an index of shards that cannot be understood: {error}");
            InputError::new(what).remedy("write the model again")
        })?;
        Ok(Index { places: weight_map.0 })
    }
}

impl<'de> Deserialize<'de> for Places {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Places, D::Error> {
        deserializer.deserialize_map(PlacesVisitor)
    }
}

struct PlacesVisitor;

impl<'de> Visitor<'de> for PlacesVisitor {
    type Value = Places;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the file of each tensor")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Places, A::Error> {
        let (mut places, mut names) = (Vec::new(), BTreeSet::new());
        while let Some((tensor, shard)) = map.next_entry::<String, String>()? {
            if !names.insert(tensor.clone()) {
                return Err(A::Error::custom(format_args!("{} is there twice", quoted(&tensor))));
            }
            places.push(Place { tensor, shard });
        }
        Ok(Places(places))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_listed_once_and_lie_beside_the_index() {
        let index =
            |map: &str| format!(r#"{{"metadata": {{"total_size": 7}}, "weight_map": {map}}}"#);
        let shards = |map: &str| shards_of(index(map).as_bytes());
        let map = r#"{"b": "2.safetensors", "a": "1.safetensors", "c": "2.safetensors"}"#;
        assert_eq!(shards(map).unwrap(), ["1.safetensors", "2.safetensors"]);
        for (map, words) in [
            ("{}", "names no tensors"),
            (r#"{"a": "1", "a": "2"}"#, "\"a\" is there twice"),
            (r#"{"a": "../1"}"#, "does not lie beside the index"),
            (r#"{"a": ".."}"#, "does not lie beside the index"),
            (r#"{"a": "b\\1"}"#, "does not lie beside the index"),
            (r#"{"a": ""}"#, "does not lie beside the index"),
            (r#"{"a": 1}"#, "cannot be understood"),
            ("[]", "cannot be understood"),
        ] {
            let error = shards(map).unwrap_err();
            assert!(error.detail().contains(words), "{map}: {error}");
        }
        assert!(shards_of(b"{}").unwrap_err().detail().contains("weight_map"));
    }
}
