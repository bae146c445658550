//! Tables: CSV and TSV with a line that names the columns, and without.

use proptest::prelude::*;
use protocol::request::{Header, Missing, ReadOptions};
use summation::Format;

use crate::reading::{Reading, cases, check_with, detect_with, limits, ranges, read};

fn options(select: &[&str]) -> ReadOptions {
    let select = select.iter().map(|&entry| entry.to_owned()).collect();
    ReadOptions { select, ..ReadOptions::default() }
}

fn table(text: &str, options: &ReadOptions) -> Format {
    detect_with(text.as_bytes(), options).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

fn read_table(text: &str, options: &ReadOptions) -> Reading {
    match detect_with(text.as_bytes(), options) {
        Ok(format) => read(&format, text.as_bytes(), &[usize::MAX], &[usize::MAX]),
        Err(error) => Reading { numbers: Vec::new(), end: Err(error) },
    }
}

/// The values, with each missing one as infinity, so that they can be compared.
fn values(text: &str, options: &ReadOptions) -> Vec<f64> {
    let reading = read_table(text, options);
    assert_eq!(reading.error(), "", "{text:?}");
    reading.values().into_iter().map(|x| if x.is_nan() { f64::INFINITY } else { x }).collect()
}

#[test]
fn tables_as_programs_write_them() {
    const TABLE: [f64; 4] = [1.5, 2.0, 3.0, -4e5];
    for (writer, text) in [
        ("pandas", "a,b\n1.5,2\n3.0,-400000.0\n"),
        ("no newline at the end", "a,b\n1.5,2\n3.0,-400000.0"),
        ("Excel", "\u{feff}a,b\r\n1.5,2\r\n3,-400000\r\n"),
        ("Excel where commas are decimal", "\u{feff}a;b\r\n1.5;2\r\n3;-4E+05\r\n"),
        ("R", "\"a\",\"b\"\n1.5,2\n3,-4e+05\n"),
        ("everything quoted", "\"a\",\"b\"\n\"1.5\",\"2\"\n\"3\",\"-4e5\"\n"),
        ("TSV", "a\tb\n1.5\t2\n3\t-4e5\n"),
        ("blanks", "a, b\n1.5, 2\n 3 ,-4e5 \n"),
        ("blank lines", "\n\na,b\n\n1.5,2\n\r\n3,-4e5\n\n"),
        ("old Macs", "a,b\r1.5,2\r3,-4e5\r"),
        ("names of several lines", "\"a\nof\"\"b\"\"\",\"b,c\"\n1.5,2\n3,-4e5\n"),
    ] {
        assert_eq!(values(text, &ReadOptions::default()), TABLE, "{writer}");
        let format = table(text, &ReadOptions::default());
        assert_eq!(format.shape_of(4), Some(vec![2, 2]), "{writer}");
        assert!(format.has_header());
    }
}

#[test]
fn columns_are_selected_by_name_number_and_pattern() {
    let text = "station,temp_min,temp_max,1990\nDe Bilt,1,2,3\n\"Eelde, airport\",4,5,6\n";
    for (select, expected) in [
        (&["temp_*"][..], &[1.0, 2.0, 4.0, 5.0][..]),
        (&["!station"], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
        (&["temp_max"], &[2.0, 5.0]),
        (&["2", "3"], &[1.0, 2.0, 4.0, 5.0]),
        (&["!1", "!temp*", "1990"], &[3.0, 6.0]),
    ] {
        // A header that has a number must be named one, unless columns are selected by name.
        let yes = ReadOptions { header: Some(Header::Yes), ..options(select) };
        assert_eq!(values(text, &yes), expected, "{select:?}");
    }
    let error = read_table(text, &ReadOptions { header: Some(Header::Yes), ..options(&[]) });
    let error = error.error();
    assert!(error.contains("line 2, position 1"), "{error}");
    assert!(error.contains("found \"De Bilt\" in column \"station\", where a number"), "{error}");
    assert!(error.contains("select \"!station\""), "{error}");
    let error = read_table(text, &options(&["rain"])).error();
    assert!(error.contains("has no column \"rain\""), "{error}");
    let all = read_table("a\n1\n", &options(&["!a"])).error();
    assert!(all.contains("no column is selected"), "{all}");
}

#[test]
fn a_table_without_a_header_has_numbers_for_names() {
    let no = ReadOptions { header: Some(Header::No), ..ReadOptions::default() };
    assert_eq!(values("1,2\n3,4\n", &no), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(table("1,2\n3,4\n", &no).shape_of(4), Some(vec![2, 2]));
    assert_eq!(values("\u{feff}1,2\n3,4\n", &options(&["2"])), [2.0, 4.0]);
    assert_eq!(
        values("x,2\ny,4\n", &ReadOptions { header: Some(Header::No), ..options(&["2"]) }),
        [2.0, 4.0]
    );
    assert!(!table("1,2\n3,4\n", &no).has_header());
}

#[test]
fn missing_values_are_an_error_unless_the_request_says_otherwise() {
    let text = "a,b,c\n1,,NA\nnan,5,6\n";
    for (missing, place) in [(None, "line 2, position 3"), (Some(Missing::Error), "line 2")] {
        let error = read_table(text, &ReadOptions { missing, ..ReadOptions::default() }).error();
        assert!(error.contains(place), "{error}");
        assert!(error.contains("the value of column \"b\" is missing; "), "{error}");
        assert!(error.contains("skip"), "{error}");
    }
    for missing in [Missing::Skip, Missing::Propagate] {
        let options = ReadOptions { missing: Some(missing), ..ReadOptions::default() };
        let none = f64::INFINITY;
        assert_eq!(values(text, &options), [1.0, none, none, none, 5.0, 6.0]);
        assert_eq!(values("a,b\n,\n", &options), [none, none], "the last field is empty too");
        assert_eq!(values("a,b\n1,", &options), [1.0, none]);
        assert_eq!(values("a\n\"\"\n2\n", &options), [none, 2.0], "as pandas writes it");
        let error = read_table("a\nn/a\n", &options).error();
        assert!(error.contains("found \"n/a\""), "{error}");
    }
}

#[test]
fn errors_name_line_column_and_remedy() {
    let auto = ReadOptions::default();
    let long_field = format!("a\n{}\n", "1".repeat(5000));
    let open_quote = format!("a,b\n1,2\n\"3,4\n{}", "5,6\n".repeat(2000));
    for (text, words) in [
        (
            "a,b\n1,2\n3\n",
            "line 3, position 1 (byte 8): a row of 1 fields where the first line has 2",
        ),
        ("a,b\n1,2,3\n", "line 2, position 3 (byte 6): a row of 3 fields or more where the first"),
        ("a,b\n1,2,\n", "a row of 3 fields or more"),
        (
            "a;b\n1,5;2\n",
            "found \"1,5\" in column \"a\", where a number was expected; write numbers with a decimal point",
        ),
        ("a,b\r\n1,2\r\n3,x\r\n", "line 3, position 3 (byte 12): found \"x\" in column \"b\""),
        ("\"a\nb\",c\n1,x\n", "line 3, position 3 (byte 10): found \"x\" in column \"c\""),
        (
            ",a\nx,1\n",
            "in column 1, where a number was expected; write a number; leave the column out: select \"!1\"; or",
        ),
        ("a,b\n", "no numbers in it; a table needs a row behind its header"),
        ("a,b", "no numbers in it"),
        (&long_field, "a field of column \"a\" that is too long"),
        (
            &open_quote,
            "line 3, position 1 (byte 8): a field of column \"a\" that is too long; look whether a quotation mark",
        ),
    ] {
        let error = read_table(text, &auto).error();
        assert!(error.contains(words), "{text:?} gives {error:?}, where {words:?} was expected");
    }
}

#[test]
fn columns_are_matched_by_name_in_any_order() {
    let auto = ReadOptions::default();
    let first = table("a,b,c\n1,2,3\n", &auto);
    let text = "c,a,b\n30,10,20\n60,40,50\n";
    let other = table(text, &auto).aligned(Some(&first), "first.csv").unwrap();
    let reading = read(&other, text.as_bytes(), &[3], &[2]);
    assert_eq!(reading.values(), [10.0, 20.0, 30.0, 40.0, 50.0, 60.0]);
    for (text, words) in [
        ("a,b\n1,2\n", "has no column \"c\", which first.csv has"),
        ("a,b,c,d\n1,2,3,4\n", "has the column \"d\", which first.csv has not"),
        ("1,2,3\n", "has no named columns, and first.csv has named columns"),
    ] {
        let error = table(text, &auto).aligned(Some(&first), "first.csv").unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    let error = first.aligned(None, "first.csv").unwrap_err().to_string();
    assert!(error.contains("first.csv has no named columns"), "{error}");
    // Columns of one name are matched in their order.
    let twice = table("a,a\n1,2\n", &auto);
    assert!(twice.aligned(Some(&twice), "itself").is_ok());
    assert!(twice.aligned(Some(&table("a\n1\n", &auto)), "another").is_err());
}

/// A field as some program may write it, and its value; NaN where it is missing.
fn field() -> impl Strategy<Value = (String, f64)> {
    let number = prop_oneof![
        any::<f64>().prop_filter("finite", |x| x.is_finite()),
        (0.0f64..1.0),
        (-1000i32..1000).prop_map(f64::from),
    ];
    prop_oneof![
        6 => (number, 0..4).prop_map(|(x, form)| {
            let text = match form {
                0 => format!("{x:?}"),
                1 => format!("\"{x:E}\""),
                2 => format!(" {x} "),
                _ => x.to_string(),
            };
            (text, x)
        }),
        1 => proptest::sample::select(&["", "NA", "nan", "\"\"", " "][..])
            .prop_map(|text| (text.to_owned(), f64::NAN)),
    ]
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn rows_read_the_same_in_any_pieces(
        rows in (1usize..5).prop_flat_map(|width| {
            proptest::collection::vec(proptest::collection::vec(field(), width), 1..12)
        }),
        ends in "\n|\r\n",
        delimiter in "[,;\t]",
        ranges in ranges(),
        limits in limits(),
    ) {
        let width = rows[0].len();
        let names: Vec<String> = (0..width).map(|column| format!("\"c {column}\"")).collect();
        let mut text = names.join(&delimiter) + &ends;
        for row in &rows {
            let mut fields: Vec<&str> = row.iter().map(|(text, _)| text.as_str()).collect();
            // An empty line is no row.
            if fields == [""] {
                fields[0] = "NA";
            }
            text.push_str(&fields.join(&delimiter));
            text.push_str(&ends);
        }
        let options = ReadOptions { missing: Some(Missing::Skip), ..ReadOptions::default() };
        let reading = check_with(text.as_bytes(), &options, &ranges, &limits)?;
        prop_assert!(reading.end.is_ok(), "{}", reading.error());
        let expected = rows.iter().flatten().map(|(_, x)| if x.is_nan() { f64::NAN } else { *x });
        let expected: Vec<u64> = expected.map(f64::to_bits).collect();
        let found: Vec<u64> = reading.numbers.iter().map(|&(value, _)| value).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn so_does_what_is_damaged(
        text in "[ab\",;\n\r\t 1-9.]{0,60}",
        skips: bool,
        header in proptest::option::of(proptest::sample::select(&[Header::Yes, Header::No][..])),
        ranges in ranges(),
        limits in limits(),
    ) {
        let missing = skips.then_some(Missing::Skip);
        let options = ReadOptions { missing, header, ..ReadOptions::default() };
        check_with(text.as_bytes(), &options, &ranges, &limits)?;
        let some = ReadOptions { select: vec!["!1".to_owned()], ..options };
        check_with(text.as_bytes(), &some, &ranges, &limits)?;
    }
}
