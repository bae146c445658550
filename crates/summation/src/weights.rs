//! Tables of weights: a line for each file, with its name and its weight.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use protocol::request::check_weight;

use crate::{InputError, output};

/// The most bytes of a line.
const LINE_BYTES_MAX: usize = 1 << 16;
/// The most columns of a table.
const COLUMNS_MAX: usize = 64;

/// A line of a table of weights.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightLine {
    /// The name of the file.
    pub file: String,
    /// Its weight: a finite number from 0.
    pub weight: f64,
    /// The number of the line, from 1.
    pub line: u64,
}

/// Reads a table of weights: CSV or TSV with the columns `file` and `weight`, in this order
/// unless a first line names them, which may name others too.
///
/// # Errors
///
/// If it is no such table, or a weight is none. The error names the line.
pub fn read_weights(text: &[u8]) -> Result<Vec<WeightLine>, InputError> {
    let mut rows = Rows::new(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text));
    let Some(first) = rows.next()? else {
        return Err(InputError::new("a table of weights without a line").remedy(REMEDY));
    };
    let named = |name: &str| {
        let is_such = |field: &Vec<u8>| field.eq_ignore_ascii_case(name.as_bytes());
        first.fields.iter().position(is_such)
    };
    let count = first.fields.len();
    let mut lines = Vec::new();
    let (file, weight) = match (named("file"), named("weight")) {
        (Some(file), Some(weight)) => (file, weight),
        _ if count != 2 => {
            return Err(first.error(format!(
                "{count} columns, where file and weight were expected, or a line that names them"
            )));
        }
        _ => {
            // Without names, a first line that has no number is a header.
            if parse(&first.fields[1]).is_some() {
                lines.push(first.weight(0, 1)?);
            }
            (0, 1)
        }
    };
    while let Some(row) = rows.next()? {
        if row.fields.len() != count {
            let found = row.fields.len();
            return Err(row.error(format!("{found} columns, where {count} were expected")));
        }
        lines.push(row.weight(file, weight)?);
    }
    if lines.is_empty() {
        return Err(InputError::new("a table of weights without a weight").remedy(REMEDY));
    }
    Ok(lines)
}

/// The table of weights of these files.
#[must_use]
pub fn weights_table<'a>(weights: impl Iterator<Item = (&'a str, f64)>) -> String {
    let mut table = b"file,weight\n".to_vec();
    for (file, weight) in weights {
        let weight = output::number_text(weight);
        output::put_fields([file.as_bytes(), weight.as_bytes()].into_iter(), &mut table);
    }
    // It consists of texts.
    String::from_utf8(table).unwrap_or_default()
}

const REMEDY: &str = "write a line for each file: its name, a comma, and its weight";

/// A line of a table.
struct Row {
    fields: Vec<Vec<u8>>,
    line: u64,
}

impl Row {
    fn weight(&self, file: usize, weight: usize) -> Result<WeightLine, InputError> {
        let Ok(name) = std::str::from_utf8(&self.fields[file]) else {
            return Err(self.error("a name that is not UTF-8"));
        };
        if name.is_empty() {
            return Err(self.error("a weight without the name of a file"));
        }
        let text = &self.fields[weight];
        let shown = String::from_utf8_lossy(text);
        let Some(number) = parse(text) else {
            return Err(self.error(format!("the weight of {name:?} is {shown:?}, and no number")));
        };
        check_weight(number)
            .map_err(|rule| self.error(format!("the weight of {name:?} is {shown}: {rule}")))?;
        Ok(WeightLine { file: name.to_owned(), weight: number, line: self.line })
    }

    fn error(&self, what: impl Into<String>) -> InputError {
        InputError::new(format!("line {}: {}", self.line, what.into())).remedy(REMEDY)
    }
}

/// A number, correctly rounded.
fn parse(field: &[u8]) -> Option<f64> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// The lines of a table.
struct Rows<'a> {
    reader: Reader,
    rest: &'a [u8],
    /// The number of the line that follows.
    line: u64,
    fields: Vec<u8>,
}

