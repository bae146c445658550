//! Durations, ages and dates.

use protocol::Timestamp;

use super::NO_BREAK_SPACE;

const SECOND_MS: u64 = 1_000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// A duration with at most two units: `320 ms`, `4.2 s`,
/// `1 min 05 s`, `2 h 03 min`, `3 d 4 h`.
#[must_use]
pub fn duration(ms: u64) -> String {
    let text = match ms {
        ..SECOND_MS => format!("{ms} ms"),
        SECOND_MS..10_000 => format!("{}.{} s", ms / SECOND_MS, ms % SECOND_MS / 100),
        10_000..MINUTE_MS => format!("{} s", ms / SECOND_MS),
        MINUTE_MS..HOUR_MS => format!("{} min {:02} s", ms / MINUTE_MS, ms % MINUTE_MS / SECOND_MS),
        HOUR_MS..DAY_MS => format!("{} h {:02} min", ms / HOUR_MS, ms % HOUR_MS / MINUTE_MS),
        _ => format!("{} d {} h", ms / DAY_MS, ms % DAY_MS / HOUR_MS),
    };
    text.replace(' ', NO_BREAK_SPACE.encode_utf8(&mut [0; 4]))
}

/// A duration that is between two others, in whole units: `12 to 18 s`, `up to 3 min`,
/// `about 5 s`.
#[must_use]
pub fn between(least_ms: u64, most_ms: u64) -> String {
    let (unit_ms, unit) = match most_ms {
        ..120_000 => (SECOND_MS, "s"),
        120_000..7_200_000 => (MINUTE_MS, "min"),
        7_200_000..172_800_000 => (HOUR_MS, "h"),
        _ => (DAY_MS, "d"),
    };
    let most = most_ms.div_ceil(unit_ms).max(1);
    match least_ms / unit_ms {
        0 if most > 1 => format!("up to {most}{NO_BREAK_SPACE}{unit}"),
        least if least + 1 >= most => format!("about {most}{NO_BREAK_SPACE}{unit}"),
        least => format!("{least} to {most}{NO_BREAK_SPACE}{unit}"),
    }
}

/// The time since `then` in whole units; `just now` below 5 s and in the future.
#[must_use]
pub fn age(then: Timestamp, now: Timestamp) -> String {
    let ms = now.millis_since(then);
    let text = match ms {
        ..5_000 => return "just now".to_owned(),
        5_000..MINUTE_MS => format!("{} s ago", ms / SECOND_MS),
        MINUTE_MS..HOUR_MS => format!("{} min ago", ms / MINUTE_MS),
        HOUR_MS..DAY_MS => format!("{} h ago", ms / HOUR_MS),
        _ => format!("{} d ago", ms / DAY_MS),
    };
    text.replace(' ', NO_BREAK_SPACE.encode_utf8(&mut [0; 4]))
}

/// A timestamp for people: `2026-03-01 12:34:56 UTC`.
#[must_use]
pub fn utc(at: Timestamp) -> String {
    let ms = at.as_millis();
    let (year, month, day) = civil_date(ms / DAY_MS);
    let of_day_ms = ms % DAY_MS;
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC",
        of_day_ms / HOUR_MS,
        of_day_ms % HOUR_MS / MINUTE_MS,
        of_day_ms % MINUTE_MS / SECOND_MS
    )
}

/// The same to the millisecond: `2026-03-01 12:34:56.789 UTC`.
#[must_use]
pub fn utc_exactly(at: Timestamp) -> String {
    utc(at).replace(" UTC", &format!(".{:03} UTC", at.as_millis() % SECOND_MS))
}

/// The local date and time: `2026-03-01 14:02:11`. `ahead_ms` is what local time is ahead
/// of UTC.
#[must_use]
pub fn date_time(at: Timestamp, ahead_ms: i64) -> String {
    let local = Timestamp::from_millis(at.as_millis().saturating_add_signed(ahead_ms));
    utc(local).replace(" UTC", "")
}

/// The same to the millisecond: `2026-03-01 14:02:11.789`.
#[must_use]
pub fn date_time_exactly(at: Timestamp, ahead_ms: i64) -> String {
    format!("{}.{:03}", date_time(at, ahead_ms), at.as_millis() % SECOND_MS)
}

/// The local time of day: `14:02:11`. `ahead_ms` is what local time is ahead of UTC.
#[must_use]
pub fn time_of_day(at: Timestamp, ahead_ms: i64) -> String {
    let of_day_ms = at.as_millis().saturating_add_signed(ahead_ms) % DAY_MS;
    format!(
        "{:02}:{:02}:{:02}",
        of_day_ms / HOUR_MS,
        of_day_ms % HOUR_MS / MINUTE_MS,
        of_day_ms % MINUTE_MS / SECOND_MS
    )
}

