//! The weights of the objects.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Choice, Field, JobRequest, LOCATION_BYTES_MAX, Statistic, check_length};
use crate::Problem;
use crate::problem::ProblemKind;

/// The field of [`JobRequest::weights`].
pub const WEIGHTS: Field = Field {
    name: "weights",
    symbol: None,
    title: "Weights",
    hint: "Key of a table in the store with the columns file and weight",
    description: "The weight of each file, for the weighted mean: a table with the columns file \
                  and weight, in CSV or TSV; a weight of 0 leaves its file out",
};

/// The maximum number of weights that are shown one by one: as many as objects.
const WEIGHTS_SHOWN: usize = 16;

/// The weights of the objects: each a finite number from 0. A weight of 0 leaves its object
/// out.
///
/// An object is named by its location, or by the end of it from a slash on, as long as that
/// names no other.
#[derive(Clone, Debug, PartialEq)]
pub enum Weights {
    /// The location of a table with the columns `file` and `weight`.
    Table(String),
    /// By the name of the object.
    Each(BTreeMap<String, f64>),
    /// Only in responses: the number of objects that have a weight in a long list. A request
    /// with it is rejected.
    Shortened(u64),
}

impl Weights {
    /// As lists, pages and events show them.
    #[must_use]
    pub(super) fn shortened(self) -> Weights {
        match self {
            Weights::Each(weights) => {
                let bytes: usize = weights.keys().map(String::len).sum();
                match weights.len() <= WEIGHTS_SHOWN && bytes <= LOCATION_BYTES_MAX {
                    true => Weights::Each(weights),
                    false => Weights::Shortened(weights.len() as u64),
                }
            }
            short @ (Weights::Table(_) | Weights::Shortened(_)) => short,
        }
    }
}

impl Statistic {
    /// Whether it is defined for objects with weights: the sum of the products, and the
    /// number of values.
    #[must_use]
    pub const fn takes_weights(self) -> bool {
        matches!(self, Statistic::Sum | Statistic::Count)
    }
}

/// Checks the weights of a request, as far as it tells them, and that its statistics take
/// weights.
pub(super) fn validate(request: &JobRequest) -> Result<(), Problem> {
    let Some(weights) = &request.weights else {
        return Ok(());
    };
    let rejected =
        |detail: String| Err(Problem::new(ProblemKind::InvalidRequest, detail).field(WEIGHTS.name));
    if let Some(statistic) = request.statistics.iter().find(|it| !it.takes_weights()) {
        let detail = format!("the statistic {} is not computed with weights", statistic.word());
        return Err(Problem::new(ProblemKind::Unsupported, detail)
            .field("statistics")
            .remedy("with weights, choose among sum and count, or leave out the weights"));
    }
    let field = || WEIGHTS.name.to_owned();
    match weights {
        Weights::Table(location) => {
            check_length(field, "the location of the weights", location, LOCATION_BYTES_MAX)?;
            match location.is_empty() {
                true => Err(WEIGHTS.rejection("the key of a table, or an object of weights", "")),
                false => Ok(()),
            }
        }
        Weights::Each(weights) => {
            for (name, &weight) in weights {
                check_length(field, "the name of a file with a weight", name, LOCATION_BYTES_MAX)?;
                check_weight(weight).or_else(|rule| {
                    rejected(format!("the weight of {name:?} is {weight}: {rule}"))
                })?;
            }
            match weights.is_empty() {
                true => rejected("weights name no file".to_owned()),
                false => Ok(()),
            }
        }
        Weights::Shortened(_) => {
            let detail = "a number of weights stands for weights that it does not name";
            Err(Problem::new(ProblemKind::InvalidRequest, detail)
                .field(WEIGHTS.name)
                .remedy("list all weights, or run the job again: POST /api/jobs/{id}/rerun"))
        }
    }
}

/// Checks a weight.
///
/// # Errors
///
/// The rule that it violates.
pub fn check_weight(weight: f64) -> Result<(), &'static str> {
    match weight.is_finite() && weight >= 0.0 {
        true => Ok(()),
        false => Err("a weight is a finite number from 0"),
    }
}

