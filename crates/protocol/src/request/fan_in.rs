//! P, the maximum number of inputs of a node of the sum tree.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Field, Number};
use crate::Problem;

/// P, from 2. With 1, every level would have as many nodes as the level below it,
/// and the tree would have no root.
pub const FAN_IN: Number<u32> = Number {
    field: Field {
        name: "fan_in",
        symbol: Some("P"),
        title: "Fan-in",
        hint: "Files per task, or auto",
        description: "P, the maximum number of inputs of a node of the sum tree: \
                      a number from 2, or `auto`",
    },
    least: 2,
    most: None,
};

/// The word of [`FanIn::Auto`].
const AUTO: &str = "auto";

/// P, the maximum number of inputs of a node of the sum tree: `"auto"` or a number from 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FanIn {
    /// The planner chooses.
    #[default]
    Auto,
    /// A fixed number, from 2.
    Fixed(u32),
}

impl FanIn {
    pub(super) fn validate(self) -> Result<(), Problem> {
        match self {
            FanIn::Fixed(fan_in) if FAN_IN.check(fan_in).is_err() => Err(rejection(self)),
            FanIn::Auto | FanIn::Fixed(_) => Ok(()),
        }
    }
}

impl fmt::Display for FanIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FanIn::Auto => f.write_str(AUTO),
            FanIn::Fixed(fan_in) => write!(f, "{fan_in}"),
        }
    }
}

impl FromStr for FanIn {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim() {
            "" | AUTO => Ok(FanIn::Auto),
            number => FAN_IN.parse(number).map(FanIn::Fixed).map_err(|_| rejection(number)),
        }
    }
}

impl Serialize for FanIn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            FanIn::Auto => serializer.serialize_str(AUTO),
            FanIn::Fixed(fan_in) => serializer.serialize_u32(*fan_in),
        }
    }
}

impl<'de> Deserialize<'de> for FanIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum NumberOrWord {
            Number(i64),
            Word(String),
        }
        // Not `FromStr`: its error texts would become part of the browser bundle.
        let number = match NumberOrWord::deserialize(deserializer) {
            Ok(NumberOrWord::Number(number)) => u32::try_from(number).ok(),
            Ok(NumberOrWord::Word(word)) if word.is_empty() || word == AUTO => {
                return Ok(FanIn::Auto);
            }
            Ok(NumberOrWord::Word(word)) => word.parse().ok(),
            Err(_) => None,
        };
        match number {
            Some(number) if number >= FAN_IN.least => Ok(FanIn::Fixed(number)),
            _ => Err(serde::de::Error::custom("fan_in is \"auto\" or a number from 2")),
        }
    }
}

#[cfg(feature = "schema")]
impl utoipa::PartialSchema for FanIn {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};

        let word = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([AUTO]));
        OneOfBuilder::new()
            .item(word)
            .item(super::schema::number(&FAN_IN))
            .description(Some(format!("{}.", FAN_IN.field.description)))
            .into()
    }
}

#[cfg(feature = "schema")]
impl utoipa::ToSchema for FanIn {}

/// Unlike the error of [`Number::check`], also names the word `auto`.
fn rejection(found: impl fmt::Display) -> Problem {
    FAN_IN.field.rejection(format_args!("“{AUTO}” or {}", FAN_IN.rule()), found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fan_in_is_auto_or_a_number_from_two() {
        assert_eq!(serde_json::from_str::<FanIn>("\"auto\"").unwrap(), FanIn::Auto);
        assert_eq!(serde_json::from_str::<FanIn>("7").unwrap(), FanIn::Fixed(7));
        assert!(serde_json::from_str::<FanIn>("1").is_err());
        assert!(serde_json::from_str::<FanIn>("-3").is_err());
        assert!(serde_json::from_str::<FanIn>("\"many\"").is_err());
    }

    #[test]
    fn an_error_names_both_notations() {
        let rejection = "1".parse::<FanIn>().unwrap_err();
        assert_eq!(
            rejection.detail,
            "fan_in must be “auto” or a whole number from 2; “1” is not one"
        );
    }
}
