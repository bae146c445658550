//! Objects that cannot be written as lists. Derived implementations take a list of the
//! values of all fields for an object, which nobody means.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// Deserialises an object.
pub(super) fn object<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_any(ObjectVisitor(PhantomData))
}

/// Deserialises an object or nothing.
#[cfg_attr(target_arch = "wasm32", expect(dead_code, reason = "browsers read no webhook"))]
pub(super) fn optional<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_any(OptionalVisitor(PhantomData))
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

struct OptionalVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OptionalVisitor<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or null")
    }

    fn visit_unit<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_none<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        object(deserializer).map(Some)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use crate::JobRequest;

    #[test]
    fn a_list_is_no_object() {
        let read = |field: &str| {
            let text = format!(r#"{{"inputs": {{"prefix": "a/"}}, {field}}}"#);
            serde_json::from_str::<JobRequest>(&text)
        };
        for list in [r#""output": [null, null]"#, r#""output": []"#, r#""webhook": ["http://a"]"#] {
            let error = read(list).unwrap_err().to_string();
            assert!(error.contains("expected an object"), "{error}");
        }
        assert!(read(r#""output": {"dtype": null}, "webhook": null"#).is_ok());
        let read = read(r#""webhook": {"url": "http://a"}"#).unwrap();
        assert_eq!(read.webhook.map(|webhook| webhook.url).as_deref(), Some("http://a"));
    }
}
