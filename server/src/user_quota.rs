//! The quota of users: how many jobs of one user may run or wait at the same time, so that
//! nobody fills the queue of all.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use protocol::problem::ProblemKind;
use protocol::{JobId, Problem};

use crate::board::Board;

/// How many jobs of one user may run or wait.
#[derive(Clone, Debug)]
pub struct UserQuota {
    /// `None` for any number.
    most: Option<usize>,
    /// Jobs that have been counted and are not on the board yet, with their users.
    entering: Arc<Mutex<HashMap<JobId, String>>>,
}

/// A job that counts although it is not on the board yet, until this is dropped.
#[derive(Debug)]
pub struct Entering {
    job: JobId,
    entering: Arc<Mutex<HashMap<JobId, String>>>,
}

impl UserQuota {
    /// A quota of `most` jobs; `None` for any number.
    #[must_use]
    pub fn new(most: Option<usize>) -> UserQuota {
        UserQuota { most, entering: Arc::default() }
    }

    /// Counts a job that is about to appear on the board as one that is not over. Jobs
    /// without a user do not count.
    ///
    /// # Errors
    ///
    /// [`ProblemKind::TooManyRequests`] if the user has as many jobs already.
    pub fn enter(
        &self,
        board: &Board,
        job: JobId,
        user: Option<&str>,
    ) -> Result<Option<Entering>, Problem> {
        let (Some(most), Some(user)) = (self.most, user) else {
            return Ok(None);
        };
        let mut entering = self.entering.lock().unwrap_or_else(PoisonError::into_inner);
        let of_user = entering.iter().filter(|(_, other)| *other == user);
        // One that has appeared meanwhile is in both.
        let mut jobs: HashSet<JobId> = of_user.map(|(id, _)| *id).collect();
        board.visit(&mut |other| {
            if !other.phase.is_over() && other.submitted_by.as_deref() == Some(user) {
                jobs.insert(other.id);
            }
        });
        if jobs.len() >= most {
            let detail = format!(
                "“{user}” has {} of at most {most} jobs that run or wait (--max-jobs-per-user)",
                jobs.len()
            );
            return Err(Problem::new(ProblemKind::TooManyRequests, detail)
                .remedy("submit the job again once one of them is over, or cancel one"));
        }
        entering.insert(job, user.to_owned());
        Ok(Some(Entering { job, entering: self.entering.clone() }))
    }
}

impl Drop for Entering {
    fn drop(&mut self) {
        self.entering.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.job);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_count_for_their_user_from_the_moment_they_enter() {
        let board = Board::new(0, 10);
        let quota = UserQuota::new(Some(2));
        let [a, b, c] =
            [1, 2, 3].map(|at| JobId::from_parts(protocol::Timestamp::from_millis(at), 0));
        let enter = |job, user| quota.enter(&board, job, user);
        let first = enter(a, Some("ada")).unwrap();
        let _second = enter(b, Some("ada")).unwrap();
        let refused = enter(c, Some("ada")).unwrap_err();
        assert_eq!(refused.kind, ProblemKind::TooManyRequests);
        assert!(refused.detail.contains("“ada” has 2 of at most 2 jobs"), "{}", refused.detail);
        // Others, and callers without a name, have nothing to do with it.
        assert!(enter(c, Some("grace")).unwrap().is_some());
        assert!(enter(c, None).unwrap().is_none());
        drop(first);
        assert!(enter(c, Some("ada")).is_ok(), "one was not submitted after all");
    }
}
