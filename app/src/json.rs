//! JSON, parsed by the browser.
//!
//! The props of islands and the data of events are JSON of the types of
//! [`protocol`]. The browser has a JSON parser; `serde_json` would be a third of the
//! download. This module only deserialises JavaScript values into Rust types.
//!
//! Numbers are JavaScript's: exact up to 2^53, which suffices for every count, size
//! and timestamp, and rounded above, which may affect a seed.

use std::fmt;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer,
    MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::js_sys::{Array, JSON, Object, Reflect};

/// Deserialises a value from JSON.
///
/// # Errors
/// If the text is not JSON, or not the JSON of such a value.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, DecodeError> {
    let value = JSON::parse(text).map_err(|_| DecodeError("JSON"))?;
    T::deserialize(Value(value))
}

/// The error of deserialising a value: what was expected, in a word or two. Longer
/// messages would increase the download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError(pub &'static str);

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for DecodeError {}

impl serde::de::Error for DecodeError {
    fn custom<T: fmt::Display>(_message: T) -> Self {
        DecodeError("another value")
    }

    fn invalid_type(_found: Unexpected<'_>, _expected: &dyn Expected) -> Self {
        DecodeError("another type")
    }

    fn invalid_value(_found: Unexpected<'_>, _expected: &dyn Expected) -> Self {
        DecodeError("another value")
    }

    fn invalid_length(_length: usize, _expected: &dyn Expected) -> Self {
        DecodeError("another length")
    }

    fn unknown_variant(_variant: &str, _expected: &'static [&'static str]) -> Self {
        DecodeError("another variant")
    }

    fn unknown_field(_field: &str, _expected: &'static [&'static str]) -> Self {
        DecodeError("another field")
    }

    fn missing_field(field: &'static str) -> Self {
        DecodeError(field)
    }

    fn duplicate_field(field: &'static str) -> Self {
        DecodeError(field)
    }
}

/// A JavaScript value parsed from JSON.
struct Value(JsValue);

impl Value {
    fn number(&self) -> Result<f64, DecodeError> {
        self.0.as_f64().ok_or(DecodeError("number"))
    }

    fn string(&self) -> Result<String, DecodeError> {
        self.0.as_string().ok_or(DecodeError("string"))
    }

    fn array(self) -> Result<Array, DecodeError> {
        self.0.dyn_into().map_err(|_| DecodeError("array"))
    }
}

/// Deserialises integers. Fractions are truncated, and numbers out of range saturate.
macro_rules! deserialize_integers {
    ($($method:ident, $visit:ident, $number:ty;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the cast saturates, as documented"
            )]
            let number = self.number()? as $number;
            visitor.$visit(number)
        }
    )*};
}

impl<'de> Deserializer<'de> for Value {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if let Some(text) = self.0.as_string() {
            visitor.visit_string(text)
        } else if let Some(number) = self.0.as_f64() {
            if number.fract() == 0.0 {
                self.deserialize_i64(visitor)
            } else {
                visitor.visit_f64(number)
            }
        } else if let Ok(object) = self.0.dyn_into::<Object>() {
            visitor.visit_map(Members { entries: Object::entries(&object), next: 0 })
        } else {
            visitor.visit_unit()
        }
    }

    deserialize_integers! {
        deserialize_u8, visit_u8, u8;
        deserialize_u16, visit_u16, u16;
        deserialize_u32, visit_u32, u32;
        deserialize_u64, visit_u64, u64;
        deserialize_i64, visit_i64, i64;
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_bool(self.0.as_bool().ok_or(DecodeError("boolean"))?)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_f64(self.number()?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_string(self.string()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_string(self.string()?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_seq(Items { array: self.array()?, next: 0 })
    }

    /// Looks up each field in the object, so that unknown fields of later versions are
    /// ignored.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if !self.0.is_object() {
            return Err(DecodeError("object"));
        }
        visitor.visit_map(Fields { object: self.0, fields, value: JsValue::UNDEFINED })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if let Some(word) = self.0.as_string() {
            return visitor.visit_enum(Variant { word, value: JsValue::NULL });
        }
        // An object with one member: the name of the variant, and its content.
        let object = self.0.dyn_into::<Object>().map_err(|_| DecodeError("variant"))?;
        let member = Object::entries(&object).get(0);
        let member = Value(member).array()?;
        visitor.visit_enum(Variant { word: Value(member.get(0)).string()?, value: member.get(1) })
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i32 f32 char bytes byte_buf unit unit_struct tuple tuple_struct map
    }
}

/// The items of an array.
struct Items {
    array: Array,
    next: u32,
}

impl<'de> SeqAccess<'de> for Items {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        if self.next >= self.array.length() {
            return Ok(None);
        }
        let item = self.array.get(self.next);
        self.next += 1;
        seed.deserialize(Value(item)).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        usize::try_from(self.array.length() - self.next).ok()
    }
}

/// All members of an object.
struct Members {
    /// Each a name and a value.
    entries: Array,
    next: u32,
}

impl<'de> MapAccess<'de> for Members {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DecodeError> {
        if self.next >= self.entries.length() {
            return Ok(None);
        }
        let entry = Value(self.entries.get(self.next)).array()?;
        seed.deserialize(Value(entry.get(0))).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, DecodeError> {
        let entry = Value(self.entries.get(self.next)).array()?;
        self.next += 1;
        seed.deserialize(Value(entry.get(1)))
    }
}

/// The fields of a struct in an object. Missing fields are skipped.
struct Fields {
    object: JsValue,
    fields: &'static [&'static str],
    value: JsValue,
}

impl<'de> MapAccess<'de> for Fields {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DecodeError> {
        while let Some((field, rest)) = self.fields.split_first() {
            self.fields = rest;
            self.value = Reflect::get(&self.object, &JsValue::from_str(field)).unwrap_or_default();
            if !self.value.is_undefined() {
                return seed.deserialize(IntoDeserializer::into_deserializer(*field)).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, DecodeError> {
        seed.deserialize(Value(std::mem::take(&mut self.value)))
    }
}

/// A variant of an enum: its name and its content.
struct Variant {
    word: String,
    value: JsValue,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = DecodeError;
    type Variant = Value;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Value), DecodeError> {
        let variant = seed.deserialize(IntoDeserializer::into_deserializer(self.word))?;
        Ok((variant, Value(self.value)))
    }
}

impl<'de> VariantAccess<'de> for Value {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, DecodeError> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_struct("", fields, visitor)
    }
}
