//! A field of a request: its texts, and the bounds of numbers.

use std::fmt::Display;

use crate::Problem;
use crate::problem::ProblemKind;

/// The names and texts of one field of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The path of the field in a request, used in errors: `inputs.generate.files`.
    pub name: &'static str,
    /// The letter for it in documents and pictures, such as `F`.
    pub symbol: Option<&'static str>,
    /// The label on the page: two or three words.
    pub title: &'static str,
    /// The hint below the input on the page; empty if the label is enough.
    pub hint: &'static str,
    /// One sentence without a full stop, for the help of the command line and
    /// OpenAPI.
    pub description: &'static str,
}

/// A numeric field and its bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number<T> {
    /// The names and texts of the field.
    pub field: Field,
    /// The minimum, inclusive.
    pub least: T,
    /// The maximum, inclusive; `None` if unbounded.
    pub most: Option<T>,
}

/// The types of numbers in a [`Number`].
pub trait Numeric: Copy + PartialOrd + Display {
    /// The name of the type in an error.
    const KIND: &'static str;

    /// Parses a number as people type it; `None` if the text is not a number.
    fn read(text: &str) -> Option<Self>;

    /// Whether it is neither infinite nor NaN.
    fn is_finite(self) -> bool;
}

impl Field {
    /// The last part of [`Field::name`]: the name in the form and its query.
    #[must_use]
    pub fn key(&self) -> &'static str {
        self.name.rsplit('.').next().unwrap_or(self.name)
    }

    /// The error for a value that violates `rule`, such as `a whole number from 1`.
    /// If `found` is empty, the error states only the rule.
    #[must_use]
    pub fn rejection(&self, rule: impl Display, found: impl Display) -> Problem {
        let found = found.to_string();
        let detail = match found.trim() {
            "" => format!("{} must be {rule}", self.key()),
            found => format!("{} must be {rule}; “{found}” is not one", self.key()),
        };
        Problem::new(ProblemKind::InvalidRequest, detail).field(self.name)
    }
}

impl<T: Numeric> Number<T> {
    /// Checks a number against the bounds.
    ///
    /// # Errors
    ///
    /// A [`Problem`] that names the field and its bounds.
    pub fn check(&self, number: T) -> Result<T, Problem> {
        let lies_within = number.is_finite()
            && number >= self.least
            && self.most.is_none_or(|most| number <= most);
        if lies_within { Ok(number) } else { Err(self.field.rejection(self.rule(), number)) }
    }

    /// Parses a number as people type it.
    ///
    /// # Errors
    ///
    /// A [`Problem`] that names the field and its bounds.
    pub fn parse(&self, text: &str) -> Result<T, Problem> {
        let number = T::read(text.trim());
        self.check(number.ok_or_else(|| self.field.rejection(self.rule(), text))?)
    }

    /// The rule in an error: `a number from 0 to 1`.
    #[must_use]
    pub fn rule(&self) -> String {
        let (kind, least) = (T::KIND, self.least);
        match self.most {
            None => format!("{kind} from {least}"),
            Some(most) => format!("{kind} from {least} to {most}"),
        }
    }
}

/// Integers, whose digits may be grouped by spaces or underscores.
macro_rules! whole {
    ($($number:ty),*) => {$(
        impl Numeric for $number {
            const KIND: &'static str = "a whole number";

            fn read(text: &str) -> Option<Self> {
                let is_digit = |c: &char| !c.is_whitespace() && *c != '_';
                text.chars().filter(is_digit).collect::<String>().parse().ok()
            }

            fn is_finite(self) -> bool {
                true
            }
        }
    )*};
}

whole!(u32, u64);

impl Numeric for f64 {
    const KIND: &'static str = "a number";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn is_finite(self) -> bool {
        self.is_finite()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELD: Field =
        Field { name: "a.part", symbol: None, title: "", hint: "", description: "" };

    #[test]
    fn digits_may_be_grouped() {
        let count = Number { field: FIELD, least: 1_u64, most: None };
        assert_eq!(count.parse(" 10 000_000 "), Ok(10_000_000));
        assert!(count.parse("1e4").is_err());
    }

    #[test]
    fn an_error_names_the_field_the_rule_and_the_value() {
        let part = Number { field: FIELD, least: 0.0, most: Some(1.0) };
        let rejection = part.parse("75").unwrap_err();
        assert_eq!(rejection.field.as_deref(), Some("a.part"));
        assert_eq!(rejection.detail, "part must be a number from 0 to 1; “75” is not one");
        assert_eq!(part.parse(" ").unwrap_err().detail, "part must be a number from 0 to 1");
        assert!(part.parse("NaN").is_err());
        assert!(part.check(f64::NAN).is_err());
        let unbounded = Number { most: None, ..part };
        assert!(unbounded.check(f64::INFINITY).is_err());
        assert_eq!(unbounded.rule(), "a number from 0");
        assert_eq!(part.parse("0.25"), Ok(0.25));
    }
}
