//! The attempts of a job over time: where each is drawn.
//!
//! Positions along the time are percentages of the span that is drawn, so that the browser
//! can stretch the picture without being told them again; heights are pixels.

pub mod axis;
pub mod charts;
pub mod heat;

use std::collections::BTreeMap;

use protocol::detail::{AttemptSnapshot, AttemptState};
use protocol::timeline::{Lane, TimedAttempt, Timeline};
use protocol::{JobId, TaskId, Timestamp};

/// The height of the time axis above the lanes, in pixels.
pub const AXIS_PX: u32 = 22;
/// The height of a lane in pixels.
pub const LANE_PX: u32 = 24;
/// The height of a block in pixels.
pub const BLOCK_PX: u32 = 16;
/// The distance from the top of a lane to its blocks, in pixels. Above them is drawn for
/// how long each attempt waited in the queue.
pub const BLOCK_TOP_PX: u32 = 5;

/// A span of time along the width of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    start: Timestamp,
    end: Timestamp,
}

impl Scale {
    /// From `start` to `end`.
    #[must_use]
    pub const fn new(start: Timestamp, end: Timestamp) -> Scale {
        Scale { start, end }
    }

    /// The position of a time, 0 to 100. Times outside are at the nearer end.
    #[must_use]
    pub fn percent(&self, at: Timestamp) -> f64 {
        let whole_ms = self.end.millis_since(self.start).max(1);
        let ms = at.millis_since(self.start).min(whole_ms);
        ms as f64 * 100.0 / whole_ms as f64
    }

    /// The end of the span.
    #[must_use]
    pub const fn end(&self) -> Timestamp {
        self.end
    }

    /// Where a stretch of time begins, and how wide it is.
    #[must_use]
    pub fn stretch(&self, from: Timestamp, to: Timestamp) -> Stretch {
        let x = self.percent(from);
        Stretch { x, width: self.percent(to.max(from)) - x }
    }
}

/// A stretch of time, in percentages of the width.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stretch {
    /// Where it begins.
    pub x: f64,
    /// How wide it is.
    pub width: f64,
}

/// An attempt as it is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// The name of the attempt within its job, as [`attempt_name`] writes it.
    pub name: String,
    /// The distance of its lane from the top of the picture, in pixels.
    pub lane_y: u32,
    /// The time that it ran; the time in the queue if no worker started it.
    pub run: Stretch,
    /// The time in the queue, if a worker started it afterwards.
    pub wait: Option<Stretch>,
    /// How it ended, or that it runs.
    pub state: AttemptState,
    /// Whether it was started beside another attempt.
    pub speculative: bool,
    /// Whether it was in vain: another attempt completed the task.
    pub is_crossed: bool,
    /// Whether it tries a task again.
    pub is_retry: bool,
    /// What it spent its time on, from top to bottom; empty if that is not known.
    pub phases: Vec<PhasePart>,
    /// The vertical line to the attempt beside which it was started.
    pub tie: Option<Tie>,
}

/// The part of a block that stands for a phase: its height is the share of the time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PhasePart {
    /// The name of the phase, used in `data-phase`.
    pub word: &'static str,
    /// The distance from the top of the block, in pixels.
    pub y: f64,
    /// The height in pixels.
    pub height: f64,
}

/// The line from a speculative attempt to the one beside which it was started.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tie {
    /// Where along the time.
    pub x: f64,
    /// The middle of the lane of the speculative attempt, in pixels from the top …
    pub from_y: u32,
    /// … and of the other one.
    pub to_y: u32,
}

/// The name of an attempt within its job: `0.17.3-1`.
#[must_use]
pub fn attempt_name(task: TaskId, number: u32) -> String {
    format!("{task}-{number}")
}