/// A timestamp for programs (RFC 3339), as in the `datetime` of `<time>`: `2026-03-01T12:34:56Z`.
#[must_use]
pub fn rfc3339(at: Timestamp) -> String {
    utc(at).replacen(' ', "T", 1).replace(" UTC", "Z")
}

/// The folder of all uploads whose folder nobody has named.
pub const UPLOADS: &str = "uploads/";

/// The name of a folder that no earlier upload has used: the mean of a folder includes all
/// its files.
#[must_use]
pub fn new_folder(at: Timestamp) -> String {
    let time = utc(at).replace(" UTC", "").replace(' ', "-").replace(':', "");
    format!("{UPLOADS}{time}/")
}

/// The year, month and day in the Gregorian calendar of a number of days since
/// 1970-01-01.
///
/// Years begin in March here, so that the leap day is the last day of a year and the
/// number of days before a month is a linear function.
fn civil_date(days_since_1970: u64) -> (u64, u64, u64) {
    /// Days from 0000-03-01 to 1970-01-01.
    const EPOCH_DAYS: u64 = 719_468;
    /// Days in 400 years, after which the calendar repeats.
    const ERA_DAYS: u64 = 146_097;

    let days = days_since_1970 + EPOCH_DAYS;
    let (era, of_era) = (days / ERA_DAYS, days % ERA_DAYS);
    let leap_days = of_era / 1_460 - of_era / 36_524 + of_era / (ERA_DAYS - 1);
    let year_of_era = (of_era - leap_days) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, next_year) =
        if month_from_march < 10 { (month_from_march + 3, 0) } else { (month_from_march - 9, 1) };
    (era * 400 + year_of_era + next_year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units_at_most() {
        let shown = |ms| duration(ms).replace(NO_BREAK_SPACE, " ");
        assert_eq!(shown(0), "0 ms");
        assert_eq!(shown(999), "999 ms");
        assert_eq!(shown(4_250), "4.2 s");
        assert_eq!(shown(59_999), "59 s");
        assert_eq!(shown(65_000), "1 min 05 s");
        assert_eq!(shown(2 * HOUR_MS + 3 * MINUTE_MS), "2 h 03 min");
        assert_eq!(shown(3 * DAY_MS + 4 * HOUR_MS), "3 d 4 h");
    }

    #[test]
    fn a_duration_between_two_others_is_in_whole_units() {
        let between = |least, most| super::between(least, most).replace(NO_BREAK_SPACE, " ");
        assert_eq!(between(12_900, 17_100), "12 to 18 s");
        assert_eq!(between(0, 0), "about 1 s");
        assert_eq!(between(4_000, 4_900), "about 5 s");
        assert_eq!(between(900, 4_900), "up to 5 s");
        assert_eq!(between(90_000, 119_000), "90 to 119 s");
        assert_eq!(between(90_000, 180_000), "1 to 3 min");
        assert_eq!(between(5_000, 86_400_000), "up to 24 h");
        assert_eq!(between(172_800_000, 432_000_000), "2 to 5 d");
    }

    #[test]
    fn an_age_is_never_in_the_future() {
        let at = Timestamp::from_millis;
        assert_eq!(age(at(10_000), at(0)), "just now");
        assert_eq!(age(at(0), at(59_000)), "59\u{a0}s\u{a0}ago");
        assert_eq!(age(at(0), at(2 * DAY_MS)), "2\u{a0}d\u{a0}ago");
    }

    #[test]
    fn the_time_of_day_is_that_of_the_zone() {
        let noon = Timestamp::from_millis(1_709_251_199_999);
        assert_eq!(time_of_day(noon, 0), "23:59:59");
        assert_eq!(time_of_day(noon, 5 * 3_600_000 + 30 * 60_000), "05:29:59");
        assert_eq!(time_of_day(noon, -8 * 3_600_000), "15:59:59");
        assert_eq!(date_time(noon, 3_600_000), "2024-03-01 00:59:59");
        assert_eq!(date_time_exactly(noon, 3_600_000), "2024-03-01 00:59:59.999");
        assert_eq!(utc_exactly(Timestamp::from_millis(7)), "1970-01-01 00:00:00.007 UTC");
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        let shown = |seconds: u64| utc(Timestamp::from_millis(seconds * 1_000));
        // As printed by `date -u -d @SECONDS`.
        assert_eq!(shown(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(shown(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(shown(1_709_251_199), "2024-02-29 23:59:59 UTC");
        assert_eq!(shown(1_709_251_200), "2024-03-01 00:00:00 UTC");
        assert_eq!(shown(4_107_542_399), "2100-02-28 23:59:59 UTC");
        assert_eq!(shown(4_107_542_400), "2100-03-01 00:00:00 UTC");
        assert_eq!(
            new_folder(Timestamp::from_millis(951_782_461_999)),
            "uploads/2000-02-29-000101/"
        );
        assert_eq!(rfc3339(Timestamp::from_millis(951_782_461_999)), "2000-02-29T00:01:01Z");
    }
}
