//! What is known of one worker, of one task, and of the result of a job that runs.

use app::inspection::{LookedAt, PartialResult, TaskHistory, WorkerHistory, WorkerJob};
use futures::{StreamExt, TryStreamExt, stream};
use protocol::detail::{AttemptSnapshot, TaskState};
use protocol::problem::ProblemKind;
use protocol::timeline::{ATTEMPTS_LISTED, TimedAttempt};
use protocol::{JobId, JobSnapshot, Phase, Plan, Problem, TaskId, WorkerId};
use tokio::sync::oneshot;

use super::{Engine, RECORDS_AT_ONCE, stopping};
use crate::driver::DriverMessage;
use crate::finishing::partly::Partly;
use crate::records;
use crate::timeline::beside;

/// How many jobs are looked at for a page of a worker …
const LOOKED_AT: usize = 60;
/// … how many of them at a time …
const LOOKED_AT_ONCE: usize = 20;
/// … and after how many that the worker took part in there is enough to show.
const SHOWN: usize = 20;
/// The most attempts of one job that are kept of a worker.
const ATTEMPTS_KEPT: usize = 100;

impl Engine {
    /// What is known of a worker: its present state, and its attempts in some jobs, in memory
    /// or as their records tell.
    ///
    /// # Errors
    ///
    /// If nothing is known of it, or the store does not answer.
    pub async fn worker_history(
        &self,
        worker: &WorkerId,
        looked_at: LookedAt,
    ) -> Result<WorkerHistory, Problem> {
        let present = self.board().pool().workers.iter().find(|it| it.id == *worker).cloned();
        let is_inside = self.parts.pool.is_inside();
        let before = match looked_at {
            LookedAt::Running => {
                let jobs = self.running_work(worker).await?;
                let worker = worker.clone();
                return Ok(WorkerHistory { worker, present, is_inside, jobs, cursor: None });
            }
            LookedAt::Latest(before) => before,
        };
        let mut jobs = Vec::new();
        let mut cursor = before;
        for _ in 0..LOOKED_AT / LOOKED_AT_ONCE {
            let page = self.jobs(cursor, LOOKED_AT_ONCE).await?;
            let looked_at = page.jobs.into_iter().map(|job| self.work_in(job, worker));
            let found = stream::iter(looked_at).buffered(RECORDS_AT_ONCE);
            let found: Vec<Option<WorkerJob>> = found.try_collect().await?;
            jobs.extend(found.into_iter().flatten());
            cursor = page.cursor;
            if cursor.is_none() || jobs.len() >= SHOWN {
                break;
            }
        }
        if present.is_none() && jobs.is_empty() && before.is_none() {
            return Err(no_such_worker(worker, cursor));
        }
        Ok(WorkerHistory { worker: worker.clone(), present, is_inside, jobs, cursor })
    }

