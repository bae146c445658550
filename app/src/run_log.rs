//! What happened to a job, in words.

use protocol::detail::AttemptState;
use protocol::timeline::{TimedAttempt, Timeline};
use protocol::{Inputs, JobSnapshot, Phase, Timestamp};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// What it concerns.
    pub kind: Kind,
    /// What happened.
    pub words: String,
}

/// What an entry concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The job as a whole.
    Job,
    /// Speculative attempts, and what became of the attempts beside them.
    Speculation,
    /// Attempts that failed, were lost or stopped, and those that tried again.
    Attempt,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 3] = [Kind::Job, Kind::Speculation, Kind::Attempt];

    /// The name of the kind, shown and used in addresses.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Job => "job",
            Kind::Speculation => "speculation",
            Kind::Attempt => "attempts",
        }
    }

    /// The kind of a name.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// What happened to a job, oldest first. Attempts that completed their task, each the only
/// one, are left out: the picture of the run shows them.
#[must_use]
pub fn entries(job: &JobSnapshot, timeline: Option<&Timeline>) -> Vec<Entry> {
    let mut entries = of_job(job);
    let lanes = timeline.iter().flat_map(|timeline| &timeline.lanes);
    for it in lanes.flat_map(|lane| &lane.attempts) {
        of_attempt(it, &mut entries);
    }
    // Stable: at the same time, what concerns the job comes first.
    entries.sort_by_key(|entry| entry.at);
    entries
}

fn of_job(job: &JobSnapshot) -> Vec<Entry> {
    let timings = &job.timings;
    let ended = match (job.phase, &job.error) {
        (Phase::Failed, Some(error)) => format!("The job failed: {error}"),
        (phase, _) => format!("The job is {}.", phase.word()),
    };
    let submitted = match &job.request.inputs {
        Inputs::Generate(_) => "The job was submitted; its files are generated.",
        Inputs::Prefix(_) | Inputs::Manifest(_) | Inputs::Objects(_) | Inputs::Shortened(_) => {
            "The job was submitted; its files are listed."
        }
    };
    let times = [
        (Some(timings.submitted_at), submitted.to_owned()),
        (timings.planning_at, "The sum tree is planned.".to_owned()),
        (timings.running_at, "Workers compute the tasks.".to_owned()),
        (timings.finishing_at, "The total is divided, and the result written.".to_owned()),
        (timings.ended_at, ended),
    ];
    let entry = |at, words| Entry { at, kind: Kind::Job, words };
    let phases = times.into_iter().filter_map(|(at, words)| Some(entry(at?, words)));
    let restarted = |at| entry(at, "The server had restarted; the job goes on.".to_owned());
    phases.chain(job.restarts.iter().map(|restart| restarted(restart.at))).collect()
}

/// The beginning and the end of an attempt, as far as they are worth telling.
fn of_attempt(it: &TimedAttempt, entries: &mut Vec<Entry>) {
    let attempt = &it.attempt;
    let task = it.task;
    let worker = attempt.worker.as_ref().map_or("a worker", |worker| worker.as_str());
    let mut add = |at: Option<Timestamp>, kind: Kind, words: String| {
        entries.extend(at.map(|at| Entry { at, kind, words }));
    };
    if attempt.speculative {
        let beside =
            it.beside.map_or_else(String::new, |number| format!(" beside attempt {number}"));
        let words = format!("{worker} began a speculative attempt at task {task}{beside}.");
        add(attempt.started_at, Kind::Speculation, words);
    } else if attempt.number > 1 {
        let words = format!("{worker} began attempt {} at task {task}.", attempt.number);
        add(attempt.started_at, Kind::Attempt, words);
    }
    let why = attempt.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    let (kind, words) = match attempt.state {
        AttemptState::Completed if attempt.speculative => (
            Kind::Speculation,
            format!("The speculative attempt of {worker} completed task {task}."),
        ),
        AttemptState::Superseded => {
            (Kind::Speculation, format!("The attempt of {worker} at task {task} was superseded."))
        }
        AttemptState::Failed => (Kind::Attempt, format!("{worker} failed at task {task}{why}.")),
        AttemptState::Lost => {
            (Kind::Attempt, format!("The attempt of {worker} at task {task} was lost{why}."))
        }
        AttemptState::Stopped => {
            (Kind::Attempt, format!("The attempt of {worker} at task {task} was stopped{why}."))
        }
        AttemptState::Published | AttemptState::Running | AttemptState::Completed => return,
    };
    add(attempt.ended_at, kind, words);
}

#[cfg(test)]
mod tests {
    use protocol::detail::AttemptSnapshot;
    use protocol::timeline::Lane;
    use protocol::{JobId, JobRequest, TaskId, WorkerId};

    use super::*;

    const fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn attempt(number: u32, state: AttemptState, started: u64) -> TimedAttempt {
        let attempt = AttemptSnapshot {
            number,
            speculative: false,
            state,
            worker: Some(WorkerId::from(format!("w{number}"))),
            published_at: at(started),
            started_at: Some(at(started)),
            ended_at: Some(at(started + 10)),
            fraction: 1.0,
            segments_written: 0,
            segments_reused: 0,
            read_bytes: 0,
            written_bytes: 0,
            resident_bytes: 0,
            phases: None,
            left_ms: None,
            reason: None,
        };
        TimedAttempt { task: TaskId { level: 0, node: 7, range: 0 }, beside: None, attempt }
    }

    #[test]
    fn what_happened_is_told_in_order_and_ordinary_attempts_are_left_out() {
        let request = JobRequest::new(Inputs::Prefix("in/".to_owned()));
        let mut job = JobSnapshot::submitted(JobId::from_parts(at(1), 1), request, 2, at(1));
        job.timings.running_at = Some(at(5));
        let mut lost = attempt(1, AttemptState::Lost, 10);
        lost.attempt.reason = Some("no heartbeat".to_owned());
        let again = attempt(2, AttemptState::Superseded, 30);
        let mut speculative = attempt(3, AttemptState::Completed, 31);
        speculative.attempt.speculative = true;
        speculative.beside = Some(2);
        let ordinary = attempt(1, AttemptState::Completed, 12);
        let attempts = vec![again, ordinary, speculative, lost];
        let lanes = vec![Lane { attempts, ..Lane::default() }];
        let timeline = Timeline { lanes, ..Timeline::default() };
        let told: Vec<_> = entries(&job, Some(&timeline))
            .into_iter()
            .map(|entry| (entry.at.as_millis(), entry.kind.word(), entry.words))
            .collect();
        let expected = [
            (1, "job", "The job was submitted; its files are listed."),
            (5, "job", "Workers compute the tasks."),
            (20, "attempts", "The attempt of w1 at task 0.7.0 was lost: no heartbeat."),
            (30, "attempts", "w2 began attempt 2 at task 0.7.0."),
            (31, "speculation", "w3 began a speculative attempt at task 0.7.0 beside attempt 2."),
            (40, "speculation", "The attempt of w2 at task 0.7.0 was superseded."),
            (41, "speculation", "The speculative attempt of w3 completed task 0.7.0."),
        ];
        assert_eq!(told, expected.map(|(at, kind, words)| (at, kind, words.to_owned())));
        assert_eq!(entries(&job, None).len(), 2);
    }
}
