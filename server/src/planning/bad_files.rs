//! The error of several files, each of which is wrong in its own way.

use protocol::Problem;

/// How many files an error tells of.
const TOLD: usize = 5;

/// What was found, or the first error with those of the same kind in its detail: whoever
/// mends one file wants to know the others.
///
/// # Errors
///
/// If one of the results is an error.
pub(super) fn all<T>(results: Vec<Result<T, Problem>>) -> Result<Vec<T>, Problem> {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(it) => found.push(it),
            Err(problem) => problems.push(problem),
        }
    }
    let mut problems = problems.into_iter();
    let Some(first) = problems.next() else {
        return Ok(found);
    };
    // Others, such as that the store does not answer, say nothing of the files.
    let alike: Vec<String> = problems
        .filter(|other| other.kind == first.kind && first.object.is_some())
        .map(|other| other.detail)
        .collect();
    let mut detail = first.detail.clone();
    for other in alike.iter().take(TOLD - 1) {
        detail = format!("{detail}; {other}");
    }
    let more = (alike.len() + 1).saturating_sub(TOLD);
    if more > 0 {
        let files = if more == 1 { "file is" } else { "files are" };
        detail = format!("{detail}; and {more} more {files} wrong");
    }
    Err(Problem { detail, ..first })
}

#[cfg(test)]
mod tests {
    use protocol::problem::ProblemKind;

    use super::*;

    fn wrong(kind: ProblemKind, name: &str) -> Result<u32, Problem> {
        Err(Problem::new(kind, format!("{name} is wrong")).object(name).remedy("mend it"))
    }

    #[test]
    fn all_wrong_files_are_told_in_one_error() {
        assert_eq!(all(vec![Ok(1), Ok(2)]), Ok(vec![1, 2]));
        let kind = ProblemKind::InvalidInput;
        let problem = all(vec![Ok(1), wrong(kind, "b"), Ok(3), wrong(kind, "d")]).unwrap_err();
        assert_eq!(problem.detail, "b is wrong; d is wrong");
        assert_eq!((problem.object.as_deref(), &*problem.remedy), (Some("b"), "mend it"));
        let many = (0..9).map(|number| wrong(kind, &number.to_string())).collect();
        let told = all(many).unwrap_err().detail;
        assert!(told.ends_with("4 is wrong; and 4 more files are wrong"), "{told}");
        // An error of another kind is another matter.
        let mixed = vec![wrong(kind, "a"), wrong(ProblemKind::Unavailable, "b")];
        assert_eq!(all(mixed).unwrap_err().detail, "a is wrong");
    }
}
