//! The picture of a job's attempts over time.

use leptos::prelude::*;
use protocol::job::{Restart, Timings};
use protocol::timeline::{Moment, TimedAttempt, Timeline};
use protocol::{JobId, Timestamp};

use crate::format::{attempt_words, bytes, percent as percent_of, rate};
use crate::islands::job::RUN_AXIS;
use crate::islands::parts::RUN_SCROLL;
use crate::paths::{JobTab, worker_path};
use crate::picture::run::axis::{axis_svg, time_marks};
use crate::picture::run::charts::{CHART_HEIGHT, chart, top};
use crate::picture::run::{
    AXIS_PX, BLOCK_PX, BLOCK_TOP_PX, Block, LANE_PX, Scale, Stretch, attempt_name, blocks, lane_y,
};

/// The approximate number of marks on the time axis.
const MARKS: u64 = 8;
/// The height of a chart below the lanes, and the space above it, in pixels.
const CHART_PX: u32 = 34;
const CHART_GAP_PX: u32 = 10;
/// Phases are drawn of at most so many attempts: of more, blocks are too thin.
const PHASES_DRAWN: u64 = 600;

/// A lane for each worker, blocks for its attempts, and below them on the same time what
/// all did. Positions are percentages, so that the browser zooms by stretching it.
#[component]
pub fn RunPicture(
    /// The id of the job.
    id: JobId,
    /// The attempts.
    timeline: Timeline,
    /// When the job entered its phases.
    timings: Timings,
    /// The restarts of the server.
    restarts: Vec<Restart>,
    /// The approximate number of marks on the time axis.
    #[prop(default = MARKS)]
    marks: u64,
    /// Whether the names of workers lead to their pages.
    #[prop(optional)]
    has_worker_links: bool,
) -> impl IntoView {
    let lanes = timeline.lanes.len();
    let below = lane_y(lanes);
    let charts = charts(&timeline);
    let chart_y = move |index: usize| {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        below + CHART_GAP_PX + index * (CHART_PX + CHART_GAP_PX)
    };
    let height = chart_y(charts.len());
    let names = timeline.lanes.iter().map(|lane| {
        let name = lane.worker.as_ref().map_or("in the queue", |worker| worker.as_str()).to_owned();
        let href = lane.worker.as_ref().filter(|_| has_worker_links).map(worker_path);
        let shown = match href {
            Some(href) => view! { <a href=href>{name.clone()}</a> }.into_any(),
            None => name.clone().into_any(),
        };
        // The page of a worker tells its whole name.
        view! { <li title=(!has_worker_links).then_some(name)>{shown}</li> }
    });
    let names = names.collect_view();
    let chart_names = charts.iter().map(|it| {
        view! {
            <li>
                {it.name} <span class="hint">{it.top_words.clone()}</span>
            </li>
        }
    });
    let chart_names = chart_names.collect_view();
    let scale = Scale::new(timeline.start, timeline.end);
    let ms = |at: Timestamp| at.millis_since(timeline.job_start);
    let (start_ms, end_ms) = (ms(timeline.start), ms(timeline.end));
    let axis = axis_svg(&time_marks(start_ms, end_ms, marks), (start_ms, end_ms));
    let lines = moments_of_job(&timings, &restarts)
        .into_iter()
        .filter(|(at, _)| (timeline.start..=timeline.end).contains(at))
        .map(|(at, words)| {
            let x = percent(scale.percent(at));
            view! {
                <line class="run-moment" x1=x.clone() x2=x y1=AXIS_PX.to_string() y2="100%">
                    <title>{words}</title>
                </line>
            }
        })
        .collect_view();
    let unknown = timeline.known_from.map(|at| {
        view! {
            <rect class="run-unknown" x="0" width=percent(scale.percent(at)) y=AXIS_PX.to_string() height="100%">
                <title>"Attempts that ended before the restart are not known"</title>
            </rect>
        }
    });
    let backgrounds = (0..lanes)
        .map(|lane| {
            let y = lane_y(lane).to_string();
            view! { <rect class="run-lane" x="0" width="100%" y=y height=(LANE_PX - 1).to_string() /> }
        })
        .collect_view();
    let shares = timeline
        .lanes
        .iter()
        .enumerate()
        .filter(|(_, lane)| !lane.busy.is_empty())
        .map(|(index, lane)| {
            let shares: Vec<f64> = lane.busy.iter().map(|share| f64::from(*share)).collect();
            let y = lane_y(index) + BLOCK_TOP_PX;
            view! { <Area class="run-share" values=shares top=1000.0 y height=BLOCK_PX /> }
        })
        .collect_view();
    let attempts: Vec<&TimedAttempt> =
        timeline.lanes.iter().flat_map(|lane| &lane.attempts).collect();
    let with_phases = attempts.len() as u64 <= PHASES_DRAWN;
    let drawn = blocks(&timeline);
    let ties = drawn
        .iter()
        .filter_map(|block| block.tie)
        .map(|tie| {
            let x = percent(tie.x);
            view! {
                <line class="run-tie" x1=x.clone() x2=x y1=tie.from_y.to_string() y2=tie.to_y.to_string() />
            }
        })
        .collect_view();
    let drawn = drawn
        .into_iter()
        .zip(attempts)
        .map(|(block, it)| {
            let words = attempt_words(it, timeline.job_end);
            let name = attempt_name(it.task, it.attempt.number);
            let href = format!("{}?attempt={name}#attempt", JobTab::Run.path(id));
            view! { <Attempt block words href with_phases /> }
        })
        .collect_view();
    let areas = charts
        .into_iter()
        .enumerate()
        .map(|(index, it)| {
            view! { <Area class="run-chart" values=it.values top=it.top y=chart_y(index) height=CHART_PX /> }
        })
        .collect_view();
    view! {
        <div class="run-picture" style=format!("--axis:{AXIS_PX}px;--lane:{LANE_PX}px;--chart:{CHART_PX}px;--gap:{CHART_GAP_PX}px")>
            <div class="run-names">
                <ol>{names}</ol>
                <ul>{chart_names}</ul>
            </div>
            <div
                class="run-scroll"
                id=RUN_SCROLL
                tabindex="0"
                role="region"
                aria-label="Attempts over time"
                data-start=start_ms.to_string()
                data-end=end_ms.to_string()
            >
                <svg class="run-svg" height=height.to_string()>
                    <defs>
                        <pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
                            <rect class="hatch" width="3" height="6" />
                        </pattern>
                    </defs>
                    {backgrounds}
                    <g class="run-axis" id=RUN_AXIS inner_html=axis></g>
                    {unknown} {lines} {shares} {drawn} {ties} {areas}
                </svg>
            </div>
        </div>
    }
}

