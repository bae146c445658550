//! Which named parts of an object are wanted.

use crate::InputError;

/// How many names an error lists at most.
const NAMES_LISTED: usize = 20;

/// The indices of the parts that a selection names, in the order of the parts. Entries are
/// names, numbers from 1, or patterns; those that begin with `!` leave parts out. A
/// selection that only leaves out selects all others, and an empty one everything.
///
/// # Errors
///
/// If an entry names nothing; `what` is the word for a part.
pub(super) fn select(
    names: &[String],
    selection: &[String],
    what: &str,
) -> Result<Vec<usize>, InputError> {
    let (excluding, including): (Vec<&String>, Vec<&String>) =
        selection.iter().partition(|entry| entry.starts_with('!'));
    let mut is_selected = vec![including.is_empty(); names.len()];
    for entry in including {
        for index in find(names, entry, what)? {
            is_selected[index] = true;
        }
    }
    for entry in excluding {
        for index in find(names, &entry[1..], what)? {
            is_selected[index] = false;
        }
    }
    Ok((0..names.len()).filter(|&index| is_selected[index]).collect())
}

/// The indices of the parts that an entry names: by name, by pattern or by number, the first
/// of these that finds any.
pub(super) fn find(names: &[String], entry: &str, what: &str) -> Result<Vec<usize>, InputError> {
    let those = |is_one: &dyn Fn(&str) -> bool| -> Vec<usize> {
        (0..names.len()).filter(|&index| is_one(&names[index])).collect()
    };
    let mut found = those(&|name| name == entry);
    if found.is_empty() && entry.contains(['*', '?']) {
        found = those(&|name| matches(entry.as_bytes(), name.as_bytes()));
    }
    if found.is_empty()
        && let Ok(number) = entry.parse::<usize>()
        && (1..=names.len()).contains(&number)
    {
        found.push(number - 1);
    }
    if found.is_empty() {
        let error = InputError::new(format!("has no {what} {entry:?}; it has {}", list(names)));
        return Err(error.remedy(format!("select a {what} that all files have")));
    }
    Ok(found)
}

/// Whether a pattern matches a name: `*` stands for any characters, `?` for one byte.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    // Where to go on if what follows the last * does not match here.
    let mut again: Option<(usize, usize)> = None;
    let (mut p, mut n) = (0, 0);
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                again = Some((p + 1, n));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((after, from)) = again else {
                    return false;
                };
                (p, n) = (after, from + 1);
                again = Some((after, n));
            }
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

/// The first names, quoted.
pub(super) fn list(names: &[String]) -> String {
    let quoted: Vec<String> =
        names.iter().take(NAMES_LISTED).map(|name| format!("{name:?}")).collect();
    let mut text = quoted.join(", ");
    if names.len() > NAMES_LISTED {
        text.push_str(&format!(" and {} more", names.len() - NAMES_LISTED));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(selection: &[&str]) -> Result<Vec<usize>, InputError> {
        let names = ["station", "temp_min", "temp_max", "1990", ""].map(str::to_owned);
        let selection: Vec<String> = selection.iter().map(|&entry| entry.to_owned()).collect();
        select(&names, &selection, "column")
    }

    #[test]
    fn parts_are_named_by_name_pattern_or_number() {
        assert_eq!(selected(&[]), Ok(vec![0, 1, 2, 3, 4]));
        assert_eq!(selected(&["temp_max", "station"]), Ok(vec![0, 2]), "in the order of the parts");
        assert_eq!(selected(&["temp*"]), Ok(vec![1, 2]));
        assert_eq!(selected(&["?emp*m?n", "*9*0*"]), Ok(vec![1, 3]));
        assert_eq!(selected(&["1", "5"]), Ok(vec![0, 4]));
        assert_eq!(selected(&["1990"]), Ok(vec![3]), "a name wins over a number");
        assert_eq!(selected(&["!station", "!5"]), Ok(vec![1, 2, 3]));
        assert_eq!(selected(&["temp*", "!*min"]), Ok(vec![2]));
    }

    #[test]
    fn an_entry_that_names_nothing_is_an_error_that_lists_the_names() {
        for entry in ["temp", "0", "6", "!rain", "rain*"] {
            let error = selected(&[entry]).unwrap_err();
            assert!(error.detail().contains(entry.trim_start_matches('!')), "{error}");
            assert!(error.detail().contains("\"temp_min\""), "{error}");
        }
    }

    #[test]
    fn patterns_match_in_any_split() {
        for (pattern, name, is_one) in [
            ("*", "", true),
            ("a*b*c", "axxbxbc", true),
            ("a*b*c", "axxbxb", false),
            ("**a", "aaa", true),
            ("?", "", false),
            ("*ab", "aab", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), is_one, "{pattern} {name}");
        }
    }
}
