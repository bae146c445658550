//! Jobs, tasks and attempts.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use protocol::job::{AttemptCounts, ByteCounts};
use protocol::task::Fault;
use protocol::{JobSnapshot, Phase, TaskId};

/// The upper bounds of the buckets of the durations of attempts, and of the times that they
/// wait in the queue, in seconds.
const ATTEMPTS: [f64; 15] =
    [0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0];
/// The same of jobs.
const JOBS: [f64; 13] =
    [0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 43_200.0, 172_800.0];

/// The label of a figure.
type Label = [(&'static str, &'static str); 1];
/// The labels of an attempt that has ended: the kind of its task, and how it ended.
type Ended = [(&'static str, &'static str); 2];

type Timed<L> = Family<L, Histogram, fn() -> Histogram>;

/// Counts of jobs, tasks and attempts. Clones share them.
#[derive(Clone, Debug)]
pub struct JobMetrics {
    submitted: Counter,
    restored: Counter,
    ended: Family<Label, Counter>,
    durations: Timed<Label>,
    waits: Histogram,
    tasks: Family<Label, Counter>,
    started: Counter,
    attempts: Family<Label, Counter>,
    speculative: Family<Label, Counter>,
    attempt_durations: Timed<Ended>,
    queue_waits: Histogram,
    failures: Family<Label, Counter>,
    retries: Counter,
    leases_lost: Counter,
    queue_retries: Counter,
    bytes: Family<Label, Counter>,
}

/// What has been counted of one job, or is to be counted more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Attempts by outcome.
    pub attempts: AttemptCounts,
    /// Bytes of its attempts.
    pub bytes: ByteCounts,
    /// Tasks that are complete.
    pub tasks: u64,
}

impl Counts {
    /// Moves on to `now`, and returns what has come since. A count that has gone back, such
    /// as that of an attempt which was given up and completed after all, adds nothing
    /// until it has passed where it was.
    pub(crate) fn advance(&mut self, now: &Counts) -> Counts {
        let (mut more, mut now) = (Counts::default(), *now);
        for ((more, seen), now) in more.all().into_iter().zip(self.all()).zip(now.all()) {
            *more = now.saturating_sub(*seen);
            *seen = (*seen).max(*now);
        }
        more
    }

    /// All counts that are exported. What runs now is no count.
    fn all(&mut self) -> [&mut u64; 14] {
        let Counts { attempts, bytes, tasks } = self;
        [
            &mut attempts.started,
            &mut attempts.completed,
            &mut attempts.failed,
            &mut attempts.lost,
            &mut attempts.superseded,
            &mut attempts.stopped,
            &mut attempts.speculative,
            &mut attempts.speculative_won,
            &mut bytes.input_read,
            &mut bytes.partial_read,
            &mut bytes.written,
            &mut bytes.read_twice,
            &mut bytes.reused,
            tasks,
        ]
    }
}

