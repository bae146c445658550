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
use super::{Access, Checkpoint, Decoder, Format, Layout, foreign, no_numbers, words};

/// The longest number that is read, in bytes. The longest that says anything, an
/// exact subnormal, has some 1,100.
const NUMBER_BYTES_MAX: usize = 4096;

pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The most numbers that are decoded one by one before many at a time are tried again.
const PATIENCE_MAX: usize = 64;

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
    if let Some(byte) = first.iter().position(|&byte| is_binary(byte)) {
        return Err(foreign::unknown().at_byte(byte as u64));
    }
    let is_whole = head.is_all && first.len() == head.bytes.len();
    match ambiguous_commas(first, is_whole) {
        Some(field) => {
            let what = format!("the comma in \"{field}\" may be a decimal point or a separator");
            Err(InputError::new(what)
                .remedy("write numbers with a point, and separate them with one kind of character"))
        }
        None => Ok(Told::Is(Format::new(Text))),
    }
}

/// The first number with a decimal comma, if that is what all commas of a text seem to be:
/// on one line several fields, separated by semicolons or blanks, and in the whole text only
/// whole numbers and pairs of them around a comma.
fn ambiguous_commas(text: &[u8], is_whole: bool) -> Option<String> {
    // What is cut at the end proves nothing.
    let text =
        if is_whole { text } else { &text[..text.iter().rposition(|&byte| byte == b'\n')?] };
    let is_whole_number = |text: &[u8]| {
        let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
        !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
    };
    let (mut first, mut separated) = (None, false);
    for line in text.split(|byte| matches!(byte, b'\n' | b'\r')) {
        let fields = line.split(|byte| matches!(byte, b';' | b'\t' | b' '));
        let mut fields = fields.filter(|field| !field.is_empty()).peekable();
        let mut count = 0;
        while let Some(field) = fields.next() {
            count += 1;
            let mut parts = field.splitn(2, |&byte| byte == b',');
            let is_number = parts.next().is_some_and(is_whole_number);
            let fraction = parts.next();
            if !is_number || !fraction.is_none_or(|digits| digits.iter().all(u8::is_ascii_digit)) {
                return None;
            }
            if fraction.is_some_and(|digits| !digits.is_empty()) {
                first.get_or_insert(field);
                separated |= count > 1 || fields.peek().is_some();
            }
        }
    }
    first.filter(|_| separated).map(|field| String::from_utf8_lossy(field).into_owned())
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

    /// Decodes usual numbers from `at` on, where one begins, as many as follow one another;
    /// returns where the separators end, or begin, behind the last of them. `bytes` begin at
    /// the object's byte `base`.
    #[inline]
    fn decode_usual(
        &mut self,
        bytes: &[u8],
        mut at: usize,
        base: u64,
        full: usize,
        block: &mut Block,
    ) -> usize {
        // How many are decoded one by one where many at a time cannot be.
        let mut patience = 1;
        loop {
            let many = self.decode_many(bytes, at, base, full, block);
            let one_by_one = full.min(block.len() + patience);
            let behind = self.decode_some(bytes, many, base, one_by_one, block);
            if behind == many || block.len() == full {
                return behind;
            }
            patience = if many > at { 1 } else { (2 * patience).min(PATIENCE_MAX) };
            at = behind;
        }
    }

    /// Decodes many numbers at a time, where the processor can, up to one that is not usual.
    fn decode_many(
        &mut self,
        bytes: &[u8],
        at: usize,
        base: u64,
        full: usize,
        block: &mut Block,
    ) -> usize {
        let before = block.len();
        let decoded = words::decode(bytes, at, full - before, block);
        if block.len() == before {
            return at;
        }
        let behind = &bytes[decoded.end..decoded.next];
        let has_comma = behind.iter().any(|&byte| class(byte) == Class::Comma);
        self.after = if has_comma { After::Comma } else { After::Number };
        let newlines = behind.iter().filter(|&&byte| byte == b'\n').count() as u64;
        self.line += decoded.lines;
        let checkpoint = &mut self.checkpoint;
        checkpoint.column += (block.len() - before) as u64;
        checkpoint.byte = base + decoded.end as u64;
        checkpoint.line = self.line - newlines;
        let start = match newlines {
            0 => decoded.line_start,
            _ => {
                let before = bytes[at..decoded.end].iter().rposition(|&byte| byte == b'\n');
                before.map(|newline| at + newline + 1)
            }
        };
        checkpoint.line_start = start.map_or(self.line_start, |start| base + start as u64);
        if let Some(start) = decoded.line_start {
            self.line_start = base + start as u64;
        }
        decoded.next
    }

    /// Decodes usual numbers one by one, each with one separator behind it.
    #[inline]
    fn decode_some(
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
