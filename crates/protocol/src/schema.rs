//! How the types that serde is told about by hand look as JSON, for the
//! description of the JSON API; the others derive it.

use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use crate::{AttemptId, FanIn, JobId, TaskId, Timestamp, WorkerId};

/// Describes types that are a text in JSON, each with an example.
macro_rules! texts {
    ($($id:ty: $description:literal, $example:literal;)*) => {$(
        impl PartialSchema for $id {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .description(Some($description))
                    .examples([$example])
                    .into()
            }
        }

        impl ToSchema for $id {}
    )*};
}

texts! {
    JobId: "Names a job: a ULID, which sorts by the time of submission and cannot be guessed.", "01JD9ZK2V5Q8R3T7W1X4Y6A8BC";
    TaskId: "Names a task within its job: `level.node.range`, each from 0.", "0.17.3";
    AttemptId: "Names an attempt: `job/level.node.range/number`.", "01JD9ZK2V5Q8R3T7W1X4Y6A8BC/0.17.3/1";
    WorkerId: "Names a worker while it lives: what its pool calls it, or host, process and slot.", "node-1-4711-0";
}

impl PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
            .description(Some("Milliseconds since 1970-01-01 00:00 UTC."))
            .examples([1_795_392_000_000_u64])
            .into()
    }
}

impl ToSchema for Timestamp {}

impl PartialSchema for FanIn {
    fn schema() -> RefOr<Schema> {
        let word = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["auto"]));
        let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(2));
        OneOfBuilder::new()
            .item(word)
            .item(number)
            .description(Some("P, the most inputs that one node of the sum tree adds up."))
            .into()
    }
}

impl ToSchema for FanIn {}
