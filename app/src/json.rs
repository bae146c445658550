//! JSON read by the browser's own parser.
//!
//! What an island is given and what events tell is JSON of the types of
//! [`protocol`]. The browser has a parser for it; a second one would be a third
//! of all that it downloads. So this is only the way from a value of JavaScript
//! to a type of Rust.
//!
//! Numbers are JavaScript's: whole up to 2^53, which every count, size and time
//! is, and rounded beyond, as a seed may be.

use std::fmt;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer,
    MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::js_sys::{Array, JSON, Object, Reflect};

/// Reads a value from JSON.
///
/// # Errors
/// If the text is not JSON, or not that of such a value.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, Unreadable> {
    let value = JSON::parse(text).map_err(|_| Unreadable("JSON"))?;
    T::deserialize(Value(value))
}

/// A text that is not the JSON of what it should be: what was expected, as far
/// as can be told in one word. Longer messages would be code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable(pub &'static str);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Unreadable {}

impl serde::de::Error for Unreadable {
    fn custom<T: fmt::Display>(_message: T) -> Self {
        Unreadable("another value")
    }

    fn invalid_type(_found: Unexpected<'_>, _expected: &dyn Expected) -> Self {
        Unreadable("another type")
    }

    fn invalid_value(_found: Unexpected<'_>, _expected: &dyn Expected) -> Self {
        Unreadable("another value")
    }

    fn invalid_length(_length: usize, _expected: &dyn Expected) -> Self {
        Unreadable("another length")
    }

    fn unknown_variant(_variant: &str, _expected: &'static [&'static str]) -> Self {
        Unreadable("another variant")
    }

    fn unknown_field(_field: &str, _expected: &'static [&'static str]) -> Self {
        Unreadable("another field")
    }

    fn missing_field(field: &'static str) -> Self {
        Unreadable(field)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Unreadable(field)
    }
}

/// A value of JavaScript that came out of JSON.
struct Value(JsValue);

impl Value {
    fn number(&self) -> Result<f64, Unreadable> {
        self.0.as_f64().ok_or(Unreadable("number"))
    }

    fn string(&self) -> Result<String, Unreadable> {
        self.0.as_string().ok_or(Unreadable("string"))
    }

    fn array(self) -> Result<Array, Unreadable> {
        self.0.dyn_into().map_err(|_| Unreadable("array"))
    }
}

/// Reads whole numbers; a number that is none, or too large, is cut to one.
macro_rules! deserialize_whole_numbers {
    ($($method:ident, $visit:ident, $number:ty;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
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
    type Error = Unreadable;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        if let Some(text) = self.0.as_string() {
            visitor.visit_string(text)
        } else if let Some(number) = self.0.as_f64() {
            if number.fract() == 0.0 {
                self.deserialize_i64(visitor)
            } else {
                visitor.visit_f64(number)
            }
        } else {
            visitor.visit_unit()
        }
    }

    deserialize_whole_numbers! {
        deserialize_u8, visit_u8, u8;
        deserialize_u16, visit_u16, u16;
        deserialize_u32, visit_u32, u32;
        deserialize_u64, visit_u64, u64;
        deserialize_i64, visit_i64, i64;
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_bool(self.0.as_bool().ok_or(Unreadable("true or false"))?)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_f64(self.number()?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_string(self.string()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_string(self.string()?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_seq(Items { array: self.array()?, next: 0 })
    }

    /// Asks the object for each field in turn, so that fields of a later
    /// version are never seen.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        if !self.0.is_object() {
            return Err(Unreadable("object"));
        }
        visitor.visit_map(Fields { object: self.0, fields, value: JsValue::UNDEFINED })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        if let Some(word) = self.0.as_string() {
            return visitor.visit_enum(Variant { word, value: JsValue::NULL });
        }
        // An object with one member: the variant's word, and what it holds.
        let object = self.0.dyn_into::<Object>().map_err(|_| Unreadable("variant"))?;
        let member = Object::entries(&object).get(0);
        let member = Value(member).array()?;
        visitor.visit_enum(Variant { word: Value(member.get(0)).string()?, value: member.get(1) })
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i32 f32 char bytes byte_buf unit unit_struct tuple tuple_struct map
    }
}

/// The items of an array, from the first.
struct Items {
    array: Array,
    next: u32,
}

impl<'de> SeqAccess<'de> for Items {
    type Error = Unreadable;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Unreadable> {
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

/// The fields of an object that a struct has; those that are missing are
/// passed over.
struct Fields {
    object: JsValue,
    fields: &'static [&'static str],
    value: JsValue,
}

impl<'de> MapAccess<'de> for Fields {
    type Error = Unreadable;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Unreadable> {
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
    ) -> Result<V::Value, Unreadable> {
        seed.deserialize(Value(std::mem::take(&mut self.value)))
    }
}

/// A variant of an enum: its word, and what it holds.
struct Variant {
    word: String,
    value: JsValue,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = Unreadable;
    type Variant = Value;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Value), Unreadable> {
        let variant = seed.deserialize(IntoDeserializer::into_deserializer(self.word))?;
        Ok((variant, Value(self.value)))
    }
}

impl<'de> VariantAccess<'de> for Value {
    type Error = Unreadable;

    fn unit_variant(self) -> Result<(), Unreadable> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, Unreadable> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        self.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        self.deserialize_struct("", fields, visitor)
    }
}