impl<'a> Rows<'a> {
    fn new(text: &'a [u8]) -> Rows<'a> {
        let first = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let delimiter = [b',', b'\t', b';'].into_iter().find(|it| first.contains(it));
        let reader = ReaderBuilder::new().delimiter(delimiter.unwrap_or(b',')).build();
        Rows { reader, rest: text, line: 1, fields: vec![0; LINE_BYTES_MAX] }
    }

    /// The next line that is not empty, without the blanks around its fields.
    fn next(&mut self) -> Result<Option<Row>, InputError> {
        while let Some((&byte, rest)) = self.rest.split_first()
            && matches!(byte, b'\r' | b'\n')
        {
            self.line += u64::from(byte == b'\n');
            self.rest = rest;
        }
        let mut row = Row { fields: Vec::new(), line: self.line };
        let mut ends = [0; COLUMNS_MAX];
        let (mut length, mut count) = (0, 0);
        loop {
            let (to, ends_to) = (&mut self.fields[length..], &mut ends[count..]);
            let (result, used, written, ended) = self.reader.read_record(self.rest, to, ends_to);
            let (read, rest) = self.rest.split_at(used);
            self.line += read.iter().filter(|&&byte| byte == b'\n').count() as u64;
            self.rest = rest;
            (length, count) = (length + written, count + ended);
            match result {
                // Without more, what is there is a line.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => {
                    return Err(row.error(format!("more than {LINE_BYTES_MAX} bytes")));
                }
                ReadRecordResult::OutputEndsFull => {
                    return Err(row.error(format!("more than {COLUMNS_MAX} columns")));
                }
                ReadRecordResult::End => return Ok(None),
                ReadRecordResult::Record => break,
            }
        }
        let mut start = 0;
        for &end in &ends[..count] {
            row.fields.push(self.fields[start..end].trim_ascii().to_vec());
            start = end;
        }
        Ok(Some(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, f64, u64)>, String> {
        match read_weights(text.as_bytes()) {
            Ok(lines) => Ok(lines.into_iter().map(|it| (it.file, it.weight, it.line)).collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn lines(expected: &[(&str, f64, u64)]) -> Result<Vec<(String, f64, u64)>, String> {
        Ok(expected.iter().map(|&(file, weight, line)| (file.to_owned(), weight, line)).collect())
    }

    #[test]
    fn tables_are_read_with_a_header_and_without() {
        let expected = lines(&[("a.csv", 1.5, 2), ("b.csv", 0.0, 3)]);
        for text in [
            "file,weight\na.csv,1.5\nb.csv,0\n",
            "name, n\na.csv, 1.5\nb.csv,0",
            "weight\tnote\tFile\r\n1.5\tx\ta.csv\r\n0\t\tb.csv\r\n",
            "\u{feff}file;weight\na.csv;1.5\n\"b.csv\";0\n\n",
            "\na.csv,1.5\nb.csv,0\n\n\n",
        ] {
            assert_eq!(read(text), expected, "{text:?}");
        }
        let quoted = lines(&[("a,\n\"b\"", 3.0, 1), ("c", 1e-5, 4)]);
        assert_eq!(read("\"a,\n\"\"b\"\"\",3\n\nc,1e-5"), quoted);
    }

    #[test]
    fn numbers_are_rounded_correctly() {
        let text = "a,0.30000000000000004\nb,5e-324\nc,1.7976931348623157e308\nd,9007199254740993";
        let expected = [0.1 + 0.2, 5e-324, f64::MAX, 9_007_199_254_740_992.0];
        let found = read(text).unwrap();
        assert_eq!(found.iter().map(|line| line.1).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        for (text, words) in [
            ("", "without a line"),
            ("\n\n", "without a line"),
            ("file,weight\n", "without a weight"),
            ("a,1\nb,-2\n", "line 2: the weight of \"b\" is -2: a weight is a finite number"),
            ("a,nan\n", "line 1: the weight of \"a\" is nan"),
            ("a,1\nb,1e400\n", "line 2: the weight of \"b\" is 1e400"),
            ("a,1\n\nb,many\n", "line 3: the weight of \"b\" is \"many\", and no number"),
            ("a,1\nb\n", "line 2: 1 columns, where 2"),
            ("a,b,c\n", "line 1: 3 columns, where file and weight"),
            ("file,weight\n,1\n", "line 2: a weight without the name"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(words), "{text:?}: {error}");
        }
        let long = format!("a,1\n{},2\n", "b".repeat(LINE_BYTES_MAX));
        assert!(read(&long).unwrap_err().contains("line 2: more than"));
        let wide = format!("a,1\n{}\n", ",".repeat(COLUMNS_MAX));
        assert!(read(&wide).unwrap_err().contains("line 2: more than"));
        assert!(read_weights(b"a,1\n\xff,2\n").unwrap_err().to_string().contains("line 2"));
    }

    #[test]
    fn a_table_that_was_written_is_read_again() {
        let weights = [("a,b \"c\".csv", 0.1 + 0.2), ("s3://d/e", 5e-324), ("f", 1e22)];
        let table = weights_table(weights.into_iter());
        let read = read_weights(table.as_bytes()).unwrap();
        let found: Vec<(&str, f64)> = read.iter().map(|it| (it.file.as_str(), it.weight)).collect();
        assert_eq!(found, weights);
    }
}
