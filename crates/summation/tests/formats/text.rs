//! Numbers as text.

use proptest::prelude::*;

use crate::reading::{Reading, cases, check, detect, limits, ranges, read};

fn read_text(text: &str) -> Reading {
    match detect(text.as_bytes(), None) {
        Ok(format) => read(&format, text.as_bytes(), &[usize::MAX], &[usize::MAX]),
        Err(error) => Reading { numbers: Vec::new(), end: Err(error) },
    }
}

/// Whether the first line is taken for the names of columns.
fn is_table(text: &str) -> bool {
    detect(text.as_bytes(), None).is_ok_and(|format| format.names().is_some())
}

/// The same by the plainest means: the numbers before the first error, and
/// whether there is one.
fn plain(text: &str) -> (Vec<u64>, bool) {
    let mut numbers = Vec::new();
    // Commas since the last number; one before the first is one too many.
    let mut commas = 1;
    for word in words(text) {
        match word {
            Word::Comma => {
                commas += 1;
                if commas > 1 {
                    return (numbers, true);
                }
            }
            Word::Number(text) => match text.parse::<f64>() {
                Ok(number) => {
                    let number = if number.is_nan() { f64::NAN } else { number };
                    numbers.push(number.to_bits());
                    commas = 0;
                }
                Err(_) => return (numbers, true),
            },
        }
    }
    let is_empty = numbers.is_empty();
    (numbers, is_empty)
}

enum Word<'a> {
    Comma,
    Number(&'a str),
}

fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    for line in text.split([' ', '\t', '\r', '\n']) {
        for (index, word) in line.split([',', ';']).enumerate() {
            if index > 0 {
                words.push(Word::Comma);
            }
            if !word.is_empty() {
                words.push(Word::Number(word));
            }
        }
    }
    words
}

/// Numbers in all the ways in which they are written.
fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => any::<u64>().prop_map(f64::from_bits).prop_map(|x| format!("{x:?}")),
        4 => (0.0f64..1.0).prop_map(|x| x.to_string()),
        2 => any::<i64>().prop_map(|x| x.to_string()),
        2 => (0i32..100, 0u32..100_000).prop_map(|(whole, fraction)| format!("{whole}.{fraction}")),
        1 => any::<f64>().prop_map(|x| format!("{x:.30}")),
        1 => any::<f64>().prop_map(|x| format!("{x:E}")),
        2 => proptest::sample::select(&[
            "nan", "NaN", "inf", "-inf", "+Infinity", "-0", "+1", ".5", "5.", "1e5", "1E+05", "1e-400", "1e400",
            "0.1000000000000000055511151231257827021181583404541015625",
        ][..]).prop_map(str::to_owned),
    ]
}

fn separator() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => Just(",".to_owned()),
        3 => Just("\n".to_owned()),
        1 => proptest::sample::select(&[" ", "\r\n", ";", ", ", " , ", ",\n", ",\r\n", "\t", " \n\n ", ";\n"][..])
            .prop_map(str::to_owned),
    ]
}

fn numbers() -> impl Strategy<Value = String> {
    let pairs = proptest::collection::vec((number(), separator()), 1..60);
    (pairs, any::<bool>()).prop_map(|(pairs, has_last)| {
        let mut text = String::new();
        let mut last = String::new();
        for (number, separator) in pairs {
            text.push_str(&last);
            text.push_str(&number);
            last = separator;
        }
        if has_last {
            text.push_str(&last);
        }
        text
    })
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn numbers_read_the_same_in_any_pieces(text in numbers(), ranges in ranges(), limits in limits()) {
        let reading = check(text.as_bytes(), None, &ranges, &limits)?;
        prop_assert!(reading.end.is_ok(), "{}", reading.error());
        let found: Vec<u64> = reading.numbers.iter().map(|&(value, _)| value).collect();
        prop_assert_eq!((found, false), plain(&text));
    }

    #[test]
    fn so_does_what_only_looks_like_numbers(
        text in "[0-9.,;eE+\\- \r\nnaif]{0,40}",
        ranges in ranges(),
        limits in limits(),
    ) {
        let reading = check(text.as_bytes(), None, &ranges, &limits)?;
        if is_table(&text) {
            return Ok(());
        }
        let found: Vec<u64> = reading.numbers.iter().map(|&(value, _)| value).collect();
        prop_assert_eq!((found, reading.end.is_err()), plain(&text));
    }

    #[test]
    fn numbers_with_one_word_among_them(
        before in numbers(),
        word in "[ -+\\-:<-~é]{1,60}",
        after in numbers(),
        ranges in ranges(),
        limits in limits(),
    ) {
        let text = format!("{before},{word},{after}");
        check(text.as_bytes(), None, &ranges, &limits)?;
    }

    #[test]
    fn any_bytes_read_the_same_in_any_pieces(bytes: Vec<u8>, ranges in ranges(), limits in limits()) {
        check(&bytes, None, &ranges, &limits)?;
    }
}

