//! The states of all tasks of a job, as pages draw them.

use protocol::JobId;
use protocol::detail::AttemptState;
use protocol::states::{DrawnState, LevelStates};

use super::Scheduler;

impl Scheduler {
    /// The states of the tasks of a job, level by level; `None` if the job is unknown, and
    /// empty before it is planned. Copies two bits a task, and visits the live attempts.
    ///
    /// They agree with [`LevelProgress`](protocol::job::LevelProgress): a task is
    /// speculative if a speculative attempt runs, running if another one does.
    #[must_use]
    pub fn task_states(&self, id: JobId) -> Option<Vec<LevelStates>> {
        let job = self.jobs.get(&id)?;
        let mut levels: Vec<LevelStates> =
            job.levels.iter().map(|level| level.drawn.clone()).collect();
        for &(key, number) in &job.live {
            let mut live = job.task(key).live();
            let attempt = live.find(|attempt| attempt.number == number);
            let Some(attempt) = attempt.filter(|it| it.state == AttemptState::Running) else {
                continue;
            };
            let level = &mut levels[usize::from(key.level)];
            let index = u64::from(key.index);
            if attempt.speculative {
                level.set(index, DrawnState::Speculative);
            } else if level.get(index) == DrawnState::Waiting {
                level.set(index, DrawnState::Running);
            }
        }
        Some(levels)
    }
}