/// The block of an attempt: a link to its details.
#[component]
fn Attempt(block: Block, words: String, href: String, with_phases: bool) -> impl IntoView {
    let top = block.lane_y + BLOCK_TOP_PX;
    let place = |stretch: Stretch| (percent(stretch.x), percent(stretch.width));
    let (x, width) = place(block.run);
    let wait = block.wait.map(|wait| {
        let (x, width) = place(wait);
        view! { <rect class="run-wait" x=x width=width y=(block.lane_y + 1).to_string() height="3" /> }
    });
    let phases = block.phases.iter().filter(|_| with_phases).map(|part| {
        view! {
            <rect
                class="run-phase"
                data-phase=part.word
                x=x.clone()
                width=width.clone()
                y=format!("{:.2}", f64::from(top) + part.y)
                height=format!("{:.2}", part.height)
            />
        }
    });
    let phases = phases.collect_view();
    let hatch = block.speculative.then(|| {
        view! {
            <rect
                class="run-hatch"
                fill="url(#hatch)"
                x=x.clone()
                width=width.clone()
                y=top.to_string()
                height=BLOCK_PX.to_string()
            />
        }
    });
    let end = percent(block.run.x + block.run.width);
    let cross = block.is_crossed.then(|| {
        let (upper, lower) = (top.to_string(), (top + BLOCK_PX).to_string());
        view! {
            <line class="run-cross" x1=x.clone() x2=end.clone() y1=upper.clone() y2=lower.clone() />
            <line class="run-cross" x1=x.clone() x2=end.clone() y1=lower y2=upper />
        }
    });
    let retry = block.is_retry.then(|| {
        view! { <rect class="run-retry" x=x.clone() width="3" y=(top - 2).to_string() height=(BLOCK_PX + 4).to_string() /> }
    });
    view! {
        <a
            href=href
            id=format!("attempt-{}", block.name)
            data-attempt=block.name.clone()
            data-state=block.state.word()
            data-speculative=block.speculative.then_some("true")
        >
            <title>{words}</title>
            {wait}
            <rect class="run-block" x=x.clone() width=width.clone() y=top.to_string() height=BLOCK_PX.to_string() />
            {phases} {hatch} {cross} {retry}
        </a>
    }
}