impl JobMetrics {
    /// Counts that `registry` exports.
    pub fn new(registry: &mut Registry) -> JobMetrics {
        let metrics = JobMetrics {
            submitted: Counter::default(),
            restored: Counter::default(),
            ended: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(JOBS)),
            waits: Histogram::new(JOBS),
            tasks: Family::default(),
            started: Counter::default(),
            attempts: Family::default(),
            speculative: Family::default(),
            attempt_durations: Family::new_with_constructor(|| Histogram::new(ATTEMPTS)),
            queue_waits: Histogram::new(ATTEMPTS),
            failures: Family::default(),
            retries: Counter::default(),
            leases_lost: Counter::default(),
            queue_retries: Counter::default(),
            bytes: Family::default(),
        };
        metrics.register(registry);
        // A rate needs a first value, so what may never happen is there from the start.
        for phase in [Phase::Done, Phase::Failed, Phase::Cancelled] {
            drop(metrics.ended.get_or_create(&[("outcome", phase.word())]));
        }
        metrics.more(&Counts::default());
        for fault in [Fault::Input, Fault::Worker, Fault::Store, Fault::Program] {
            drop(metrics.failures.get_or_create(&[("fault", fault_word(fault))]));
        }
        metrics
    }

    fn register(&self, registry: &mut Registry) {
        let help = "Jobs that were submitted";
        registry.register("jobs_submitted", help, self.submitted.clone());
        let help = "Planned jobs of an earlier run of the server that continue";
        registry.register("jobs_restored", help, self.restored.clone());
        let help = "Jobs that have ended, by outcome";
        registry.register("jobs_ended", help, self.ended.clone());
        let help = "Times from the submission of a job to its end, by outcome";
        registry.register("job_duration_seconds", help, self.durations.clone());
        let help = "Times from the submission of a job until its tasks can be assigned";
        registry.register("job_wait_seconds", help, self.waits.clone());
        let help = "Tasks by outcome: completed, found complete in the store after a restart, \
                    abandoned because their job ended";
        registry.register("tasks", help, self.tasks.clone());
        let help = "Attempts that workers have started";
        registry.register("attempts_started", help, self.started.clone());
        let help = "Attempts that have ended, by outcome";
        registry.register("attempts_ended", help, self.attempts.clone());
        let help = "Speculative attempts by event: started, or completed before the straggler";
        registry.register("speculative_attempts", help, self.speculative.clone());
        let help = "Durations of attempts, by kind of task and outcome";
        registry.register("attempt_duration_seconds", help, self.attempt_durations.clone());
        let help = "Times from publishing an attempt until a worker starts it";
        registry.register("attempt_queue_wait_seconds", help, self.queue_waits.clone());
        let help = "Attempts that ended with an error, by what was at fault";
        registry.register("attempt_failures", help, self.failures.clone());
        let help = "Attempts that were published because an earlier one did not complete";
        registry.register("task_retries", help, self.retries.clone());
        let help = "Attempts whose lease expired, as when their worker dies";
        registry.register("leases_lost", help, self.leases_lost.clone());
        let help = "Assignments whose publication failed and was tried again";
        registry.register("queue_retries", help, self.queue_retries.clone());
        let help = "Bytes of attempts: read from inputs and partial sums, written, read more \
                    than once, reused instead of computed";
        registry.register("attempt_bytes", help, self.bytes.clone());
    }

    pub(crate) fn job_submitted(&self) {
        self.submitted.inc();
    }

    /// Counts a job of an earlier run, of which so many tasks are complete in the store.
    pub(crate) fn job_restored(&self, found: u64) {
        self.restored.inc();
        self.tasks_found(found);
    }

    /// Counts tasks that are complete in the store when a job continues.
    pub(crate) fn tasks_found(&self, found: u64) {
        self.tasks.get_or_create(&[("outcome", "found")]).inc_by(found);
    }

    /// Counts a job that is over; so many of its tasks are not complete.
    pub(crate) fn job_ended(&self, job: &JobSnapshot, abandoned: u64) {
        let outcome = [("outcome", job.phase.word())];
        self.ended.get_or_create(&outcome).inc();
        self.tasks.get_or_create(&[("outcome", "abandoned")]).inc_by(abandoned);
        let timings = &job.timings;
        if let Some(ended_at) = timings.ended_at {
            let took_ms = ended_at.millis_since(timings.submitted_at);
            let took = Duration::from_millis(took_ms).as_secs_f64();
            self.durations.get_or_create(&outcome).observe(took);
        }
        if let Some(running_at) = timings.running_at {
            let waited_ms = running_at.millis_since(timings.submitted_at);
            self.waits.observe(Duration::from_millis(waited_ms).as_secs_f64());
        }
    }

    /// Adds to the counts of attempts, bytes and tasks.
    pub(crate) fn more(&self, more: &Counts) {
        let Counts { attempts, bytes, tasks } = more;
        self.started.inc_by(attempts.started);
        self.leases_lost.inc_by(attempts.lost);
        let add = |family: &Family<Label, Counter>, key, counts: &[(&'static str, u64)]| {
            for (label, count) in counts {
                family.get_or_create(&[(key, *label)]).inc_by(*count);
            }
        };
        add(&self.tasks, "outcome", &[("completed", *tasks), ("found", 0), ("abandoned", 0)]);
        let ended = [
            ("completed", attempts.completed),
            ("failed", attempts.failed),
            ("lost", attempts.lost),
            ("superseded", attempts.superseded),
            ("stopped", attempts.stopped),
        ];
        add(&self.attempts, "outcome", &ended);
        let speculative = [("started", attempts.speculative), ("won", attempts.speculative_won)];
        add(&self.speculative, "event", &speculative);
        let bytes = [
            ("input_read", bytes.input_read),
            ("partial_read", bytes.partial_read),
            ("written", bytes.written),
            ("read_twice", bytes.read_twice),
            ("reused", bytes.reused),
        ];
        add(&self.bytes, "kind", &bytes);
    }

    /// All bytes that attempts have read since the server began.
    pub(crate) fn read_bytes(&self) -> u64 {
        let read = ["input_read", "partial_read"];
        read.into_iter().map(|kind| self.bytes.get_or_create(&[("kind", kind)]).get()).sum()
    }

    pub(crate) fn attempt_published(&self, is_retry: bool) {
        self.retries.inc_by(u64::from(is_retry));
    }

    pub(crate) fn attempt_started(&self, waited: Duration) {
        self.queue_waits.observe(waited.as_secs_f64());
    }

    pub(crate) fn attempt_ended(&self, task: TaskId, outcome: &'static str, took: Duration) {
        let kind = if task.level == 0 { "sum" } else { "merge" };
        let labels = [("kind", kind), ("outcome", outcome)];
        self.attempt_durations.get_or_create(&labels).observe(took.as_secs_f64());
    }

    pub(crate) fn attempt_failed(&self, fault: Fault) {
        self.failures.get_or_create(&[("fault", fault_word(fault))]).inc();
    }

    pub(crate) fn publication_retried(&self) {
        self.queue_retries.inc();
    }
}

const fn fault_word(fault: Fault) -> &'static str {
    match fault {
        Fault::Input => "input",
        Fault::Worker => "worker",
        Fault::Store => "store",
        Fault::Program => "program",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_that_goes_back_is_not_counted_twice() {
        let at = |lost, completed| Counts {
            attempts: AttemptCounts { lost, completed, ..AttemptCounts::default() },
            ..Counts::default()
        };
        let mut seen = Counts::default();
        assert_eq!(seen.advance(&at(2, 1)), at(2, 1));
        // One that was lost has completed after all.
        assert_eq!(seen.advance(&at(1, 2)), at(0, 1));
        assert_eq!(seen.advance(&at(2, 2)), at(0, 0));
        assert_eq!(seen.advance(&at(3, 2)), at(1, 0));
    }
}
