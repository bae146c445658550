//! Numbers as text.
//!
//! Numbers are separated by white space (line ends of any kind included),
//! commas and semicolons, in any mix, with at most one comma or semicolon
//! between two numbers. Two of them in a row are an empty field, a value that
//! is missing, and an error: which column it would be cannot be told. So is one
//! before the first number; one after the last is let pass. A number is what
//! Python's `float` reads, `nan` and `inf` in any case included. The byte order
//! mark of UTF-8 is skipped.

use crate::{Block, InputError};

use super::decimal::{self, Prefix};
use super::decoder::Decode;
use super::head::{HEAD_BYTES, Head, Told};
use super::{Access, Checkpoint, Decoder, Format, Layout, foreign, no_numbers};

/// The longest number that is read, in bytes. The longest that says anything, an
/// exact subnormal, has some 1,100.
const NUMBER_BYTES_MAX: usize = 4096;

pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Numbers as text.
#[derive(Debug)]
struct Text;

/// Whether the first bytes are such that text has.
pub(super) fn tell(head: &Head<'_>) -> Result<Told, InputError> {
    let first = match head.first(HEAD_BYTES) {
        Ok(first) => &first[..first.len().min(HEAD_BYTES)],
        Err(needs) => return Ok(needs),
    };
    if head.object_bytes == Some(0) {
        return Err(no_numbers());
    }
    match first.iter().position(|&byte| is_binary(byte)) {
        Some(byte) => Err(foreign::unknown().at_byte(byte as u64)),
        None => Ok(Told::Is(Format::new(Text))),
    }
}

impl Layout for Text {
    fn describe(&self) -> String {
        "text".to_owned()
    }

    fn access(&self) -> Access {
        Access::Checkpoint
    }

    fn decoder(&self, _columns: Option<u64>, at: Checkpoint) -> Decoder {
        Decoder::new(TextDecoder::new(at))
    }
}

/// Bytes that no text has.
pub(super) const fn is_binary(byte: u8) -> bool {
    matches!(byte, 0..=8 | 14..=31 | 127)
}

/// Decodes numbers written as text.
#[derive(Debug)]
struct TextDecoder {
    /// The byte that comes next.
    byte: u64,
    /// How many lines have ended.
    line: u64,
    /// Where the present line begins.
    line_start: u64,
    /// Whether a number or the beginning was followed by a comma or semicolon.
    after: After,
    checkpoint: Checkpoint,
    /// The beginning of a number that was cut; it ends right before `byte`.
    held: Vec<u8>,
    ended: bool,
}

/// What came before, as far as a comma or semicolon is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Beginning,
    Number,
    Comma,
}

/// What a byte means between numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Other,
    Blank,
    Newline,
    Comma,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Other; 256];
    classes[b' ' as usize] = Class::Blank;
    classes[b'\t' as usize] = Class::Blank;
    classes[b'\r' as usize] = Class::Blank;
    classes[0x0b] = Class::Blank;
    classes[0x0c] = Class::Blank;
    classes[b'\n' as usize] = Class::Newline;
    classes[b',' as usize] = Class::Comma;
    classes[b';' as usize] = Class::Comma;
    classes
};

#[inline]
fn class(byte: u8) -> Class {
    CLASSES[usize::from(byte)]
}

impl TextDecoder {
    fn new(at: Checkpoint) -> TextDecoder {
        TextDecoder {
            byte: at.byte,
            line: at.line,
            line_start: at.line_start,
            after: if at.column == 0 { After::Beginning } else { After::Number },
            checkpoint: at,
            held: Vec::new(),
            ended: false,
        }
    }
}

impl Decode for TextDecoder {
    fn decode(
        &mut self,
        bytes: &[u8],
        last: bool,
        limit: usize,
        block: &mut Block,
    ) -> Result<usize, InputError> {
        let full = block.len().saturating_add(limit);
        let mut at = 0;
        if !self.held.is_empty() {
            if limit == 0 {
                return Ok(0);
            }
            at = self.complete(bytes, last, block)?;
        }
        let consumed = self.decode_rest(bytes, at, last, full, block)?;
        if last && consumed == bytes.len() {
            if self.checkpoint.column == 0 {
                return Err(no_numbers()
                    .remedy("numbers separated by commas, white space or lines are expected"));
            }
            self.ended = true;
        }
        Ok(consumed)
    }

    fn checkpoint(&self) -> Checkpoint {
        self.checkpoint
    }

    fn has_ended(&self) -> bool {
        self.ended
    }
}

impl TextDecoder {
    /// Decodes from `at` on, where no number has begun.
    fn decode_rest(
        &mut self,
        bytes: &[u8],
        mut at: usize,
        last: bool,
        full: usize,
        block: &mut Block,
    ) -> Result<usize, InputError> {
        let base = self.byte - at as u64;
        block.reserve((full - block.len()).min((bytes.len() - at) / 2 + 1));
        loop {
            // What separates numbers; nearly always one comma or one newline.
            while let Some(&byte) = bytes.get(at) {
                match class(byte) {
                    Class::Other => break,
                    Class::Blank => {}
                    Class::Newline => {
                        self.line += 1;
                        self.line_start = base + at as u64 + 1;
                    }
                    Class::Comma if self.after == After::Number => self.after = After::Comma,
                    Class::Comma => {
                        self.byte = base + at as u64;
                        return Err(self.empty_field());
                    }
                }
                at += 1;
            }
            self.byte = base + at as u64;
            if at == bytes.len() || block.len() == full {
                return Ok(at);
            }
            let behind = self.decode_usual(bytes, at, base, full, block);
            if behind > at {
                at = behind;
                continue;
            }
            // Unusual, or cut by the end of the range.
            let rest = &bytes[at..];
            match rest.iter().position(|&byte| class(byte) != Class::Other) {
                Some(length) => {
                    self.put_word(&rest[..length], base + at as u64, block)?;
                    at += length;
                }
                None if last => {
                    self.put_word(rest, base + at as u64, block)?;
                    at = bytes.len();
                }
                None => {
                    self.hold(rest, base + at as u64)?;
                    self.byte = base + bytes.len() as u64;
                    return Ok(bytes.len());
                }
            }
        }
    }

