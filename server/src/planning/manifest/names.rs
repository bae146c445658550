//! The names in the text of a manifest, which comes piece by piece.

use protocol::request::LOCATION_BYTES_MAX;

/// The mark that some editors write before a text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// The longest string of JSON that may be a name: each byte may be written as `\u0000`.
const STRING_BYTES_MAX: usize = 6 * LOCATION_BYTES_MAX + 2;

/// A name, and the line that it begins on, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) line: u64,
    pub(super) text: String,
}

/// What is wrong with a manifest, and the line, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) line: u64,
    pub(super) what: String,
}

/// Finds the names. Of the text only the current name is kept.
#[derive(Debug)]
pub(super) struct Names {
    form: Form,
    line: u64,
    /// The bytes of the current name; in an array with its quotation marks.
    current: Vec<u8>,
    /// The line that the current name begins on.
    begun_on: u64,
}

/// How the names are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Nothing but white space has come.
    Unknown,
    /// A name on each line.
    Lines,
    /// An array of strings.
    Array(Expected),
}

/// What comes next in an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// A string, or the end.
    FirstOrEnd,
    /// A string.
    String,
    /// The rest of a string; the next byte is escaped, or is not.
    Rest { is_escaped: bool },
    /// A comma, or the end.
    CommaOrEnd,
    /// Nothing.
    Nothing,
}

impl Default for Names {
    fn default() -> Self {
        Names { form: Form::Unknown, line: 1, current: Vec::new(), begun_on: 1 }
    }
}

impl Names {
    /// Takes the next piece of the text, and adds the names that end in it.
    pub(super) fn feed(&mut self, bytes: &[u8], found: &mut Vec<Name>) -> Result<(), Flaw> {
        for &byte in bytes {
            self.form = match self.form {
                Form::Unknown => self.begin(byte),
                Form::Lines => {
                    self.put_of_line(byte, found)?;
                    Form::Lines
                }
                Form::Array(expected) => Form::Array(self.put_of_array(expected, byte, found)?),
            };
            if byte == b'\n' {
                self.line += 1;
            }
        }
        Ok(())
    }

    /// Ends the text.
    pub(super) fn finish(mut self, found: &mut Vec<Name>) -> Result<(), Flaw> {
        match self.form {
            Form::Array(Expected::Nothing) => Ok(()),
            Form::Unknown | Form::Lines => self.end_line(found),
            Form::Array(_) => Err(self.flaw("the array does not end")),
        }
    }

    /// The form of a text that begins with this byte, after white space.
    fn begin(&mut self, byte: u8) -> Form {
        if BYTE_ORDER_MARK.contains(&byte) && self.line == 1 && self.current.len() < 3 {
            self.current.push(byte);
            if self.current != BYTE_ORDER_MARK {
                // The first bytes of a name, maybe.
                return if BYTE_ORDER_MARK.starts_with(&self.current) {
                    Form::Unknown
                } else {
                    Form::Lines
                };
            }
            self.current.clear();
            return Form::Unknown;
        }
        match byte {
            b'[' if self.current.is_empty() => Form::Array(Expected::FirstOrEnd),
            b'\n' | b'\r' if self.current.is_empty() => Form::Unknown,
            _ => {
                self.begun_on = self.line;
                self.current.push(byte);
                Form::Lines
            }
        }
    }

    fn put_of_line(&mut self, byte: u8, found: &mut Vec<Name>) -> Result<(), Flaw> {
        if byte == b'\n' {
            return self.end_line(found);
        }
        if self.current.is_empty() {
            self.begun_on = self.line;
        }
        // A line may end in a carriage return.
        self.keep(byte, LOCATION_BYTES_MAX + 1)
    }

    fn end_line(&mut self, found: &mut Vec<Name>) -> Result<(), Flaw> {
        let mut line = std::mem::take(&mut self.current);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if line.is_empty() {
            return Ok(());
        }
        let text = String::from_utf8(line).map_err(|_| self.flaw("the name is not UTF-8"))?;
        found.push(Name { line: self.begun_on, text });
        Ok(())
    }