    /// What a worker has done in the newest jobs that are not over.
    async fn running_work(&self, worker: &WorkerId) -> Result<Vec<WorkerJob>, Problem> {
        let mut running = Vec::new();
        self.board().visit(&mut |job| {
            if !job.phase.is_over() && running.len() < LOOKED_AT_ONCE {
                running.push(job.clone());
            }
        });
        let looked_at = running.into_iter().map(|job| self.work_in(job, worker));
        let found: Vec<Option<WorkerJob>> =
            stream::iter(looked_at).buffered(RECORDS_AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// What a worker did in a job; `None` if nothing is known of it.
    async fn work_in(
        &self,
        job: JobSnapshot,
        worker: &WorkerId,
    ) -> Result<Option<WorkerJob>, Problem> {
        let timeline = match self.timeline(job.id, None, ATTEMPTS_LISTED).await {
            Ok(timeline) => timeline,
            // It was deleted meanwhile, or its attempts were not recorded.
            Err(problem) if problem.kind == ProblemKind::NotFound => return Ok(None),
            Err(problem) => return Err(problem),
        };
        let lanes = timeline.lanes.into_iter();
        let lane = lanes.into_iter().find(|lane| lane.worker.as_ref() == Some(worker));
        Ok(lane.map(|mut lane| {
            let surplus = lane.attempts.len().saturating_sub(ATTEMPTS_KEPT);
            lane.attempts.drain(..surplus);
            WorkerJob { job, lane, end: timeline.job_end }
        }))
    }

    /// What is known of a task: all its attempts, or those that the records of its job list.
    ///
    /// # Errors
    ///
    /// If there is no such job or task, the job is not planned, or the store does not
    /// answer.
    pub async fn task_history(&self, job: JobId, task: TaskId) -> Result<TaskHistory, Problem> {
        let snapshot = self.job(job).await?;
        let Some(plan) = &snapshot.plan else {
            return Err(Problem::new(ProblemKind::NotFound, "the job has no tasks yet")
                .remedy("wait until it is planned; a job that failed before has none"));
        };
        let index = plan.task_index(task).ok_or_else(|| no_such_task(task, plan))?;
        let end = snapshot.timings.ended_at.unwrap_or_else(program::clock::now);
        match self.tasks(job, task.level, index, 1).await {
            Ok(page) => {
                let found = page.tasks.into_iter().find(|found| found.id == task);
                if let Some(found) = found {
                    let timed = |attempt: &AttemptSnapshot| TimedAttempt {
                        task,
                        beside: beside(&found.attempts, attempt),
                        attempt: attempt.clone(),
                    };
                    let attempts = found.attempts.iter().map(timed).collect();
                    let state = Some(found.state);
                    return Ok(TaskHistory { task, state, attempts, is_whole: true, end });
                }
            }
            // The job has left memory.
            Err(problem) if problem.kind == ProblemKind::NotFound => {}
            Err(problem) => return Err(problem),
        }
        let recorded = records::timeline(&**self.store(), job).await?;
        let is_whole =
            recorded.as_ref().is_some_and(|it| !it.is_shortened() && it.known_from.is_none());
        let lanes = recorded.into_iter().flat_map(|timeline| timeline.lanes);
        let mut attempts: Vec<TimedAttempt> =
            lanes.flat_map(|lane| lane.attempts).filter(|it| it.task == task).collect();
        attempts.sort_by_key(|it| it.attempt.number);
        let state = (snapshot.phase == Phase::Done).then_some(TaskState::Complete);
        Ok(TaskHistory { task, state, attempts, is_whole, end })
    }
}

impl Engine {
    /// The mean of a running job as far as its final segments are stored; `None` if there is
    /// none yet, or the job does not run.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn partial_result(&self, job: JobId) -> Result<Option<PartialResult>, Problem> {
        // One look at a time, whoever asks.
        let mut known = self.partly_known.lock().await;
        let (reply, replied) = oneshot::channel();
        self.send(DriverMessage::TotalRequested { job, reply }).await?;
        let Some(total) = replied.await.map_err(|_| stopping())? else {
            return Ok(None);
        };
        let found = known.look(self.store(), &total).await?;
        Ok(found.map(|Partly { envelope, image, stored, segments }| PartialResult {
            envelope,
            image,
            stored,
            segments,
        }))
    }
}

fn no_such_worker(worker: &WorkerId, earlier: Option<JobId>) -> Problem {
    let looked_at = match earlier {
        Some(_) => "and took part in none of the latest jobs",
        None => "and took part in no job whose attempts are recorded",
    };
    let detail = format!("there is no worker {:?} now, {looked_at}", worker.as_str());
    Problem::new(ProblemKind::NotFound, detail)
        .remedy("choose one on the overview, or in the Run tab of a job that it worked on")
}

fn no_such_task(task: TaskId, plan: &Plan) -> Problem {
    let detail = match plan.levels.get(usize::from(task.level)) {
        None => format!(
            "the job has no task {task}: the last level of its sum tree is {}",
            plan.root_level()
        ),
        Some(level) => format!(
            "the job has no task {task}: level {} has the nodes 0 to {} with the ranges 0 to {}",
            task.level,
            level.nodes.saturating_sub(1),
            level.ranges.saturating_sub(1)
        ),
    };
    Problem::new(ProblemKind::NotFound, detail).remedy("choose one in the Tasks tab of the job")
}
