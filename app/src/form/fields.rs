//! The fields of the form of a new job: one row per field.

use protocol::request::{
    COUNT, Choice, DTYPE, Dtype, FAN_IN, FILES, FORMAT, Field, GeneratedFormat, HEADER, Header,
    KEY, LOCATION, MISSING, MODE, MULTIPLIER, Missing, NAME, OTHER_FILES, OtherFiles, PREFIX,
    PRIORITY, Priority, QUANTILE, RAW, RawNumbers, SEED, SELECT, STATISTICS, SpeculationMode,
    Statistic, WEIGHTS, WORKERS,
};

/// A field of the form.
#[derive(Clone, Copy, Debug)]
pub struct FormField {
    /// The field of the request.
    pub field: Field,
    /// The section of the form.
    pub section: Section,
    /// The type of input.
    pub input: Input,
    /// The initial text.
    pub default: &'static str,
}

/// A section of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// The generated data.
    Generate,
    /// The files in the store and their format.
    Prefix,
    /// The settings of the job.
    Job,
    /// Settings that most jobs leave at their defaults.
    Advanced,
    /// How values are read.
    Values,
}

/// The type of input of a field.
#[derive(Clone, Copy, Debug)]
pub enum Input {
    /// A line of text.
    Text,
    /// A line of text, for which phones show a numeric keyboard.
    Digits,
    /// A choice of words, each with its label.
    Choice(fn() -> Vec<(&'static str, &'static str)>),
}

/// The source of the inputs, which selects a section of the form. It is not a field
/// of the request.
pub const SOURCE: Field = Field {
    name: "source",
    symbol: None,
    title: "Input source",
    hint: "",
    description: "The source of the inputs",
};
/// The value of [`SOURCE`] for the demonstration.
pub const DEMO: &str = "demo";
/// The value of [`SOURCE`] for generated data.
pub const FROM_GENERATE: &str = "generate";
/// The value of [`SOURCE`] for files in the store.
pub const FROM_PREFIX: &str = "prefix";

/// All fields except [`SOURCE`] and the statistics, in display order.
pub const FIELDS: [FormField; 21] = [
    row(Section::Generate, FILES.field, Input::Digits, "40"),
    row(Section::Generate, COUNT.field, Input::Digits, "10000"),
    row(Section::Generate, FORMAT, Input::Choice(options::<GeneratedFormat>), "csv"),
    row(Section::Generate, SEED.field, Input::Digits, "1"),
    row(Section::Prefix, PREFIX, Input::Text, ""),
    row(Section::Prefix, RAW, Input::Choice(raw_options), ""),
    row(Section::Prefix, OTHER_FILES, Input::Choice(options::<OtherFiles>), "skip"),
    row(Section::Job, WORKERS.field, Input::Digits, "2"),
    row(Section::Job, FAN_IN.field, Input::Text, "auto"),
    row(Section::Job, NAME, Input::Text, ""),
    row(Section::Advanced, PRIORITY, Input::Choice(options::<Priority>), "normal"),
    row(Section::Advanced, MODE, Input::Choice(options::<SpeculationMode>), "resume"),
    row(Section::Advanced, QUANTILE.field, Input::Text, "0.75"),
    row(Section::Advanced, MULTIPLIER.field, Input::Text, "1.2"),
    row(Section::Values, HEADER, Input::Choice(options::<Header>), "auto"),
    row(Section::Values, SELECT, Input::Text, ""),
    row(Section::Values, KEY, Input::Text, ""),
    row(Section::Values, MISSING, Input::Choice(missing_options), ""),
    row(Section::Values, DTYPE, Input::Choice(dtype_options), ""),
    row(Section::Values, WEIGHTS, Input::Text, ""),
    row(Section::Values, LOCATION, Input::Text, ""),
];

/// The key of the checkbox of a statistic.
#[must_use]
pub fn statistic_key(statistic: Statistic) -> String {
    format!("{}.{}", STATISTICS.name, statistic.word())
}

/// The section of the field with the key.
#[must_use]
pub fn section_of(key: &str) -> Option<Section> {
    FIELDS.iter().find(|row| row.field.key() == key).map(|row| row.section)
}

/// The keys of all inputs, with their initial texts.
pub(super) fn defaults() -> impl Iterator<Item = (String, &'static str)> {
    let source = (SOURCE.key().to_owned(), DEMO);
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
    with_default::<RawNumbers>("automatic")
}

fn missing_options() -> Vec<(&'static str, &'static str)> {
    with_default::<Missing>("default")
}

fn dtype_options() -> Vec<(&'static str, &'static str)> {
    with_default::<Dtype>("default")
}

/// The options of an optional field.
fn with_default<C: Choice>(default: &'static str) -> Vec<(&'static str, &'static str)> {
    let mut options = options::<C>();
    options.insert(0, ("", default));
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
