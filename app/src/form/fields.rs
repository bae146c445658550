//! The fields of the form of a new job: one row for each.

use protocol::request::{
    COUNT, Choice, FAN_IN, FILES, FORMAT, Field, GeneratedFormat, MODE, MULTIPLIER, NAME, PREFIX,
    QUANTILE, RAW, RawNumbers, SEED, STATISTICS, SpeculationMode, Statistic, WORKERS,
};

/// A field of the form.
#[derive(Clone, Copy, Debug)]
pub struct FormField {
    /// The field of the request that it fills in.
    pub field: Field,
    /// Where it stands.
    pub section: Section,
    /// How it is filled in.
    pub input: Input,
    /// What a newcomer finds in it.
    pub default: &'static str,
}

/// A part of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// What data is generated.
    Generate,
    /// Which files of the store are read, and how.
    Prefix,
    /// How the job is run.
    Job,
    /// What most jobs leave as it is.
    Advanced,
}

/// How a field is filled in.
#[derive(Clone, Copy, Debug)]
pub enum Input {
    /// By text.
    Text,
    /// By text for which a phone shows its keys for numbers.
    Digits,
    /// By one of a few words, each with what it is called.
    Choice(fn() -> Vec<(&'static str, &'static str)>),
}

/// Where the numbers come from; above the sections, which follow from it. Not a
/// field of the request, which has inputs of one kind or the other.
pub const SOURCE: Field = Field {
    name: "source",
    symbol: None,
    title: "Where the numbers come from",
    hint: "",
    description: "Where the numbers come from",
};
/// The value of [`SOURCE`] for generated data.
pub const FROM_GENERATE: &str = "generate";
/// The value of [`SOURCE`] for files in the store.
pub const FROM_PREFIX: &str = "prefix";

/// All fields but [`SOURCE`] and the statistics, in the order in which they are shown.
pub const FIELDS: [FormField; 12] = [
    row(Section::Generate, FILES.field, Input::Digits, "40"),
    row(Section::Generate, COUNT.field, Input::Digits, "10000"),
    row(Section::Generate, FORMAT, Input::Choice(options::<GeneratedFormat>), "csv"),
    row(Section::Generate, SEED.field, Input::Digits, "1"),
    row(Section::Prefix, PREFIX, Input::Text, ""),
    row(Section::Prefix, RAW, Input::Choice(raw_options), ""),
    row(Section::Job, WORKERS.field, Input::Digits, "2"),
    row(Section::Job, FAN_IN.field, Input::Text, "5"),
    row(Section::Job, NAME, Input::Text, ""),
    row(Section::Advanced, MODE, Input::Choice(options::<SpeculationMode>), "resume"),
    row(Section::Advanced, QUANTILE.field, Input::Text, "0.75"),
    row(Section::Advanced, MULTIPLIER.field, Input::Text, "1.2"),
];

/// The key of the box that asks for a statistic.
#[must_use]
pub fn statistic_key(statistic: Statistic) -> String {
    format!("{}.{}", STATISTICS.name, statistic.word())
}

/// The section whose field of this key shows what is wrong with it.
#[must_use]
pub fn section_of(key: &str) -> Option<Section> {
    FIELDS.iter().find(|row| row.field.key() == key).map(|row| row.section)
}

/// The keys of all that can be filled in, and what a newcomer finds there.
pub(super) fn defaults() -> impl Iterator<Item = (String, &'static str)> {
    let source = (SOURCE.key().to_owned(), FROM_GENERATE);
    let fields = FIELDS.iter().map(|row| (row.field.key().to_owned(), row.default));
    let statistics = Statistic::ALL.iter().map(|statistic| (statistic_key(*statistic), ""));
    std::iter::once(source).chain(fields).chain(statistics)
}

const fn row(section: Section, field: Field, input: Input, default: &'static str) -> FormField {
    FormField { field, section, input, default }
}

fn options<C: Choice>() -> Vec<(&'static str, &'static str)> {
    C::ALL.iter().map(|choice| (choice.word(), choice.title())).collect()
}

fn raw_options() -> Vec<(&'static str, &'static str)> {
    let mut options = options::<RawNumbers>();
    options.insert(0, ("", "what the content says"));
    options
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_field_has_a_key_of_its_own() {
        let keys: BTreeSet<String> = defaults().map(|(key, _)| key).collect();
        assert_eq!(keys.len(), defaults().count());
    }

    #[test]
    fn choices_begin_with_one_of_their_options() {
        for row in FIELDS {
            if let Input::Choice(options) = row.input {
                assert!(options().iter().any(|(word, _)| *word == row.default), "{row:?}");
            }
        }
    }
}
