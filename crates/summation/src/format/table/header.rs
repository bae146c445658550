//! The first line of a table: what separates its fields, and whether they are names.

use csv_core::{ReadFieldResult, Reader, ReaderBuilder};
use protocol::request::Header;

use super::super::decimal;
use super::super::head::{HEAD_BYTES, HEAD_BYTES_MAX, Head};
use super::super::text::BYTE_ORDER_MARK;
use super::rows::is_missing;
use crate::InputError;

/// The first line of a text file, taken for a line of a table.
#[derive(Debug, PartialEq)]
pub(super) struct FirstLine {
    pub(super) delimiter: u8,
    /// Its fields, without the blanks around them.
    pub(super) fields: Vec<String>,
    /// Whether they are the names of the columns.
    pub(super) is_header: bool,
    /// Where the lines begin, and where that behind it does, in bytes.
    pub(super) start: u64,
    pub(super) end: u64,
    /// How many lines end before the next one: a name may have several.
    pub(super) lines: u64,
}

/// What the first bytes of a text file tell about its first line.
#[derive(Debug, PartialEq)]
pub(super) enum Read {
    /// It is one of a table.
    Table(FirstLine),
    /// The file is no table but bare numbers, or something else.
    Bare,
    /// More bytes are needed.
    Needs(usize),
}

/// Characters that no header begins with, but other kinds of text do.
const FOREIGN_STARTS: [u8; 7] = [b'#', b'%', b'{', b'[', b'<', b'/', b'\\'];

/// Reads the first line. Told nothing else, a line is a header if none of its fields is a
/// number or missing, and a file is a table if its first line is a header.
pub(super) fn read(head: &Head<'_>) -> Result<Read, InputError> {
    let options = head.options;
    let is_asked = matches!(options.header, Some(Header::Yes | Header::No))
        || !options.select.is_empty()
        || options.key.is_some();
    let bytes = head.bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head.bytes);
    let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let line = &bytes[blank..];
    let start = head.bytes.len() - bytes.len();
    if !is_asked && line.first().is_none_or(|byte| FOREIGN_STARTS.contains(byte)) {
        return Ok(Read::Bare);
    }
    let delimiter = delimiter(line);
    // Of compressed data, no more than some first bytes can be had.
    let is_whole = head.object_bytes.is_some() || head.bytes.len() < HEAD_BYTES;
    let mut fields = Fields::new(delimiter, line, head.is_all && is_whole);
    let mut found = Vec::new();
    let mut are_names = true;
    loop {
        match fields.next() {
            Field::Cut { text } if !is_asked && !is_name(&text) => return Ok(Read::Bare),
            Field::Cut { .. } if head.is_all || head.bytes.len() >= HEAD_BYTES_MAX => {
                if !is_asked {
                    return Ok(Read::Bare);
                }
                return Err(InputError::new(format!(
                    "a first line that does not end within {} bytes",
                    head.bytes.len()
                ))
                .remedy("a table has a line for each row"));
            }
            Field::Cut { .. } => return Ok(Read::Needs(HEAD_BYTES_MAX)),
            Field::Whole { text, is_quoted, is_last } => {
                are_names &=
                    is_quoted && decimal::parse(text.as_bytes()).is_none() || is_name(&text);
                if !is_asked && !are_names {
                    return Ok(Read::Bare);
                }
                found.push(text);
                if is_last {
                    break;
                }
            }
        }
    }
    let is_header = match options.header {
        Some(Header::Yes) => true,
        Some(Header::No) => false,
        Some(Header::Auto) | None => are_names && found.iter().any(|name| !name.is_empty()),
    };
    if !is_header && !is_asked {
        return Ok(Read::Bare);
    }
    let read = &line[..fields.at];
    let lines = read.iter().chain(&bytes[..blank]).filter(|&&byte| byte == b'\n').count();
    Ok(Read::Table(FirstLine {
        delimiter,
        fields: found,
        is_header,
        start: start as u64,
        end: (start + blank + fields.at) as u64,
        lines: lines as u64,
    }))
}

/// Whether a field that is not quoted may be a name, or is empty as that of an index is.
/// Numbers that something else separates are bare numbers.
fn is_name(field: &str) -> bool {
    let separates = |letter: char| letter.is_whitespace() || matches!(letter, ',' | ';');
    let Some(first) = field.split(separates).find(|part| !part.is_empty()) else {
        return true;
    };
    let others = ["n/a", "null", "none", "-", "?", "."];
    let is_other = others.iter().any(|other| field.eq_ignore_ascii_case(other));
    decimal::parse(first.as_bytes()).is_none() && !is_missing(field.as_bytes()) && !is_other
}

/// What separates the fields of a line: of tabs, semicolons and commas that which is
/// there most often outside quotes.
fn delimiter(line: &[u8]) -> u8 {
    let mut counts = [(b'\t', 0_usize), (b',', 0), (b';', 0)];
    let mut is_quoted = false;
    for &byte in line {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\n' | b'\r' if !is_quoted => break,
            _ if is_quoted => {}
            _ => {
                for (delimiter, count) in &mut counts {
                    *count += usize::from(byte == *delimiter);
                }
            }
        }
    }
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or_default();
    // Where there is none, it makes no difference.
    let chosen = counts.iter().find(|(_, count)| *count == most && most > 0);
    chosen.map_or(b',', |(delimiter, _)| *delimiter)
}

/// The fields of one line.
struct Fields<'a> {
    reader: Reader,
    line: &'a [u8],
    /// Whether nothing follows the bytes that are there.
    is_all: bool,
    at: usize,
}

