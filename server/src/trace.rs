//! The attempts of a job as a trace that Perfetto and Chrome open: the Trace Event Format.
//!
//! A thread stands for a worker, a slice for an attempt, an arrow leads from an attempt to
//! the speculative one beside it, and counters tell what all did.

use std::collections::BTreeMap;

use protocol::timeline::{TimedAttempt, Timeline};
use protocol::{JobSnapshot, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// The most attempts in a trace; each takes some 400 bytes.
pub const TRACE_ATTEMPTS: usize = 20_000;

/// The process that stands for the job.
const PROCESS: u64 = 1;
/// The thread of the phases of the job; those of the workers follow.
const PHASES: u64 = 1;

/// A trace.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    trace_events: Vec<Event>,
    display_time_unit: &'static str,
    other_data: Value,
}

/// An event of a trace, in the names of the format.
#[derive(Debug, Default, Serialize)]
struct Event {
    name: String,
    /// What kind it is, by a letter: a slice, a counter, the begin or end of an arrow, or
    /// a name.
    ph: &'static str,
    /// The time since the start of the job in microseconds.
    ts: u64,
    pid: u64,
    tid: u64,
    /// The duration in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cat: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    /// Binds the end of an arrow to the slice around it.
    #[serde(skip_serializing_if = "Option::is_none")]
    bp: Option<&'static str>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    args: Map<String, Value>,
}

/// The trace of a job.
#[must_use]
pub fn trace(job: &JobSnapshot, timeline: &Timeline) -> Trace {
    let clock = Clock { start: timeline.job_start };
    let mut events = vec![named("process_name", PHASES, &format!("Job {}", job.id))];
    events.push(named("thread_name", PHASES, "phases"));
    events.extend(phases(job, timeline.job_end, &clock));
    let mut places = BTreeMap::new();
    for (thread, lane) in (PHASES + 1..).zip(&timeline.lanes) {
        let name = lane.worker.as_ref().map_or("in the queue", |worker| worker.as_str());
        events.push(named("thread_name", thread, name));
        let order = Map::from_iter([("sort_index".to_owned(), json!(thread))]);
        events.push(Event { args: order, ..named("thread_sort_index", thread, "") });
        for it in &lane.attempts {
            places.insert((it.task, it.attempt.number), thread);
            events.push(slice(it, thread, timeline.job_end, &clock));
        }
    }
    let attempts = || timeline.lanes.iter().flat_map(|lane| &lane.attempts);
    for (id, it) in (1..).zip(attempts().filter(|it| it.beside.is_some())) {
        let place = |number| places.get(&(it.task, number)).copied();
        let beside = it.beside.and_then(place);
        if let (Some(from), Some(to)) = (beside, place(it.attempt.number)) {
            events.extend(arrow(it, id, (from, to), &clock));
        }
    }
    events.extend(counters(timeline, &clock));
    let listed = attempts().count() as u64;
    let left_out = timeline.attempts - listed.min(timeline.attempts);
    Trace {
        trace_events: events,
        display_time_unit: "ms",
        other_data: json!({
            "job": job.id,
            "start_ms": timeline.job_start,
            "attempts": timeline.attempts,
            "attempts_left_out": left_out,
        }),
    }
}

/// Times since the start of the job.
struct Clock {
    start: Timestamp,
}

impl Clock {
    fn micros(&self, at: Timestamp) -> u64 {
        at.millis_since(self.start).saturating_mul(1_000)
    }

    fn slice(&self, from: Timestamp, to: Timestamp) -> (u64, Option<u64>) {
        (self.micros(from), Some(to.millis_since(from).saturating_mul(1_000)))
    }
}

fn named(what: &str, thread: u64, name: &str) -> Event {
    let args = Map::from_iter([("name".to_owned(), json!(name))]);
    Event { name: what.to_owned(), ph: "M", pid: PROCESS, tid: thread, args, ..Event::default() }
}

fn phases(job: &JobSnapshot, end: Timestamp, clock: &Clock) -> Vec<Event> {
    let timings = &job.timings;
    let entered = [
        ("listing", Some(timings.submitted_at)),
        ("planning", timings.planning_at),
        ("running", timings.running_at),
        ("finishing", timings.finishing_at),
    ];
    let entered: Vec<_> = entered.into_iter().filter_map(|(name, at)| Some((name, at?))).collect();
    let ends = entered.iter().skip(1).map(|(_, at)| *at).chain([end]);
    let phase = |((name, from), to): (&(&str, Timestamp), Timestamp)| {
        let (ts, dur) = clock.slice(*from, to);
        let name = (*name).to_owned();
        Event { name, ph: "X", ts, dur, pid: PROCESS, tid: PHASES, ..Event::default() }
    };
    entered.iter().zip(ends).map(phase).collect()
}

/// An attempt with all that is known of it.
fn slice(it: &TimedAttempt, thread: u64, now: Timestamp, clock: &Clock) -> Event {
    let attempt = &it.attempt;
    let from = attempt.started_at.unwrap_or(attempt.published_at);
    let (ts, dur) = clock.slice(from, attempt.ended_at.unwrap_or(now));
    let args = match serde_json::to_value(it) {
        Ok(Value::Object(args)) => args,
        // An attempt is an object.
        Ok(_) | Err(_) => Map::new(),
    };
    Event {
        name: format!("{}{}", it.task, if attempt.speculative { " (speculative)" } else { "" }),
        ph: "X",
        ts,
        dur,
        pid: PROCESS,
        tid: thread,
        cat: Some(attempt.state.word()),
        args,
        ..Event::default()
    }
}

