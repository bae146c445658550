//! Counts, bytes, rates and fractions.

use super::{NARROW_NO_BREAK_SPACE, NO_BREAK_SPACE};

/// A count, digits in groups of three: `1 000`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() * 2);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(NARROW_NO_BREAK_SPACE);
        }
        grouped.push(digit);
    }
    grouped
}

/// A count with its noun in the singular or plural: `1 file`, `2 files`.
#[must_use]
pub fn plural(number: u64, singular: &str, plural: &str) -> String {
    let noun = if number == 1 { singular } else { plural };
    format!("{}{NO_BREAK_SPACE}{noun}", count(number))
}

/// The units of bytes, each a thousand times the one before.
const BYTE_UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/// A size in bytes with three digits and a decimal unit: `8.39 MB`.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    let exact = u128::from(bytes);
    let mut unit = 0;
    let mut unit_bytes: u128 = 1;
    // Rounding to three digits must not show 1000 of a unit.
    while exact * 1000 >= unit_bytes * 999_500 && unit + 1 < BYTE_UNITS.len() {
        unit += 1;
        unit_bytes *= 1000;
    }
    // In whole numbers, rounded once.
    let rounded = |parts: u128| (exact * parts + unit_bytes / 2) / unit_bytes;
    let number = match (rounded(100), rounded(10)) {
        _ if unit == 0 => count(bytes),
        (hundredths @ ..1000, _) => format!("{}.{:02}", hundredths / 100, hundredths % 100),
        (_, tenths @ ..1000) => format!("{}.{}", tenths / 10, tenths % 10),
        _ => rounded(1).to_string(),
    };
    format!("{number}{NO_BREAK_SPACE}{}", BYTE_UNITS[unit])
}

/// A throughput in bytes per second: `512 MB/s`.
#[must_use]
pub fn rate(bytes_per_sec: f64) -> String {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates at 2^64 bytes per second"
    )]
    let whole = bytes_per_sec as u64;
    format!("{}/s", bytes(whole))
}

/// A fraction from 0 to 1 as a percentage, rounded down, so that only 1 is 100 %.
#[must_use]
pub fn percent(fraction: f64) -> String {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 0..=100 before"
    )]
    let whole = (fraction * 100.0).clamp(0.0, 100.0) as u8;
    format!("{whole}{NO_BREAK_SPACE}%")
}

/// A fraction as a percentage with two decimals at most: `0.39 %`, `5 %`.
#[must_use]
pub fn percent_exactly(fraction: f64) -> String {
    let text = format!("{:.2}", fraction * 100.0);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}{NO_BREAK_SPACE}%")
}

/// A number with four significant digits: `0.5`, `273.1`, `1.234×10⁻⁷`.
#[must_use]
pub fn short(number: f64) -> String {
    let size = number.abs();
    if !number.is_finite() {
        return number.to_string();
    }
    if size != 0.0 && !(1e-3..1e6).contains(&size) {
        return scientific(number, 3).replace('-', "−");
    }
    let decimals = [10.0, 100.0, 1e3]
        .into_iter()
        .fold(3_usize, |decimals, bound| decimals - usize::from(size >= bound));
    // Small numbers keep as many digits.
    let decimals = [1.0, 0.1, 0.01]
        .into_iter()
        .fold(decimals, |decimals, bound| decimals + usize::from(size < bound && size != 0.0));
    let text = format!("{number:.decimals$}");
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    text.replace('-', "−")
}

/// A number in scientific notation with `digits` after the point: `1.5×10⁻⁷`.
#[must_use]
pub fn scientific(number: f64, digits: usize) -> String {
    let text = format!("{number:.digits$e}");
    let Some((mantissa, exponent)) = text.split_once('e') else {
        return text;
    };
    let exponent: String = exponent.chars().map(superscript).collect();
    format!("{mantissa}×10{exponent}")
}

fn superscript(character: char) -> char {
    match character {
        '0' => '⁰',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '4' => '⁴',
        '5' => '⁵',
        '6' => '⁶',
        '7' => '⁷',
        '8' => '⁸',
        '9' => '⁹',
        '-' => '⁻',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_from_the_right() {
        let grouped = |number| count(number).replace(NARROW_NO_BREAK_SPACE, " ");
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1 000");
        assert_eq!(grouped(12_345_678), "12 345 678");
        assert_eq!(grouped(u64::MAX), "18 446 744 073 709 551 615");
    }

    #[test]
    fn one_is_singular() {
        assert_eq!(plural(1, "file", "files"), "1\u{a0}file");
        assert_eq!(plural(0, "file", "files"), "0\u{a0}files");
        assert_eq!(plural(1_000, "file", "files"), "1\u{202f}000\u{a0}files");
    }

    #[test]
    fn bytes_have_three_digits_and_never_a_thousand_of_a_unit() {
        let shown = |number| bytes(number).replace(NO_BREAK_SPACE, " ");
        assert_eq!(shown(0), "0 B");
        assert_eq!(shown(999), "999 B");
        assert_eq!(shown(1_000), "1.00 kB");
        assert_eq!(shown(9_994), "9.99 kB");
        assert_eq!(shown(9_995), "10.0 kB");
        assert_eq!(shown(8_388_608), "8.39 MB");
        assert_eq!(shown(99_949_000), "99.9 MB");
        assert_eq!(shown(99_950_000), "100 MB");
        assert_eq!(shown(999_499_999), "999 MB");
        assert_eq!(shown(999_999_999), "1.00 GB");
        assert_eq!(shown(u64::MAX), "18.4 EB");
    }

    #[test]
    fn a_rate_is_in_bytes_per_second() {
        assert_eq!(rate(512_000_000.0), "512\u{a0}MB/s");
        assert_eq!(rate(f64::NAN), "0\u{a0}B/s");
    }

    #[test]
    fn only_one_is_a_hundred_percent() {
        assert_eq!(percent(0.0), "0\u{a0}%");
        assert_eq!(percent(0.999_9), "99\u{a0}%");
        assert_eq!(percent(1.0), "100\u{a0}%");
        assert_eq!(percent(7.0), "100\u{a0}%");
    }

    #[test]
    fn small_percentages_keep_their_decimals() {
        let shown = [0.003_906_25, 0.05, 0.5, 0.0, 1.0].map(percent_exactly);
        assert_eq!(shown, ["0.39\u{a0}%", "5\u{a0}%", "50\u{a0}%", "0\u{a0}%", "100\u{a0}%"]);
    }

    #[test]
    fn short_numbers_have_four_digits() {
        for (number, text) in [
            (0.0, "0"),
            (0.5, "0.5"),
            (273.149, "273.1"),
            (-1.0, "−1"),
            (999_999.0, "999999"),
            (12_345.6, "12346"),
            (0.012_345_6, "0.01235"),
            (1.234_56e-7, "1.235×10⁻⁷"),
            (-2e300, "−2.000×10³⁰⁰"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(short(number), text);
        }
    }

    #[test]
    fn exponents_are_superscript() {
        assert_eq!(scientific(-1.5e-7, 1), "-1.5×10⁻⁷");
        assert_eq!(scientific(2e300, 0), "2×10³⁰⁰");
    }
}