impl Serialize for Weights {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Weights::Table(location) => serializer.serialize_str(location),
            Weights::Shortened(count) => serializer.serialize_u64(*count),
            Weights::Each(weights) => {
                let mut map = serializer.serialize_map(Some(weights.len()))?;
                for (name, weight) in weights {
                    map.serialize_entry(name, weight)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Weights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Weights, D::Error> {
        deserializer.deserialize_any(WeightsVisitor)
    }
}

struct WeightsVisitor;

impl<'de> Visitor<'de> for WeightsVisitor {
    type Value = Weights;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the key of a table, or an object of weights")
    }

    fn visit_str<E: serde::de::Error>(self, location: &str) -> Result<Weights, E> {
        Ok(Weights::Table(location.to_owned()))
    }

    fn visit_u64<E: serde::de::Error>(self, count: u64) -> Result<Weights, E> {
        Ok(Weights::Shortened(count))
    }

    fn visit_i64<E: serde::de::Error>(self, count: i64) -> Result<Weights, E> {
        // The browser tells integers only so.
        Ok(Weights::Shortened(u64::try_from(count).unwrap_or_default()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Weights, A::Error> {
        let mut weights = BTreeMap::new();
        while let Some((name, weight)) = map.next_entry::<String, f64>()? {
            if weights.contains_key(&name) {
                let twice = format_args!("the file {name:?} has two weights");
                return Err(serde::de::Error::custom(twice));
            }
            weights.insert(name, weight);
        }
        Ok(Weights::Each(weights))
    }
}

#[cfg(feature = "schema")]
mod schema {
    use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};
    use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};

    use super::{LOCATION_BYTES_MAX, WEIGHTS, Weights};

    impl utoipa::PartialSchema for Weights {
        fn schema() -> RefOr<Schema> {
            let table = ObjectBuilder::new()
                .schema_type(Type::String)
                .min_length(Some(1))
                .max_length(Some(LOCATION_BYTES_MAX))
                .description(Some("The key of the table in the store, or its location."));
            let weight = ObjectBuilder::new()
                .schema_type(Type::Number)
                .format(Some(SchemaFormat::KnownFormat(KnownFormat::Double)))
                .minimum(Some(0.0));
            let each = ObjectBuilder::new()
                .schema_type(Type::Object)
                .additional_properties(Some(weight))
                .min_properties(Some(1))
                .description(Some("Weights by file: by its key, or the end of it."));
            let shortened = ObjectBuilder::new()
                .schema_type(Type::Integer)
                .minimum(Some(0))
                .read_only(true)
                .description(Some(
                    "Only in responses: the number of weights in a list of more than 16.",
                ));
            OneOfBuilder::new()
                .item(table)
                .item(each)
                .item(shortened)
                .description(Some(format!("{}.", WEIGHTS.description)))
                .into()
        }
    }

    impl utoipa::ToSchema for Weights {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Inputs;

    fn request(weights: &str) -> Result<JobRequest, serde_json::Error> {
        serde_json::from_str(&format!(r#"{{"inputs": {{"prefix": "a/"}}, "weights": {weights}}}"#))
    }

    fn each(weights: &[(&str, f64)]) -> Weights {
        Weights::Each(weights.iter().map(|&(name, weight)| (name.to_owned(), weight)).collect())
    }

    #[test]
    fn weights_are_a_table_or_an_object() {
        assert_eq!(request("\"w.csv\"").unwrap().weights, Some(Weights::Table("w.csv".into())));
        let given = request(r#"{"a": 1, "b": 0.30000000000000004, "c": 0}"#).unwrap();
        let expected = each(&[("a", 1.0), ("b", 0.1 + 0.2), ("c", 0.0)]);
        assert_eq!(given.weights, Some(expected));
        let json = serde_json::to_value(&given).unwrap();
        assert_eq!(serde_json::from_value::<JobRequest>(json).unwrap(), given);
        assert!(given.validate().is_ok());
        for wrong in ["[1, 2]", "true", r#"{"a": "1"}"#, r#"{"a": 1, "a": 2}"#] {
            assert!(request(wrong).is_err(), "{wrong}");
        }
        assert_eq!(request("null").unwrap().weights, None);
    }

    #[test]
    fn unusable_weights_are_rejected_by_name() {
        for (weights, words) in [
            (each(&[("a", 1.0), ("b", -1.0)]), "\"b\" is -1"),
            (each(&[("a", f64::NAN)]), "\"a\" is NaN"),
            (each(&[("a", f64::INFINITY)]), "\"a\" is inf"),
            (each(&[]), "no file"),
            (Weights::Table(String::new()), "the key of a table"),
            (Weights::Shortened(3), "does not name"),
        ] {
            let mut request = JobRequest::new(Inputs::Prefix("a/".to_owned()));
            request.weights = Some(weights);
            let problem = request.validate().unwrap_err();
            assert_eq!(problem.field.as_deref(), Some("weights"));
            assert!(problem.detail.contains(words), "{problem}");
        }
    }

    #[test]
    fn statistics_that_take_no_weights_are_rejected() {
        let with = |statistics: &[Statistic]| {
            let mut request = JobRequest::new(Inputs::Prefix("a/".to_owned()));
            request.weights = Some(Weights::Table("w.csv".to_owned()));
            request.statistics = statistics.to_vec();
            request.validate()
        };
        assert!(with(&[Statistic::Sum, Statistic::Count]).is_ok());
        for statistic in Statistic::ALL.iter().filter(|it| !it.takes_weights()) {
            let problem = with(&[Statistic::Sum, *statistic]).unwrap_err();
            assert_eq!(problem.field.as_deref(), Some("statistics"));
            assert!(problem.detail.contains(statistic.word()), "{problem}");
        }
    }

    #[test]
    fn many_weights_are_shown_as_their_number() {
        let many = |count: usize| {
            Weights::Each((0..count).map(|index| (index.to_string(), 1.0)).collect()).shortened()
        };
        assert!(matches!(many(16), Weights::Each(_)));
        assert_eq!(many(17), Weights::Shortened(17));
        let json = serde_json::to_string(&many(17)).unwrap();
        assert_eq!(json, "17");
        assert_eq!(serde_json::from_str::<Weights>(&json).unwrap(), many(17));
    }
}