    fn put_of_array(
        &mut self,
        expected: Expected,
        byte: u8,
        found: &mut Vec<Name>,
    ) -> Result<Expected, Flaw> {
        if let Expected::Rest { is_escaped } = expected {
            self.keep(byte, STRING_BYTES_MAX)?;
            return match byte {
                b'"' if !is_escaped => {
                    let text = serde_json::from_slice(&self.current);
                    let text = text.map_err(|_| self.flaw("the name is no string of JSON"))?;
                    self.current.clear();
                    found.push(Name { line: self.begun_on, text });
                    Ok(Expected::CommaOrEnd)
                }
                b'\\' => Ok(Expected::Rest { is_escaped: !is_escaped }),
                _ => Ok(Expected::Rest { is_escaped: false }),
            };
        }
        match (expected, byte) {
            (_, b' ' | b'\t' | b'\r' | b'\n') => Ok(expected),
            (Expected::FirstOrEnd | Expected::String, b'"') => {
                self.begun_on = self.line;
                self.keep(byte, STRING_BYTES_MAX)?;
                Ok(Expected::Rest { is_escaped: false })
            }
            (Expected::FirstOrEnd | Expected::CommaOrEnd, b']') => Ok(Expected::Nothing),
            (Expected::CommaOrEnd, b',') => Ok(Expected::String),
            (Expected::FirstOrEnd | Expected::String, _) => {
                Err(self.flaw("a name in quotation marks is expected"))
            }
            (Expected::CommaOrEnd, _) => {
                Err(self.flaw("a comma or the end of the array is expected"))
            }
            (Expected::Nothing | Expected::Rest { .. }, _) => {
                Err(self.flaw("something follows the end of the array"))
            }
        }
    }

    fn keep(&mut self, byte: u8, most: usize) -> Result<(), Flaw> {
        if self.current.len() >= most {
            return Err(self.flaw(&format!("the name has more than {LOCATION_BYTES_MAX} bytes")));
        }
        self.current.push(byte);
        Ok(())
    }

    fn flaw(&self, what: &str) -> Flaw {
        Flaw { line: self.line, what: what.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of a text that comes in pieces of every size.
    fn names(text: &[u8]) -> Result<Vec<(u64, String)>, Flaw> {
        let read = |size: usize| {
            let (mut names, mut found) = (Names::default(), Vec::new());
            for piece in text.chunks(size) {
                names.feed(piece, &mut found)?;
            }
            names.finish(&mut found)?;
            Ok(found.into_iter().map(|Name { line, text }| (line, text)).collect())
        };
        let whole = read(text.len().max(1));
        for size in 1..text.len() {
            assert_eq!(read(size), whole, "in pieces of {size} bytes");
        }
        whole
    }

    fn found(expected: &[(u64, &str)]) -> Result<Vec<(u64, String)>, Flaw> {
        Ok(expected.iter().map(|&(line, text)| (line, text.to_owned())).collect())
    }

    #[test]
    fn a_name_is_on_each_line_or_in_an_array() {
        let expected = found(&[(1, "a/b.npy"), (2, " c d"), (4, "[é].csv")]);
        assert_eq!(names("a/b.npy\n c d\r\n\n[é].csv".as_bytes()), expected);
        assert_eq!(names("\u{feff}a/b.npy\r\n c d\n\n[é].csv\n".as_bytes()), expected);
        let array = r#" ["a/b.npy",
            " c d"
            , "\u005bé].csv"]
        "#;
        // White space before it makes it a name.
        assert_eq!(names(b" [a]"), found(&[(1, " [a]")]));
        let expected = found(&[(1, "a/b.npy"), (2, " c d"), (3, "[é].csv")]);
        assert_eq!(names(array.trim_start().as_bytes()), expected);
        assert_eq!(names(format!("\u{feff}{}", array.trim_start()).as_bytes()), expected);
        for nothing in ["", "\n\r\n", "[]", "[ ]\n"] {
            assert_eq!(names(nothing.as_bytes()), found(&[]), "{nothing:?}");
        }
        assert_eq!(names("ï\n".as_bytes()), found(&[(1, "ï")]));
        assert_eq!(names(br#"["a\\", "\"b"]"#), found(&[(1, "a\\"), (1, "\"b")]));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let long = format!("a\n{}", "b".repeat(5_000));
        let long_string = format!("[\"a\",\n\"{}\"]", "b".repeat(30_000));
        for (text, line, what) in [
            (&b"a\nb\n\xff\n"[..], 3, "not UTF-8"),
            (long.as_bytes(), 2, "more than 4096"),
            (long_string.as_bytes(), 2, "more than 4096"),
            (b"[\"a\",\n1]", 2, "quotation marks"),
            (b"[\"a\"\n\"b\"]", 2, "a comma"),
            (b"[\"a\",\n]", 2, "quotation marks"),
            (b"[\"a\"\n", 2, "does not end"),
            (b"[\"a\"]\n\nb", 3, "follows"),
            (b"[\"\\x\"]", 1, "no string"),
            (b"[\"a\nb\"]", 2, "no string"),
        ] {
            let (mut names, mut found) = (Names::default(), Vec::new());
            let told = names.feed(text, &mut found).and_then(|()| names.finish(&mut found));
            let told = told.unwrap_err();
            assert_eq!(told.line, line, "{told:?}");
            assert!(told.what.contains(what), "{told:?}");
        }
    }
}