enum Field {
    Whole {
        text: String,
        is_quoted: bool,
        is_last: bool,
    },
    /// The bytes end within it.
    Cut {
        text: String,
    },
}

impl Fields<'_> {
    fn new(delimiter: u8, line: &[u8], is_all: bool) -> Fields<'_> {
        let reader = ReaderBuilder::new().delimiter(delimiter).build();
        Fields { reader, line, is_all, at: 0 }
    }

    fn next(&mut self) -> Field {
        let is_quoted = self.line.get(self.at) == Some(&b'"');
        let mut text = Vec::new();
        let mut buffer = [0; 256];
        loop {
            let rest = &self.line[self.at..];
            if rest.is_empty() && !self.is_all {
                return Field::Cut { text: trimmed(&text) };
            }
            let (result, read, written) = self.reader.read_field(rest, &mut buffer);
            self.at += read;
            text.extend_from_slice(&buffer[..written]);
            let is_last = match result {
                // Nothing follows: once more, with nothing, which ends the line.
                ReadFieldResult::InputEmpty | ReadFieldResult::OutputFull => continue,
                ReadFieldResult::Field { record_end } => record_end,
                ReadFieldResult::End => true,
            };
            return Field::Whole { text: trimmed(&text), is_quoted, is_last };
        }
    }
}

fn trimmed(text: &[u8]) -> String {
    String::from_utf8_lossy(text).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use protocol::request::ReadOptions;

    use super::*;

    fn read_as(text: &str, options: &ReadOptions) -> Result<Read, InputError> {
        let bytes = text.as_bytes();
        let object_bytes = Some(bytes.len() as u64);
        read(&Head {
            bytes,
            is_all: true,
            object_bytes,
            options,
            formats: &[],
            others: &[],
            parts: &[],
        })
    }

    /// The fields of the first line if the text is a table.
    fn header(text: &str) -> Option<(u8, Vec<String>)> {
        match read_as(text, &ReadOptions::default()).expect("no error") {
            Read::Table(line) => Some((line.delimiter, line.fields)),
            Read::Bare | Read::Needs(_) => None,
        }
    }

    #[test]
    fn names_are_told_from_numbers() {
        let names = |text| header(text).map(|(_, names)| names.join("|"));
        assert_eq!(names("a,b\n1,2"), Some("a|b".to_owned()));
        assert_eq!(names("\u{feff}a,\"b, or c\" \r\n1,2"), Some("a|b, or c".to_owned()));
        assert_eq!(names(",a\n0,1"), Some("|a".to_owned()), "an index without a name");
        assert_eq!(names("\n\na"), Some("a".to_owned()));
        assert_eq!(names("\"two\nlines\",b\n"), Some("two\nlines|b".to_owned()));
        assert_eq!(names("sea level,wind 10 m\n1,2"), Some("sea level|wind 10 m".to_owned()));
        for bare in ["1,2", "1 2 x", "station,1990", "nan,nan", "NA,NA", "# a", "{\"a\"", ",,", ""]
        {
            assert_eq!(names(bare), None, "{bare}");
        }
    }

    #[test]
    fn the_delimiter_is_the_most_frequent_one_outside_quotes() {
        for (text, delimiter) in [
            ("a,b", b','),
            ("a;b;c", b';'),
            ("a, b\tc, d\te", b'\t'),
            ("\"a;b;c\",d", b','),
            ("one", b','),
        ] {
            assert_eq!(header(text).map(|(delimiter, _)| delimiter), Some(delimiter), "{text}");
        }
    }

    #[test]
    fn what_the_request_says_counts() {
        let options = |header| ReadOptions { header, ..ReadOptions::default() };
        for (said, text, is_header) in [
            (Some(Header::Yes), "1990,1991\n1,2", true),
            (Some(Header::No), "1990,1991\n1,2", false),
            (Some(Header::No), "a,b\n1,2", false),
        ] {
            let Ok(Read::Table(line)) = read_as(text, &options(said)) else { panic!("{text}") };
            assert_eq!(line.is_header, is_header);
        }
        let selecting = ReadOptions { select: vec!["1".to_owned()], ..ReadOptions::default() };
        let Ok(Read::Table(line)) = read_as("1,2\n3,4", &selecting) else { panic!("a table") };
        assert_eq!((line.is_header, line.start, line.end, line.lines), (false, 0, 4, 1));
    }

    #[test]
    fn a_line_that_is_cut_is_asked_for_unless_it_is_of_numbers() {
        let read_cut = |text: &str, options: &ReadOptions| {
            let bytes = text.as_bytes();
            let head = Head {
                bytes,
                is_all: false,
                object_bytes: Some(1 << 30),
                options,
                formats: &[],
                others: &[],
                parts: &[],
            };
            read(&head)
        };
        let auto = ReadOptions::default();
        assert_eq!(read_cut("a,b", &auto), Ok(Read::Needs(HEAD_BYTES_MAX)));
        for numbers in ["1,2", "1 2 3", "1.2"] {
            assert_eq!(read_cut(numbers, &auto), Ok(Read::Bare), "{numbers}");
        }
        let long = "a".repeat(HEAD_BYTES_MAX);
        assert_eq!(read_cut(&long, &auto), Ok(Read::Bare));
        let yes = ReadOptions { header: Some(Header::Yes), ..ReadOptions::default() };
        assert!(read_cut(&long, &yes).is_err());
    }
}