#[test]
fn separators_of_all_kinds_and_mixes() {
    for text in [
        "1,2,3",
        "1,2,3\n",
        "1 2 3",
        "1\n2\n3\n",
        "1\r\n2\r\n3\r\n",
        "1;2;3",
        "1, 2, 3",
        "1 ,2\t;\n3,",
        "\n\n 1\t2 \r\n\r\n3 ",
        "1,2\n3,\n",
        "1,\n2,\n3,\n",
        "\u{feff}1,2,3",
        "\u{feff}\n1,2,3",
    ] {
        assert_eq!(read_text(text).values(), [1.0, 2.0, 3.0], "{text:?}");
    }
}

#[test]
fn errors_say_where_and_what() {
    for (text, words) in [
        (
            "1,2\n3,4\n5.5,6,7,8,9,10,temp_c,12\n",
            "line 3, position 16 (byte 23): found \"temp_c\" where a number was expected",
        ),
        (
            "year,1950,1951\n3,4,5\n",
            "line 1, position 1 (byte 0): found \"year\" where a number was expected; remove the header line, or say",
        ),
        ("1,2\r\n3,x\r\n", "line 2, position 3 (byte 7): found \"x\" where a number was expected"),
        ("1,,2", "line 1, position 3 (byte 2): an empty field"),
        ("1,2,\n,3", "line 2, position 1 (byte 5): an empty field"),
        (",1", "line 1, position 1 (byte 0): a separator before the first number"),
        ("1,NA,3", "found \"NA\" where a number was expected; write missing values as nan"),
        ("# comment\n1", "remove the comment"),
        ("1,\"2\"", "found \"\\\"2\\\"\" where a number was expected"),
        ("\u{feff}a,1\n1,2", "line 1, position 4 (byte 3): found \"a\""),
        ("1 0x10", "found \"0x10\""),
        ("1 1_000", "found \"1_000\""),
        ("", "no numbers"),
        (" \n\n", "no numbers"),
        ("\u{feff}", "no numbers"),
        (&format!("1,{}", "a".repeat(100)), &format!("found \"{}…\"", "a".repeat(40))),
        (&format!("1,{}", "1".repeat(5000)), "a number has at most 4096 characters"),
    ] {
        let error = read_text(text).error();
        assert!(error.contains(words), "{text:?} gives {error:?}, where {words:?} was expected");
    }
}

#[test]
fn other_kinds_of_files_are_named() {
    for (bytes, words) in [
        (&b"PK\x03\x04...."[..], "a zip archive without the end"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"\xff\xfe1\0,\0", "UTF-16"),
        (b"1,2\0\0\0", "neither text nor any other format"),
        (b"CDF\x01", "NetCDF"),
    ] {
        let error = detect(bytes, None).map(|format| format.describe()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let described = detect(b"CDF,x\n1,2", None).map(|format| format.describe());
    assert_eq!(described, Ok("csv, 2 columns".to_owned()));
}

#[test]
fn commas_that_may_be_decimal_points_are_refused() {
    for (text, field) in [
        ("1,5;2,5;3,5", "1,5"),
        ("1;2,25\n3;4\n", "2,25"),
        ("-1,5\t2\r\n", "-1,5"),
        ("7\n1,5 2,5\n", "1,5"),
    ] {
        let error = detect(text.as_bytes(), None).map(|it| it.describe()).unwrap_err().to_string();
        assert!(error.contains(&format!("the comma in \"{field}\"")), "{text:?}: {error}");
    }
    // Beyond the first bytes nothing is known: here the second field may go on.
    let long = format!("1,5;2{}", "0".repeat(20_000));
    assert!(detect(long.as_bytes(), None).is_ok());
    for (text, numbers) in [
        ("1,2\n3,4\n", &[1.0, 2.0, 3.0, 4.0][..]),
        ("1, 2, 3\n", &[1.0, 2.0, 3.0]),
        ("1.0,5;2", &[1.0, 5.0, 2.0]),
        ("1,2e0 3", &[1.0, 2.0, 3.0]),
        ("1,2,3;4,5,6", &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
        ("1,2 \n3,4 ", &[1.0, 2.0, 3.0, 4.0]),
    ] {
        assert_eq!(read_text(text).values(), numbers, "{text:?}");
    }
}

#[test]
fn long_numbers_are_read_to_the_last_digit() {
    let tie = "9007199254740993";
    let zeros = "0".repeat(1000);
    assert_eq!(read_text(&format!("{tie}.{zeros}")).values(), [9007199254740992.0]);
    assert_eq!(read_text(&format!("{tie}.{zeros}1")).values(), [9007199254740994.0]);
}