/// Values as an area that the browser stretches over the whole time.
#[component]
fn Area(class: &'static str, values: Vec<f64>, top: f64, y: u32, height: u32) -> impl IntoView {
    let chart = chart(&values, top);
    view! {
        <svg
            class=class
            x="0"
            y=y.to_string()
            width="100%"
            height=height.to_string()
            viewBox=format!("0 0 {} {CHART_HEIGHT}", chart.width.max(1))
            preserveAspectRatio="none"
            aria-hidden="true"
        >
            <path d=chart.path />
        </svg>
    }
}

/// A chart below the lanes.
struct Charted {
    name: &'static str,
    values: Vec<f64>,
    /// The value at the upper edge.
    top: f64,
    top_words: String,
}

fn charts(timeline: &Timeline) -> Vec<Charted> {
    let values =
        |value: fn(&Moment) -> f64| -> Vec<f64> { timeline.moments.iter().map(value).collect() };
    let workers = timeline.lanes.iter().filter(|lane| lane.worker.is_some()).count() as u64;
    let workers = (workers + timeline.lanes_left_out).max(1) as f64;
    let (read, running, queued, memory) = (
        values(|moment| moment.bytes_per_sec),
        values(|moment| moment.running),
        values(|moment| moment.queued),
        values(|moment| moment.memory_bytes as f64),
    );
    let busy: Vec<f64> = running.iter().map(|running| running / workers).collect();
    let (most_read, most_queued) = (top(&read), top(&queued));
    let charts = [
        Charted {
            name: "Throughput",
            values: read,
            top: most_read,
            top_words: format!("up to {}", rate(most_read)),
        },
        Charted {
            name: "Busy workers",
            top_words: format!("up to {}", percent_of(top(&busy))),
            values: busy,
            top: 1.0,
        },
        Charted {
            name: "Queue",
            values: queued,
            top: most_queued,
            top_words: format!("up to {most_queued:.1}\u{a0}tasks"),
        },
    ];
    let memory = (top(&memory) > 0.0).then(|| of_memory(timeline, memory));
    charts.into_iter().chain(memory).collect()
}

/// The memory of the largest worker, against its bound.
fn of_memory(timeline: &Timeline, values: Vec<f64>) -> Charted {
    let most = timeline.moments.iter().map(|moment| moment.memory_bytes).max().unwrap_or(0);
    let bound = timeline.memory_bound_bytes;
    let (name, top_words) = match bound {
        Some(bound) => ("Worker memory", format!("up to {} of {}", bytes(most), bytes(bound))),
        None => ("Server memory", format!("up to {}", bytes(most))),
    };
    Charted { name, values, top: most.max(bound.unwrap_or(0)) as f64, top_words }
}

/// The moments at which a job entered its phases, and those of restarts.
fn moments_of_job(timings: &Timings, restarts: &[Restart]) -> Vec<(Timestamp, &'static str)> {
    let phases = [
        (timings.planning_at, "Planning begins"),
        (timings.running_at, "Running begins"),
        (timings.finishing_at, "Finishing begins"),
    ];
    let phases = phases.into_iter().filter_map(|(at, words)| Some((at?, words)));
    phases.chain(restarts.iter().map(|it| (it.at, "The server had restarted"))).collect()
}

fn percent(position: f64) -> String {
    format!("{position:.3}%")
}
