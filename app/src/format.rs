//! Numbers, bytes, durations and dates as text.
//!
//! The same in every browser and in the server: no locale, no time zone. A
//! number and its unit are held together by a no-break space, the digits of
//! large counts are grouped by narrow no-break spaces.

mod job;
mod quantity;
mod time;

pub use job::job_title;
pub use quantity::{bytes, count, many, percent, rate, scientific};
pub use time::{age, duration, rfc3339, utc};

/// Holds a number and its unit on one line.
const NO_BREAK_SPACE: char = '\u{a0}';
/// Groups digits, without looking like two numbers.
const NARROW_NO_BREAK_SPACE: char = '\u{202f}';
