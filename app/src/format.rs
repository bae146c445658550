//! Numbers, bytes, durations and dates as text.
//!
//! The texts are the same in every browser and in the server: they depend on no
//! locale or time zone. A no-break space joins a number and its unit, and narrow
//! no-break spaces group the digits of large numbers: by them a script finds the numbers that it
//! writes as the reader's locale does, once a page is hydrated (`document/numbers.js`).

mod attempt;
mod job;
mod quantity;
mod time;

pub use attempt::{attempt_words, rescue_words};
pub use job::job_title;
pub use quantity::{bytes, count, percent, percent_exactly, plural, rate, scientific, short};
pub use time::{
    UPLOADS, age, between, date_time, date_time_exactly, duration, new_folder, rfc3339,
    time_of_day, utc, utc_exactly,
};

/// Joins a number and its unit.
const NO_BREAK_SPACE: char = '\u{a0}';
/// Separates groups of digits.
const NARROW_NO_BREAK_SPACE: char = '\u{202f}';