    /// Decodes usual numbers from `at` on, each with one separator behind it, as
    /// many as follow one another; returns where the last separator ends. `bytes`
    /// begin at the object's byte `base`.
    #[inline]
    fn decode_usual(
        &mut self,
        bytes: &[u8],
        mut at: usize,
        base: u64,
        full: usize,
        block: &mut Block,
    ) -> usize {
        let before = block.len();
        let mut checkpoint = self.checkpoint;
        while block.len() < full
            && let Some(Prefix { number, length }) = decimal::parse_prefix(&bytes[at..])
            && let Some(&separator) = bytes.get(at + length)
        {
            let after = match class(separator) {
                Class::Other => break,
                Class::Comma => After::Comma,
                Class::Blank | Class::Newline => After::Number,
            };
            block.push(number);
            checkpoint.byte = base + (at + length) as u64;
            (checkpoint.line, checkpoint.line_start) = (self.line, self.line_start);
            at += length + 1;
            self.after = after;
            if separator == b'\n' {
                self.line += 1;
                self.line_start = base + at as u64;
            }
        }
        checkpoint.column += (block.len() - before) as u64;
        self.checkpoint = checkpoint;
        at
    }

    /// Completes a number that was cut; returns how many bytes that took.
    fn complete(
        &mut self,
        bytes: &[u8],
        last: bool,
        block: &mut Block,
    ) -> Result<usize, InputError> {
        let start = self.byte - self.held.len() as u64;
        let end = bytes.iter().position(|&byte| class(byte) != Class::Other);
        let length = end.unwrap_or(bytes.len());
        self.hold(&bytes[..length], start)?;
        self.byte += length as u64;
        if end.is_some() || last {
            let mut held = std::mem::take(&mut self.held);
            self.put_word(&held, start, block)?;
            held.clear();
            self.held = held;
        }
        Ok(length)
    }

    /// Keeps the beginning of a number that starts at a byte.
    fn hold(&mut self, bytes: &[u8], start: u64) -> Result<(), InputError> {
        let room = NUMBER_BYTES_MAX + 1 - self.held.len();
        self.held.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if self.held.len() > NUMBER_BYTES_MAX {
            return Err(self.not_a_number(&self.held, start));
        }
        Ok(())
    }

    /// Reads a whole word that starts at a byte, by the slow way.
    fn put_word(&mut self, word: &[u8], start: u64, block: &mut Block) -> Result<(), InputError> {
        let end = start + word.len() as u64;
        let (word, start) = match word.strip_prefix(BYTE_ORDER_MARK) {
            // Nothing but the mark: not even a number has begun.
            Some([]) if start == 0 => return Ok(()),
            Some(word) if start == 0 => (word, start + BYTE_ORDER_MARK.len() as u64),
            _ => (word, start),
        };
        match decimal::parse(word) {
            Some(number) if word.len() <= NUMBER_BYTES_MAX => {
                self.put(number, end, block);
                Ok(())
            }
            _ => Err(self.not_a_number(word, start)),
        }
    }

    /// Takes a number that ends before a byte.
    #[inline]
    fn put(&mut self, number: f64, end: u64, block: &mut Block) {
        block.push(number);
        self.after = After::Number;
        self.checkpoint = Checkpoint {
            byte: end,
            column: self.checkpoint.column + 1,
            line: self.line,
            line_start: self.line_start,
        };
    }

    #[cold]
    fn not_a_number(&self, word: &[u8], start: u64) -> InputError {
        let error = self.place(InputError::new("where a number was expected"), start).found(word);
        if word.len() > NUMBER_BYTES_MAX {
            return error.remedy(format!("a number has at most {NUMBER_BYTES_MAX} characters"));
        }
        let is_text = word.iter().any(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
        let missing = [&b"na"[..], b"n/a", b"null", b"none", b"-", b"?", b"."];
        if missing.iter().any(|missing| word.eq_ignore_ascii_case(missing)) {
            error.remedy("write missing values as nan")
        } else if word.first() == Some(&b'#') {
            error.remedy("remove the comment")
        } else if self.line == 0 && is_text && !word[0].is_ascii_digit() {
            error.remedy("remove the header line, or say that it is one: \"header\" is yes")
        } else {
            error
        }
    }

    #[cold]
    fn empty_field(&self) -> InputError {
        let what = match self.after {
            After::Beginning => "a separator before the first number",
            After::Number | After::Comma => "an empty field: two separators and no number between",
        };
        self.place(InputError::new(what), self.byte)
            .remedy("write missing values as nan, or remove the separator")
    }

    fn place(&self, error: InputError, byte: u64) -> InputError {
        let mut error = error.at_byte(byte);
        error.line = Some(self.line + 1);
        error.position = Some(byte - self.line_start + 1);
        error.column = Some(self.checkpoint.column);
        error
    }
}
