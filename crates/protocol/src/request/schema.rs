//! OpenAPI schemas of the fields of a request.

use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};

use super::{Choice, NAME, NAME_BYTES_MAX, Number, Numeric};

/// The types of numbers in a [`Number`], in terms of JSON Schema.
pub(super) trait Typed: Numeric + Into<utoipa::Number> {
    const TYPE: Type;
    const FORMAT: KnownFormat;
}

impl Typed for u32 {
    const TYPE: Type = Type::Integer;
    const FORMAT: KnownFormat = KnownFormat::Int32;
}

impl Typed for u64 {
    const TYPE: Type = Type::Integer;
    const FORMAT: KnownFormat = KnownFormat::Int64;
}

impl Typed for f64 {
    const TYPE: Type = Type::Number;
    const FORMAT: KnownFormat = KnownFormat::Double;
}

/// The schema of a number with its bounds.
pub(super) fn number<T: Typed>(number: &Number<T>) -> RefOr<Schema> {
    bounded(number, SchemaType::Type(T::TYPE)).into()
}

/// The schema of a number with its bounds, or `null` for the default.
pub(super) fn optional<T: Typed>(number: &Number<T>) -> RefOr<Schema> {
    let description = format!("{}; the default if absent.", number.field.description);
    bounded(number, SchemaType::Array(vec![T::TYPE, Type::Null]))
        .description(Some(description))
        .into()
}

fn bounded<T: Typed>(number: &Number<T>, schema_type: SchemaType) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(schema_type)
        .format(Some(SchemaFormat::KnownFormat(T::FORMAT)))
        .minimum(Some(number.least))
        .maximum(number.most)
        .description(Some(format!("{}.", number.field.description)))
}

/// The schema of a choice: its words and their descriptions.
pub(super) fn choice<C: Choice>() -> RefOr<Schema> {
    let mut description = format!("{}.", C::FIELD.description);
    for choice in C::ALL {
        description.push_str(&format!(
            "\n- `{}`: {}.",
            choice.word(),
            choice.described().description
        ));
    }
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(C::ALL.iter().map(|choice| choice.word())))
        .description(Some(description))
        .into()
}

/// The schema of the name of a job.
pub(super) fn job_name() -> RefOr<Schema> {
    const PRINTABLE: &str =
        r"^[^\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]*$";
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .max_length(Some(NAME_BYTES_MAX))
        .pattern(Some(PRINTABLE))
        .description(Some(NAME.description))
        .into()
}

/// Implements the schemas of choices.
macro_rules! choices {
    ($($choice:ty),*) => {$(
        impl utoipa::PartialSchema for $choice {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                $crate::request::schema::choice::<$choice>()
            }
        }

        impl utoipa::ToSchema for $choice {}
    )*};
}

/// Defines schema functions of numbers, for the attribute `schema_with`.
macro_rules! numbers {
    ($($function:ident: $number:expr;)*) => {$(
        fn $function() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
            $crate::request::schema::number(&$number)
        }
    )*};
}

pub(super) use {choices, numbers};