/// The hue of a job's colour, 0 to 359. Jobs that were submitted after each other have very
/// different ones.
#[must_use]
pub fn hue(job: JobId) -> u64 {
    /// The golden angle, in degrees.
    const STEP: u64 = 137;
    let letters = job.to_string();
    let sum = letters
        .bytes()
        .fold(0_u64, |sum, letter| sum.wrapping_mul(31).wrapping_add(u64::from(letter)));
    sum % 360 * STEP % 360
}

/// The distance of a lane from the top of the picture, in pixels.
#[must_use]
pub fn lane_y(lane: usize) -> u32 {
    let lane = u32::try_from(lane).unwrap_or(u32::MAX);
    AXIS_PX.saturating_add(lane.saturating_mul(LANE_PX))
}

/// The attempts that are listed in a timeline, as they are drawn, lane by lane.
#[must_use]
pub fn blocks(timeline: &Timeline) -> Vec<Block> {
    let scale = Scale::new(timeline.start, timeline.end);
    let mut lanes_of = BTreeMap::new();
    for (lane, of_lane) in timeline.lanes.iter().enumerate() {
        for it in &of_lane.attempts {
            lanes_of.insert((it.task, it.attempt.number), lane);
        }
    }
    let of_lane = |(lane, of_lane): (usize, &Lane)| -> Vec<Block> {
        let draw = |it: &TimedAttempt| {
            let block = block(it, lane_y(lane), timeline.job_end, &scale);
            let other = it.beside.and_then(|number| lanes_of.get(&(it.task, number)));
            let middle = |lane: usize| lane_y(lane) + LANE_PX / 2;
            let tie = other.filter(|other| **other != lane).map(|other| Tie {
                x: block.run.x,
                from_y: middle(lane),
                to_y: middle(*other),
            });
            Block { tie, ..block }
        };
        of_lane.attempts.iter().map(draw).collect()
    };
    timeline.lanes.iter().enumerate().flat_map(of_lane).collect()
}

fn block(it: &TimedAttempt, lane_y: u32, now: Timestamp, scale: &Scale) -> Block {
    let attempt = &it.attempt;
    let end = attempt.ended_at.unwrap_or(now);
    let run = scale.stretch(attempt.started_at.unwrap_or(attempt.published_at), end);
    let wait = attempt.started_at.map(|started| scale.stretch(attempt.published_at, started));
    Block {
        name: attempt_name(it.task, attempt.number),
        lane_y,
        run,
        wait,
        state: attempt.state,
        speculative: attempt.speculative,
        is_crossed: attempt.state == AttemptState::Superseded,
        is_retry: attempt.number > 1 && !attempt.speculative,
        phases: phases(attempt, now),
        tie: None,
    }
}

