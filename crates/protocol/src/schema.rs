//! OpenAPI schemas of ids and timestamps. Other types derive theirs, and the
//! schemas of request fields are next to their bounds.

use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use crate::{AttemptId, JobId, TaskId, Timestamp, WorkerId};

/// Implements the schemas of types that are strings in JSON.
macro_rules! texts {
    ($($id:ty: $description:literal, $pattern:literal, $example:literal;)*) => {$(
        impl PartialSchema for $id {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .description(Some($description))
                    .pattern(Some($pattern))
                    .examples([$example])
                    .into()
            }
        }

        impl ToSchema for $id {}
    )*};
}

texts! {
    JobId: "The id of a job: a ULID, sortable by submission time and unguessable.", "^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$", "01JD9ZK2V5Q8R3T7W1X4Y6A8BC";
    TaskId: "The id of a task within its job: `level.node.range`, each from 0.", r"^\d+\.\d+\.\d+$", "0.17.3";
    AttemptId: "The id of an attempt: `job/level.node.range/number`.", r"^[^/]+/\d+\.\d+\.\d+/\d+$", "01JD9ZK2V5Q8R3T7W1X4Y6A8BC/0.17.3/1";
    WorkerId: "The id of a running worker: the name its pool gave it, or host, process and slot.", ".", "node-1-4711-0";
}

impl PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
            .minimum(Some(0))
            .description(Some("Milliseconds since 1970-01-01 00:00 UTC."))
            .examples([1_795_392_000_000_u64])
            .into()
    }
}

impl ToSchema for Timestamp {}
