//! What the board shows of jobs and of the pool.

use platform::Description;
use protocol::worker::PoolSnapshot;
use protocol::{JobId, JobSnapshot, Outage, Part, Plan, Problem, TaskId};
use scheduler::JobView;

use super::Driver;
use crate::finishing::Total;

/// The notice on the dashboard while the queue does not answer.
const SILENT_QUEUE: &str = "the queue does not answer: workers get no new tasks until it does, and \
    then jobs continue";
/// How many inputs of a task an error names.
const NAMED_INPUTS: usize = 5;

impl Driver {
    /// The job as pages and the API show it.
    pub(super) fn snapshot(&self, job: JobId) -> Option<JobSnapshot> {
        self.snapshot_of(self.scheduler.job(job)?)
    }

    /// The same, of a job whose state in the scheduler is at hand.
    pub(super) fn snapshot_of(&self, view: JobView) -> Option<JobSnapshot> {
        let known = self.jobs.get(&view.id)?;
        let view = JobView {
            timings: self.time.timings(view.timings),
            outage: view.outage.map(|outage| self.shown(outage)),
            ..view
        };
        Some(known.snapshot(view))
    }

    /// What the total of a running job will be computed from; `None` if the job does not run,
    /// or its number of columns is not known yet.
    pub(super) fn running_total(&self, job: JobId) -> Option<Total> {
        let view = self.scheduler.job(job).filter(|view| !view.phase.is_over())?;
        let columns = view.inputs.columns?;
        self.jobs.get(&job)?.total(job, columns, &view)
    }

    /// The pool as pages and the API show it.
    pub(super) fn pool(&self) -> PoolSnapshot {
        let view = self.scheduler.pool();
        let Description { name: kind, location } = self.effects.parts.pool.description();
        let outages: Vec<Outage> =
            view.outages.into_iter().map(|outage| self.shown(outage)).collect();
        PoolSnapshot {
            kind,
            location,
            desired: view.desired,
            by_hand: view.by_hand,
            ready: view.ready,
            busy: view.busy,
            min_workers: view.min_workers,
            max_workers: view.max_workers,
            backlog: view.backlog,
            queue: self.queue.clone(),
            workers: self.observed.complete(self.time.workers(view.workers)),
            notice: self.notice(&outages),
            outages,
        }
    }

    /// What an operator should know.
    fn notice(&self, outages: &[Outage]) -> Option<String> {
        let is_silent = self.queue.as_ref().is_some_and(|queue| queue.silent);
        let of_pool = self.notice.clone().or_else(|| self.observed.notice.clone());
        let of_queue = || is_silent.then(|| SILENT_QUEUE.to_owned());
        let of_store = || outages.iter().find(|it| it.part == Part::Store).map(Outage::to_string);
        of_pool.or_else(of_queue).or_else(of_store)
    }

    fn shown(&self, outage: Outage) -> Outage {
        Outage { since: self.time.shown(outage.since), ..outage }
    }

    /// An error with the inputs of the task that has killed workers, if one has.
    pub(super) fn with_killer(&self, job: JobId, mut problem: Problem) -> Problem {
        let killer = self.scheduler.job(job).and_then(|view| view.killer);
        if let Some(inputs) = killer.and_then(|task| self.inputs_of(job, task)) {
            problem.detail = format!("{}; its inputs are {inputs}", problem.detail);
        }
        problem
    }

    /// The inputs of a task as text for an error: the first few, and how many more.
    fn inputs_of(&self, job: JobId, task: TaskId) -> Option<String> {
        let names = self.jobs.get(&job)?.inputs_of(job, task)?;
        let (first, rest) = names.split_at(names.len().min(NAMED_INPUTS));
        let first = first.join(", ");
        Some(match rest.len() {
            0 => first,
            more => format!("{first} and {more} more"),
        })
    }

    /// How many tasks a job has.
    pub(super) fn tasks_of(snapshot: &JobSnapshot) -> u64 {
        snapshot.plan.as_ref().map_or(0, Plan::tasks)
    }
}
