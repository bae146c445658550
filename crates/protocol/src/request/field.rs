//! A field of a request: what it is called, and which numbers it takes.

use std::fmt::Display;

use crate::Problem;
use crate::problem::ProblemKind;

/// What one field of a request is called, wherever it is shown or named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Where it stands in a request, as errors name it: `inputs.generate.files`.
    pub name: &'static str,
    /// The letter that stands for it in documents and pictures.
    pub symbol: Option<&'static str>,
    /// Its label on the page: two or three words.
    pub title: &'static str,
    /// A few words under the label; empty if the title is enough.
    pub hint: &'static str,
    /// One sentence without a full stop, for the help of the command line and
    /// the description of the JSON API.
    pub description: &'static str,
}

/// A field that holds a number, and its bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number<T> {
    /// What it is called.
    pub field: Field,
    /// The least number that it takes.
    pub least: T,
    /// The greatest number that it takes, if there is a bound.
    pub most: Option<T>,
}

/// What a [`Number`] can hold.
pub trait Numeric: Copy + PartialOrd + Display {
    /// What such a number is called in a sentence.
    const KIND: &'static str;

    /// Reads a number as a person types it; `None` if the text is not one.
    fn read(text: &str) -> Option<Self>;

    /// Whether it is neither infinite nor NaN.
    fn is_finite(self) -> bool;
}

impl Field {
    /// The last word of its name, which names it in the form and its query.
    #[must_use]
    pub fn key(&self) -> &'static str {
        self.name.rsplit('.').next().unwrap_or(self.name)
    }

    /// What is wrong with a value of this field that does not follow its rule,
    /// such as `a whole number from 1`. An empty `found` says only the rule.
    #[must_use]
    pub fn refusal(&self, rule: impl Display, found: impl Display) -> Problem {
        let found = found.to_string();
        let detail = match found.trim() {
            "" => format!("{} must be {rule}", self.key()),
            found => format!("{} must be {rule}; “{found}” is not one", self.key()),
        };
        Problem::new(ProblemKind::InvalidRequest, detail).field(self.name)
    }
}

impl<T: Numeric> Number<T> {
    /// The number, if it lies within the bounds.
    ///
    /// # Errors
    ///
    /// A problem that names the field and its bounds.
    pub fn check(&self, number: T) -> Result<T, Problem> {
        let lies_within = number.is_finite()
            && number >= self.least
            && self.most.is_none_or(|most| number <= most);
        if lies_within { Ok(number) } else { Err(self.field.refusal(self.rule(), number)) }
    }

    /// Reads a number as a person types it.
    ///
    /// # Errors
    ///
    /// A problem that names the field and its bounds.
    pub fn parse(&self, text: &str) -> Result<T, Problem> {
        let number = T::read(text.trim());
        self.check(number.ok_or_else(|| self.field.refusal(self.rule(), text))?)
    }

    /// What the field takes, in words: `a number from 0 to 1`.
    #[must_use]
    pub fn rule(&self) -> String {
        let (kind, least) = (T::KIND, self.least);
        match self.most {
            None => format!("{kind} from {least}"),
            Some(most) => format!("{kind} from {least} to {most}"),
        }
    }
}

/// Whole numbers, whose digits may be grouped by spaces or underscores.
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
    fn a_refusal_names_the_field_the_rule_and_what_was_found() {
        let part = Number { field: FIELD, least: 0.0, most: Some(1.0) };
        let refusal = part.parse("75").unwrap_err();
        assert_eq!(refusal.field.as_deref(), Some("a.part"));
        assert_eq!(refusal.detail, "part must be a number from 0 to 1; “75” is not one");
        assert_eq!(part.parse(" ").unwrap_err().detail, "part must be a number from 0 to 1");
        assert!(part.parse("NaN").is_err());
        assert!(part.check(f64::NAN).is_err());
        let unbounded = Number { most: None, ..part };
        assert!(unbounded.check(f64::INFINITY).is_err());
        assert_eq!(unbounded.rule(), "a number from 0");
        assert_eq!(part.parse("0.25"), Ok(0.25));
    }
}
