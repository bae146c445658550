//! A field with a fixed set of values.

use super::Field;
use crate::Problem;

/// The texts of one value of a [`Choice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Described {
    /// The value in JSON, on the command line and in object names.
    pub word: &'static str,
    /// The label on the page.
    pub title: &'static str,
    /// One sentence without a full stop, for help texts and OpenAPI.
    pub description: &'static str,
}

/// A value from a fixed set, each with a word.
pub trait Choice: Copy + Send + Sync + 'static {
    /// All values in display order.
    const ALL: &'static [Self];

    /// The field of the request that has such a value.
    const FIELD: Field;

    /// The texts of the value.
    fn described(self) -> Described;

    /// The value in JSON, on the command line and in object names.
    #[must_use]
    fn word(self) -> &'static str {
        self.described().word
    }

    /// The label on the page.
    #[must_use]
    fn title(self) -> &'static str {
        self.described().title
    }

    /// Parses a word.
    ///
    /// # Errors
    ///
    /// A [`Problem`] that names the field and the allowed words.
    fn parse(text: &str) -> Result<Self, Problem> {
        Self::ALL.iter().copied().find(|choice| choice.word() == text).ok_or_else(|| {
            let words: Vec<_> = Self::ALL.iter().map(|choice| choice.word()).collect();
            Self::FIELD.rejection(format_args!("one of {}", words.join(", ")), text)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use serde::Serialize;

    use super::super::{
        Dtype, GeneratedFormat, Header, Missing, OtherFiles, Priority, RawNumbers, SpeculationMode,
        Statistic,
    };
    use super::*;

    #[track_caller]
    fn check<C: Choice + Debug + PartialEq>() {
        for choice in C::ALL {
            assert_eq!(C::parse(choice.word()).as_ref(), Ok(choice));
            assert!(!choice.title().is_empty());
        }
        let rejection = C::parse("median").unwrap_err();
        assert_eq!(rejection.field.as_deref(), Some(C::FIELD.name));
        assert!(rejection.detail.contains(C::ALL[0].word()), "{rejection}");
    }

    #[track_caller]
    fn check_json<C: Choice + Serialize>() {
        for choice in C::ALL {
            assert_eq!(serde_json::to_value(choice).unwrap(), choice.word());
        }
    }

    #[test]
    fn known_words_are_parsed_and_others_are_rejected() {
        check::<Dtype>();
        check::<GeneratedFormat>();
        check::<OtherFiles>();
        check::<Header>();
        check::<Missing>();
        check::<Priority>();
        check::<RawNumbers>();
        check::<SpeculationMode>();
        check::<Statistic>();
    }

    #[test]
    fn json_has_the_same_words() {
        check_json::<Dtype>();
        check_json::<GeneratedFormat>();
        check_json::<OtherFiles>();
        check_json::<Header>();
        check_json::<Missing>();
        check_json::<Priority>();
        check_json::<RawNumbers>();
        check_json::<Statistic>();
    }
}
