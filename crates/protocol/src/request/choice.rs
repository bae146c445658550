//! A choice between a few words.

use super::Field;
use crate::Problem;

/// What one word of a [`Choice`] stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Described {
    /// The word in JSON, on the command line and in the names of objects.
    pub word: &'static str,
    /// What it is called on the page.
    pub title: &'static str,
    /// One sentence without a full stop.
    pub description: &'static str,
}

/// A value that is one of a few words.
pub trait Choice: Copy + Send + Sync + 'static {
    /// All there are, in the order in which they are shown.
    const ALL: &'static [Self];

    /// The field of a request that it stands in.
    const FIELD: Field;

    /// What it stands for.
    fn described(self) -> Described;

    /// Its word.
    #[must_use]
    fn word(self) -> &'static str {
        self.described().word
    }

    /// What it is called on the page.
    #[must_use]
    fn title(self) -> &'static str {
        self.described().title
    }

    /// Reads a word.
    ///
    /// # Errors
    ///
    /// A problem that names the field and the words that there are.
    fn parse(text: &str) -> Result<Self, Problem> {
        Self::ALL.iter().copied().find(|choice| choice.word() == text).ok_or_else(|| {
            let words: Vec<_> = Self::ALL.iter().map(|choice| choice.word()).collect();
            Self::FIELD.refusal(format_args!("one of {}", words.join(", ")), text)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use serde::Serialize;

    use super::super::{GeneratedFormat, RawNumbers, SpeculationMode, Statistic};
    use super::*;

    #[track_caller]
    fn check<C: Choice + Debug + PartialEq>() {
        for choice in C::ALL {
            assert_eq!(C::parse(choice.word()).as_ref(), Ok(choice));
            assert!(!choice.title().is_empty());
        }
        let refusal = C::parse("median").unwrap_err();
        assert_eq!(refusal.field.as_deref(), Some(C::FIELD.name));
        assert!(refusal.detail.contains(C::ALL[0].word()), "{refusal}");
    }

    #[track_caller]
    fn check_json<C: Choice + Serialize>() {
        for choice in C::ALL {
            assert_eq!(serde_json::to_value(choice).unwrap(), choice.word());
        }
    }

    #[test]
    fn every_word_reads_back_and_others_are_refused() {
        check::<GeneratedFormat>();
        check::<RawNumbers>();
        check::<SpeculationMode>();
        check::<Statistic>();
    }

    #[test]
    fn json_has_the_same_words() {
        check_json::<GeneratedFormat>();
        check_json::<RawNumbers>();
        check_json::<Statistic>();
    }
}
