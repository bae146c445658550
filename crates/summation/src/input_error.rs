//! What is wrong with an input object, and where.

use std::fmt;

use protocol::Problem;
use protocol::problem::ProblemKind;

/// The most characters of the input that an error quotes.
const QUOTED_CHARS_MAX: usize = 40;

/// What is wrong with an input object, where, and what to do about it.
///
/// [`fmt::Display`] says all of it but the object's name, which only the caller
/// knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InputError {
    /// The object that it lies in, if the input consists of several. Places are those in it.
    pub part: Option<Box<str>>,
    /// Where, in bytes from 0.
    pub byte: Option<u64>,
    /// Whether `byte` counts bytes of the decompressed data.
    pub is_decompressed: bool,
    /// In which line, from 1, if the object is text.
    pub line: Option<u64>,
    /// Where in the line, in bytes from 1, if the object is text.
    pub position: Option<u64>,
    /// How many numbers came before.
    pub column: Option<u64>,
    /// The row, from 0, if its key is not the one that was expected; `found` is the key.
    pub key_row: Option<u64>,
    /// The text found there, shortened.
    pub found: Option<Box<str>>,
    /// What is wrong; follows `found` if that is there.
    pub what: Box<str>,
    /// What to do about it; empty if there is nothing to be said.
    pub remedy: Box<str>,
}

impl InputError {
    /// Something wrong with the object as a whole.
    pub(crate) fn new(what: impl Into<Box<str>>) -> InputError {
        InputError { what: what.into(), ..InputError::default() }
    }

    /// Adds what to do about it.
    pub(crate) fn remedy(mut self, remedy: impl Into<Box<str>>) -> InputError {
        self.remedy = remedy.into();
        self
    }

    /// Adds where.
    pub(crate) fn at_byte(mut self, byte: u64) -> InputError {
        self.byte = Some(byte);
        self
    }

    /// Adds in which of several objects.
    pub(crate) fn in_part(mut self, part: &str) -> InputError {
        self.part = Some(part.into());
        self
    }

    /// Adds what was found there.
    pub(crate) fn found(mut self, bytes: &[u8]) -> InputError {
        let text = String::from_utf8_lossy(bytes);
        let mut quoted: String = text.chars().take(QUOTED_CHARS_MAX).collect();
        if text.chars().nth(QUOTED_CHARS_MAX).is_some() {
            quoted.push('…');
        }
        self.found = Some(quoted.into());
        self
    }

    /// The error as a problem of the object that it lies in.
    #[must_use]
    pub fn problem(&self, object: &str) -> Problem {
        Problem::new(ProblemKind::InvalidInput, format!("{object}: {}", self.detail()))
            .object(object)
            .remedy(self.remedy.clone())
    }

    /// What was wrong and where, without what to do about it.
    #[must_use]
    pub fn detail(&self) -> String {
        let part = self.part.as_ref().map(|part| format!("{part}: ")).unwrap_or_default();
        let mut place = String::new();
        let of = if self.is_decompressed { " of the decompressed data" } else { "" };
        match (self.line, self.position, self.byte) {
            (Some(line), Some(position), Some(byte)) => {
                place = format!("line {line}, position {position} (byte {byte}{of}): ");
            }
            (_, _, Some(byte)) => place = format!("byte {byte}{of}: "),
            _ => {}
        }
        match &self.found {
            Some(found) => format!("{part}{place}found {found:?} {}", self.what),
            None => format!("{part}{place}{}", self.what),
        }
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail())?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

impl std::error::Error for InputError {}
