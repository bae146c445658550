//! The pace of a demonstration: how long each task of a paced job lasts.
//!
//! The default job of the dashboard would be over before anybody sees it.

use super::{Field, Inputs};
use crate::problem::ProblemKind;
use crate::{AttemptId, Problem};

/// The field of [`JobRequest::paced`](super::JobRequest::paced).
pub const PACED: Field = Field {
    name: "paced",
    symbol: None,
    title: "Paced",
    hint: "",
    description: "Whether every task lasts for a while on purpose, and one of them much longer \
        than the others, so that a demonstration can be watched",
};

/// The most files of a paced job: each task keeps a worker busy.
pub const PACED_FILES_MAX: u64 = 100;

/// How long a task of level 0 lasts, in milliseconds …
const LEAF_MS: u64 = 800;
/// … a task above …
const MERGE_MS: u64 = 450;
/// … and how many times longer the first attempt at one of the leaf tasks.
const STRAGGLER_TIMES: u64 = 12;
/// The node of that task: the third one, so that the first two have told how long a task
/// takes.
const STRAGGLER_NODE: u32 = 2;

/// How long an attempt of a paced job lasts at least, in milliseconds.
#[must_use]
pub fn pace_ms(attempt: AttemptId) -> u64 {
    let task = attempt.task;
    let is_straggler = (task.level, task.node, task.range) == (0, STRAGGLER_NODE, 0);
    match task.level {
        0 if is_straggler && attempt.number == 1 => LEAF_MS * STRAGGLER_TIMES,
        0 => LEAF_MS,
        _ => MERGE_MS,
    }
}

/// About how long a paced job with these numbers of tasks, of level 0 first, takes with
/// `workers` workers, in milliseconds.
#[must_use]
pub fn paced_duration_ms(tasks: impl Iterator<Item = u64>, workers: u32) -> u64 {
    let workers = u64::from(workers.max(1));
    let each = [LEAF_MS].into_iter().chain(std::iter::repeat(MERGE_MS));
    let levels = tasks.zip(each).map(|(tasks, each_ms)| tasks.div_ceil(workers) * each_ms);
    levels.fold(0, u64::saturating_add)
}

/// Checks that a job may be paced: only a small one of generated data.
///
/// # Errors
///
/// A [`Problem`] that names the field.
pub(super) fn check_paced(inputs: &Inputs) -> Result<(), Problem> {
    if let Inputs::Generate(data) = inputs
        && data.files <= PACED_FILES_MAX
    {
        return Ok(());
    }
    let detail = format!("only jobs of at most {PACED_FILES_MAX} generated files are paced");
    Err(Problem::new(ProblemKind::Unsupported, detail)
        .field(PACED.name)
        .remedy("leave it out: jobs run at full speed"))
}

#[cfg(test)]
mod tests {
    use crate::{JobId, TaskId, Timestamp};

    use super::*;

    #[test]
    fn one_attempt_is_a_straggler() {
        let pace = |level, node, number| {
            let job = JobId::from_parts(Timestamp::default(), 1);
            pace_ms(AttemptId { job, task: TaskId { level, node, range: 0 }, number })
        };
        assert_eq!([pace(0, 1, 1), pace(0, 2, 1), pace(0, 2, 2)], [800, 9_600, 800]);
        assert_eq!([pace(1, 2, 1), pace(2, 0, 1)], [450, 450]);
    }
}