/// An arrow from the attempt of a thread to the speculative one of another.
fn arrow(it: &TimedAttempt, id: u64, (from, to): (u64, u64), clock: &Clock) -> [Event; 2] {
    let at = it.attempt.started_at.unwrap_or(it.attempt.published_at);
    let end = |ph, thread, bp| Event {
        name: "speculation".to_owned(),
        ph,
        ts: clock.micros(at),
        pid: PROCESS,
        tid: thread,
        cat: Some("speculation"),
        id: Some(id),
        bp,
        ..Event::default()
    };
    [end("s", from, None), end("f", to, Some("e"))]
}

/// What all attempts did, part by part.
fn counters(timeline: &Timeline, clock: &Clock) -> Vec<Event> {
    let whole_ms = timeline.end.millis_since(timeline.start);
    let parts = timeline.moments.len().max(1) as u64;
    let counter = |(part, moment): (u64, &protocol::timeline::Moment)| {
        let ts = clock.micros(timeline.start.plus_millis(whole_ms * part / parts));
        let of = |name: &str, key: &str, value: f64| {
            let args = Map::from_iter([(key.to_owned(), json!(value))]);
            let name = name.to_owned();
            Event { name, ph: "C", ts, pid: PROCESS, tid: PHASES, args, ..Event::default() }
        };
        [
            of("running", "attempts", moment.running),
            of("queued", "attempts", moment.queued),
            of("throughput", "bytes/s", moment.bytes_per_sec),
            of("memory of a process", "bytes", moment.memory_bytes as f64),
        ]
    };
    (0..).zip(&timeline.moments).flat_map(counter).collect()
}

#[cfg(test)]
mod tests {
    use protocol::detail::{AttemptSnapshot, AttemptState};
    use protocol::timeline::{Lane, Moment};
    use protocol::{Inputs, JobId, JobRequest, TaskId, WorkerId};

    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn attempt(number: u32, worker: &str, beside: Option<u32>) -> TimedAttempt {
        let attempt = AttemptSnapshot {
            number,
            speculative: beside.is_some(),
            state: AttemptState::Completed,
            worker: Some(WorkerId::from(worker)),
            published_at: at(1_100),
            started_at: Some(at(1_200)),
            ended_at: Some(at(1_500)),
            fraction: 1.0,
            segments_written: 1,
            segments_reused: 0,
            read_bytes: 7,
            written_bytes: 3,
            resident_bytes: 0,
            phases: None,
            left_ms: None,
            reason: None,
        };
        TimedAttempt { task: TaskId { level: 0, node: 2, range: 0 }, beside, attempt }
    }

    #[test]
    fn slices_arrows_and_counters_are_those_of_the_records() {
        let request = JobRequest::new(Inputs::Prefix("in/".to_owned()));
        let mut job = JobSnapshot::submitted(JobId::from_parts(at(1), 1), request, 2, at(1_000));
        job.timings.running_at = Some(at(1_050));
        let lane = |it: TimedAttempt| Lane {
            worker: it.attempt.worker.clone(),
            attempts: vec![it],
            ..Lane::default()
        };
        let timeline = Timeline {
            start: at(1_000),
            end: at(2_000),
            job_start: at(1_000),
            job_end: at(2_000),
            attempts: 3,
            lanes: vec![lane(attempt(1, "slow", None)), lane(attempt(2, "fast", Some(1)))],
            moments: vec![Moment::default(), Moment { running: 2.0, ..Moment::default() }],
            memory_bound_bytes: None,
            ..Timeline::default()
        };
        let trace = serde_json::to_value(trace(&job, &timeline)).unwrap();
        let events = trace["traceEvents"].as_array().unwrap();
        let of = |ph: &str| events.iter().filter(|it| it["ph"] == ph).collect::<Vec<_>>();
        let slices: Vec<_> = of("X")
            .iter()
            .map(|it| (it["name"].clone(), it["tid"].clone(), it["ts"].clone(), it["dur"].clone()))
            .collect();
        assert_eq!(
            slices,
            [
                (json!("listing"), json!(1), json!(0), json!(50_000)),
                (json!("running"), json!(1), json!(50_000), json!(950_000)),
                (json!("0.2.0"), json!(2), json!(200_000), json!(300_000)),
                (json!("0.2.0 (speculative)"), json!(3), json!(200_000), json!(300_000)),
            ]
        );
        let arrows = [of("s"), of("f")].concat();
        let arrows: Vec<_> =
            arrows.iter().map(|it| (it["tid"].clone(), it["id"].clone())).collect();
        assert_eq!(arrows, [(json!(2), json!(1)), (json!(3), json!(1))]);
        // Four at each of two moments.
        assert_eq!(of("C").len(), 8);
        assert_eq!(of("C")[4]["args"]["attempts"], 2.0);
        assert_eq!(of("X")[2]["args"]["read_bytes"], 7);
        assert_eq!(trace["otherData"]["attempts_left_out"], 1);
        let threads = of("M").iter().filter(|it| it["name"] == "thread_name").count();
        assert_eq!(threads, 3);
    }
}
