//! Missing values where none may be.

use crate::InputError;

/// Checks that no value is missing. They are those of an object from the column `start` on.
///
/// # Errors
///
/// An error that names the first index whose value is NaN.
pub fn check_none_missing(start: u64, values: &[f64]) -> Result<(), InputError> {
    // Nearly always there is none, which vectors tell faster than one by one.
    if !has_missing(values) {
        return Ok(());
    }
    let place = values.iter().position(|value| value.is_nan()).unwrap_or_default();
    let index = start + place as u64;
    let error = InputError {
        column: Some(index),
        ..InputError::new(format!("the value at index {index} is missing (NaN)"))
    };
    Err(error.remedy(
        "add the value, or choose what to do with missing values: \"missing\" is propagate or skip",
    ))
}

/// Whether a value is NaN.
pub(crate) fn has_missing(values: &[f64]) -> bool {
    values.iter().fold(false, |any, value| any | value.is_nan())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_index_is_named() {
        assert_eq!(check_none_missing(7, &[1.0, f64::INFINITY]), Ok(()));
        let error = check_none_missing(7, &[1.0, 2.0, -f64::NAN, f64::NAN]).unwrap_err();
        assert_eq!(error.column, Some(9));
        assert_eq!(error.detail(), "the value at index 9 is missing (NaN)");
    }
}
