//! What is wrong with a field or a row of a table, and what to do about it; where it is, the
//! decoder knows.

use super::super::decimal;
use super::Columns;
use crate::InputError;

impl Columns {
    /// A value is missing, where none may be.
    #[cold]
    pub(super) fn missing(&self, field: usize) -> InputError {
        let column = self.name_of(field);
        InputError::new(format!("the value of {column} is missing")).remedy(
            "add the value, or choose what to do with missing values: \"missing\" is propagate \
             or skip",
        )
    }

    /// A field that is averaged is no number.
    #[cold]
    pub(super) fn not_a_number(&self, field: usize, text: &[u8]) -> InputError {
        let column = self.name_of(field);
        let what = format!("in {column}, where a number was expected");
        let error = InputError::new(what).found(text);
        let with_point: Vec<u8> =
            text.iter().map(|&byte| if byte == b',' { b'.' } else { byte }).collect();
        if text.contains(&b',') && decimal::parse(&with_point).is_some() {
            return error.remedy("write numbers with a decimal point instead of a decimal comma");
        }
        let name = self.entry_of(field);
        error.remedy(format!(
            "write a number; leave the column out: select \"!{name}\"; or, if it says what a row \
             is, carry it over: key \"{name}\""
        ))
    }

    /// The key of a row is not that of the first file.
    #[cold]
    pub(super) fn other_key(&self, field: usize, key: &[u8], row: u64) -> InputError {
        let column = self.name_of(field);
        let what = format!("in the key {column}, where the first file has another key");
        let error = InputError { key_row: Some(row), ..InputError::new(what).found(key) };
        error.remedy("give all files the same rows in the same order, or leave the key out")
    }

    /// A field is too long.
    #[cold]
    pub(super) fn too_long(&self, field: usize) -> InputError {
        let column = self.name_of(field);
        InputError::new(format!("a field of {column} that is too long"))
            .remedy("look whether a quotation mark is missing")
    }

    /// A row has too few fields, or so many or more.
    #[cold]
    pub(super) fn wrong_fields(&self, found: usize) -> InputError {
        let expected = self.uses.len();
        let more = if found > expected { "or more " } else { "" };
        let what = format!("a row of {found} fields {more}where the first line has {expected}");
        InputError::new(what)
            .remedy("write the row again, or look whether a quotation mark is missing")
    }

    /// A column for an error.
    fn name_of(&self, field: usize) -> String {
        match self.names.get(field).filter(|name| self.has_header && !name.is_empty()) {
            Some(name) => format!("column {name:?}"),
            None => format!("column {}", field + 1),
        }
    }

    /// The entry of a selection that names a column.
    fn entry_of(&self, field: usize) -> String {
        let name = self.names.get(field).filter(|name| !name.is_empty());
        name.cloned().unwrap_or_else(|| (field + 1).to_string())
    }
}
