//! Many numbers of text at a time, on processors with AVX2.
//!
//! Where a number ends is found for 64 bytes at a time, so that no number waits for the
//! one before it to be read. Its digits, sixteen at a time, are moved into place and
//! multiplied by their powers of ten in one register. What this does not know (exponents,
//! `nan`, more than 19 digits, whatever is no number) is left to the caller, and so are
//! the last 127 bytes.

#[cfg(target_arch = "x86_64")]
mod avx2;

use crate::Block;

/// The most numbers that are decoded between two looks at how many are wanted.
#[cfg(target_arch = "x86_64")]
const STEP_NUMBERS: usize = 32;

/// What has been decoded of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    /// Where the first word begins that was not decoded, or the separators before it.
    pub(super) next: usize,
    /// Where the last number ends that was; `next` if none was.
    pub(super) end: usize,
    /// How many lines have ended.
    pub(super) lines: u64,
    /// Where the line of `next` begins, if one has ended.
    pub(super) line_start: Option<usize>,
}

impl Decoded {
    fn nothing(at: usize) -> Decoded {
        Decoded { next: at, end: at, lines: 0, line_start: None }
    }
}

/// Appends up to `most` numbers from `at` on, where a word begins. Between two of them
/// there is any white space, and one comma or semicolon at most.
#[inline]
pub(super) fn decode(bytes: &[u8], at: usize, most: usize, block: &mut Block) -> Decoded {
    #[cfg(target_arch = "x86_64")]
    if most >= STEP_NUMBERS && avx2::is_here() {
        #[expect(unsafe_code, reason = "only a detected instruction set is called")]
        // SAFETY: `is_here` has found all the features that the function is compiled with.
        return unsafe { avx2::decode(bytes, at, most, block) };
    }
    let _ = (bytes, most, block);
    Decoded::nothing(at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All that is decoded of some words, each with a separator behind it, with what the
    /// standard library makes of them.
    fn check(words: &[String], separator: &str) {
        let text: String = words.iter().flat_map(|word| [word.as_str(), separator]).collect();
        let padded = format!("{text}{}", " ".repeat(128));
        let mut block = Block::default();
        let decoded = decode(padded.as_bytes(), 0, usize::MAX, &mut block);
        for (word, number) in words.iter().zip(block.values()) {
            let expected: f64 = word.parse().unwrap();
            assert_eq!(number.to_bits(), expected.to_bits(), "{word}");
        }
        let behind = words.iter().take(block.len()).map(|word| word.len() + separator.len());
        let next: usize = behind.sum();
        assert!(decoded.next >= next.min(text.len()), "{decoded:?}, {} numbers", block.len());
        let before = &padded.as_bytes()[..decoded.next];
        let lines = before.iter().filter(|&&byte| byte == b'\n').count();
        assert_eq!(decoded.lines, lines as u64);
        let line_start = before.iter().rposition(|&byte| byte == b'\n').map(|at| at + 1);
        assert_eq!(decoded.line_start, line_start);
        if !block.is_empty() {
            assert_eq!(&padded[decoded.end..][..separator.len()], separator);
        }
    }

    /// That the usual number is decoded here at all, where the processor can.
    #[test]
    fn usual_numbers_are_usual() {
        let words = [
            "0",
            "-0",
            "+3",
            "1",
            "-17.25",
            "0.1",
            ".5",
            "5.",
            "-.25",
            "123456789012345678",
            "0.12345678901234567",
            "-0.012345678901234567",
            "12.345678901234567",
            "9999999999999999999",
            "0.0000000000000000000",
            "1234567890.123456789",
            "9007199254740993",
            "4503599627370497.5",
            "1.00000000000000011",
        ]
        .map(str::to_owned);
        let text = words.join(",") + "," + &" ".repeat(128);
        let mut block = Block::default();
        let decoded = decode(text.as_bytes(), 0, usize::MAX, &mut block);
        if decoded.next > 0 {
            assert_eq!(block.len(), words.len(), "{:?}", &text[decoded.next..]);
        }
        check(&words, ",");
        check(&words, "\r\n");
    }

    #[test]
    fn what_is_unusual_is_left_where_it_stands() {
        for unusual in [
            "1e5",
            "nan",
            "inf",
            "-",
            "+",
            ".",
            "-.",
            "--1",
            "1.2.3",
            "1-2",
            "x",
            "1_0",
            "1:2",
            "1/2",
            "\u{feff}1",
            "12345678901234567890",
            "0.00000000000000000001",
            "100000000000000000000000000000000000000000000000000000000000000000000000",
            "\u{1}",
        ] {
            let text = format!("1,2;\t3\n{unusual},5,{}", "6 ".repeat(80));
            let mut block = Block::default();
            let decoded = decode(text.as_bytes(), 0, usize::MAX, &mut block);
            if decoded.next > 0 {
                assert_eq!(&text[..decoded.next], "1,2;\t3\n", "{unusual:?}");
                assert_eq!(block.values(), [1.0, 2.0, 3.0]);
                assert_eq!((decoded.end, decoded.lines, decoded.line_start), (6, 1, Some(7)));
            }
        }
    }

    #[test]
    fn one_comma_at_most_stands_between_two_numbers() {
        for (separators, decoded_to) in [
            (", ", None),
            (" ,\n", None),
            ("\n,", None),
            (",,", Some(2)),
            ("; \t,", Some(4)),
            (" ,;", Some(3)),
        ] {
            let text = format!("1{separators}2,{}", "6 ".repeat(80));
            let mut block = Block::default();
            let decoded = decode(text.as_bytes(), 0, usize::MAX, &mut block);
            if decoded.next > 0 {
                let all = block.len() > 2;
                assert_eq!((!all).then_some(decoded.next), decoded_to, "{separators:?}");
            }
        }
    }

    #[test]
    fn no_more_are_decoded_than_are_wanted() {
        let text = "1,".repeat(1000);
        for most in [0, 1, 31, 32, 33, 63, 64, 100, 999] {
            let mut block = Block::default();
            let decoded = decode(text.as_bytes(), 0, most, &mut block);
            assert!(block.len() <= most);
            assert_eq!(decoded.next, 2 * block.len());
        }
    }

    proptest! {
        #[test]
        fn numbers_of_all_kinds_are_read_as_they_are_written(
            words in proptest::collection::vec(
                prop_oneof![
                    "[-+]?[0-9]{1,21}",
                    "[-+]?[0-9]{0,20}\\.[0-9]{1,21}",
                    "[-+]?[0-9]{1,20}\\.",
                    "[-+]?0\\.0{0,4}[0-9]{13,19}",
                    any::<f64>().prop_filter("a number", |x| x.is_finite()).prop_map(|x| format!("{x:?}")),
                    (-1e6..1e6).prop_map(|x: f64| format!("{x}")),
                    (0.0..1.0).prop_map(|x: f64| format!("{x}")),
                ],
                0..60,
            ),
            separator in proptest::sample::select(&[",", ";", "\n", "\r\n", " ", "\t", " , ", "\n\n"][..]),
        ) {
            check(&words, separator);
        }
    }
}