/// The parts of a block by what its time was spent on, as far as that is known.
fn phases(attempt: &AttemptSnapshot, now: Timestamp) -> Vec<PhasePart> {
    let (Some(phases), Some(started)) = (attempt.phases, attempt.started_at) else {
        return Vec::new();
    };
    let spent = [
        ("reading", phases.reading_ms),
        ("computing", phases.computing_ms),
        ("writing", phases.writing_ms),
    ];
    let told: f64 = spent.iter().map(|(_, ms)| f64::from(*ms)).sum();
    let ran = attempt.ended_at.unwrap_or(now).millis_since(started) as f64;
    let whole = told.max(ran);
    let mut y = 0.0;
    let part = |(word, ms): (&'static str, u32)| {
        let height = f64::from(ms) / whole * f64::from(BLOCK_PX);
        let part = PhasePart { word, y, height };
        y += height;
        part
    };
    if whole > 0.0 {
        spent.into_iter().map(part).filter(|it| it.height > 0.0).collect()
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use protocol::WorkerId;
    use protocol::task::PhaseTimes;

    use super::*;

    const fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn attempt(node: u32, number: u32, started: u64, ended: Option<u64>) -> TimedAttempt {
        let attempt = AttemptSnapshot {
            number,
            speculative: false,
            state: AttemptState::Completed,
            worker: Some(WorkerId::from("w")),
            published_at: at(started - 100),
            started_at: Some(at(started)),
            ended_at: ended.map(at),
            fraction: 1.0,
            segments_written: 1,
            segments_reused: 0,
            read_bytes: 0,
            written_bytes: 0,
            resident_bytes: 0,
            phases: None,
            left_ms: None,
            reason: None,
        };
        TimedAttempt { task: TaskId { level: 0, node, range: 0 }, beside: None, attempt }
    }

    fn timeline(lanes: Vec<Vec<TimedAttempt>>) -> Timeline {
        let lane = |attempts: Vec<TimedAttempt>| Lane { attempts, ..Lane::default() };
        Timeline {
            start: at(1_000),
            end: at(11_000),
            job_start: at(1_000),
            job_end: at(11_000),
            lanes: lanes.into_iter().map(lane).collect(),
            ..Timeline::default()
        }
    }

    #[test]
    fn a_block_lies_where_its_attempt_ran() {
        let drawn = blocks(&timeline(vec![
            vec![attempt(0, 1, 2_000, Some(4_500))],
            vec![attempt(1, 1, 6_000, None)],
        ]));
        assert_eq!(drawn[0].run, Stretch { x: 10.0, width: 25.0 });
        assert_eq!(drawn[0].wait, Some(Stretch { x: 9.0, width: 1.0 }));
        assert_eq!(drawn[1].run, Stretch { x: 50.0, width: 50.0 });
        assert_eq!((drawn[0].lane_y, drawn[1].lane_y), (22, 46));
        assert_eq!(drawn[1].name, "0.1.0-1");
        assert_eq!(drawn[0].phases, []);
    }

    #[test]
    fn what_reaches_beyond_the_picture_is_cut() {
        let drawn = blocks(&timeline(vec![vec![attempt(0, 1, 500, Some(20_000))]]));
        assert_eq!(drawn[0].run, Stretch { x: 0.0, width: 100.0 });
        assert_eq!(drawn[0].wait, Some(Stretch { x: 0.0, width: 0.0 }));
    }

    #[test]
    fn a_speculative_attempt_is_tied_to_the_other_and_the_loser_crossed_out() {
        let mut slow = attempt(3, 1, 2_000, Some(8_000));
        slow.attempt.state = AttemptState::Superseded;
        let mut fast = attempt(3, 2, 7_000, Some(8_000));
        fast.attempt.speculative = true;
        fast.beside = Some(1);
        let mut again = attempt(4, 2, 8_000, Some(9_000));
        again.attempt.reason = Some("lost before".to_owned());
        let drawn = blocks(&timeline(vec![vec![fast, again], vec![], vec![slow]]));
        assert_eq!(drawn[0].tie, Some(Tie { x: 60.0, from_y: 34, to_y: 82 }));
        assert_eq!(drawn.iter().map(|it| it.is_crossed).collect::<Vec<_>>(), [false, false, true]);
        assert_eq!(drawn.iter().map(|it| it.is_retry).collect::<Vec<_>>(), [false, true, false]);
    }

    #[test]
    fn heights_are_shares_of_the_time_and_never_more_than_the_block() {
        let heights = |phases: PhaseTimes| -> Vec<f64> {
            let mut it = attempt(0, 1, 2_000, Some(3_000));
            it.attempt.phases = Some(phases);
            let drawn = blocks(&timeline(vec![vec![it]]));
            drawn[0].phases.iter().map(|part| part.height).collect()
        };
        let half = PhaseTimes { reading_ms: 250, computing_ms: 250, writing_ms: 0 };
        assert_eq!(heights(half), [4.0, 4.0], "half of the time is not told");
        let more = PhaseTimes { reading_ms: 1_000, computing_ms: 2_000, writing_ms: 1_000 };
        assert_eq!(heights(more), [4.0, 8.0, 4.0]);
        assert_eq!(heights(PhaseTimes::default()), Vec::<f64>::new());
    }
}
