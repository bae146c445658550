//! What the workers have done lately.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use protocol::JobId;
use protocol::timeline::TimedAttempt;

use super::strip::Strip;
use crate::calls;
use crate::format::{attempt_words, bytes, plural};
use crate::lately::{Lately, LatelyLane};
use crate::paths::{JobTab, worker_path};
use crate::picture::run::charts::{CHART_HEIGHT, chart};
use crate::picture::run::{Scale, attempt_name, hue};

/// The height of a lane, and of the blocks in it, in pixels.
const LANE_PX: u32 = 18;
const BLOCK_PX: u32 = 12;
/// The most workers that are shown unless all are asked for.
const WORKERS: usize = 16;
/// The value of the parameter `workers` that asks for all.
const ALL: &str = "all";

/// The address at which the lanes of the workers are rendered.
#[must_use]
pub fn now_path(shows_all: bool) -> String {
    if shows_all { format!("/now?workers={ALL}") } else { "/now".to_owned() }
}

/// Whether the page is asked for all workers.
#[must_use]
pub fn shows_all() -> bool {
    use_query_map().with_untracked(|query| query.get_str("workers") == Some(ALL))
}

/// The lanes of the workers on a page of their own.
#[component]
pub fn NowPage() -> impl IntoView {
    view! {
        <section class="card" aria-labelledby="now-heading">
            <header class="card-header">
                <h1 id="now-heading">"Now"</h1>
            </header>
            <Now />
        </section>
    }
}

/// A lane for each worker: its attempts of the last two minutes, coloured by job. Of many
/// workers, those that were busy last.
#[component]
pub fn Now() -> impl IntoView {
    let shows_all = shows_all();
    let lately = Resource::new(|| (), async |()| calls::lately().await);
    view! {
        <div class="now" data-part="now">
            <Suspense>
                {move || Suspend::new(async move {
                    // Without an answer the server is stopping.
                    lately.await.ok().map(|lately| {
                        view! {
                            <Strip lately=lately.clone() />
                            <Lanes lately shows_all />
                        }
                    })
                })}
            </Suspense>
        </div>
    }
}

#[component]
fn Lanes(lately: Lately, shows_all: bool) -> impl IntoView {
    let Lately { start, end, shared_memory_bytes, mut lanes, .. } = lately;
    let memory = shared_memory_bytes.map(|memory| {
        view! {
            <p class="hint shared-memory">
                "Memory of the server, which its workers share: " {bytes(memory)}
            </p>
        }
    });
    let all = lanes.len();
    if !shows_all && all > WORKERS {
        let last = |lane: &LatelyLane| {
            let ends = lane.attempts.iter().map(|(_, it)| it.attempt.ended_at.unwrap_or(end));
            ends.max().unwrap_or(start)
        };
        lanes.sort_by_key(|lane| std::cmp::Reverse(last(lane)));
        lanes.truncate(WORKERS);
        lanes.sort_by(|one, other| one.worker.natural_cmp(&other.worker));
    }
    if lanes.is_empty() {
        return view! {
            <p class="empty">"No worker has done anything in the last two minutes."</p>
            {memory}
        }
        .into_any();
    }
    let more = (lanes.len() < all).then(|| {
        view! { <a href=format!("/?workers={ALL}")>{format!("All {}", plural(all as u64, "worker", "workers"))}</a> }
    });
    let height = LANE_PX * u32::try_from(lanes.len()).unwrap_or(u32::MAX);
    let names = lanes
        .iter()
        .map(|lane| {
            let name = lane.worker.to_string();
            view! {
                <li>
                    <a href=worker_path(&lane.worker)>{name}</a>
                </li>
            }
        })
        .collect_view();
    let scale = Scale::new(start, end);
    let drawn = (0_u32..)
        .zip(lanes)
        .map(|(index, lane)| view! { <LaneBlocks lane y={index * LANE_PX} scale /> })
        .collect_view();
    view! {
        <div class="now-lanes" style=format!("--lane:{LANE_PX}px")>
            <ol class="now-names">{names}</ol>
            <svg class="now-svg" height=height.to_string() role="group" aria-label="Attempts of the last two minutes">
                <defs>
                    <pattern id="now-hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
                        <rect class="hatch" width="3" height="6" />
                    </pattern>
                </defs>
                {drawn}
            </svg>
        </div>
        <p class="now-axis hint">
            <span>"2 min ago"</span>
            {more}
            <span>"now"</span>
        </p>
        {memory}
    }
    .into_any()
}

#[component]
fn LaneBlocks(lane: LatelyLane, y: u32, scale: Scale) -> impl IntoView {
    let shares = lane
        .busy
        .into_iter()
        .map(|(job, shares)| {
            let shares: Vec<f64> = shares.into_iter().map(f64::from).collect();
            let drawn = chart(&shares, 1000.0);
            view! {
                <a href=JobTab::Run.path(job) data-job=job.to_string()>
                    <svg
                        x="0"
                        y=(y + 3).to_string()
                        width="100%"
                        height=BLOCK_PX.to_string()
                        viewBox=format!("0 0 {} {CHART_HEIGHT}", drawn.width.max(1))
                        preserveAspectRatio="none"
                    >
                        <path class="now-block" style=format!("--hue:{}", hue(job)) d=drawn.path />
                    </svg>
                </a>
            }
        })
        .collect_view();
    let attempts = lane
        .attempts
        .into_iter()
        .map(|(job, it)| view! { <NowBlock job it y scale /> })
        .collect_view();
    view! {
        <rect class="run-lane" x="0" width="100%" y=y.to_string() height=(LANE_PX - 1).to_string() />
        {shares}
        {attempts}
    }
}

#[component]
fn NowBlock(job: JobId, it: TimedAttempt, y: u32, scale: Scale) -> impl IntoView {
    let attempt = &it.attempt;
    let now = scale.end();
    let from = attempt.started_at.unwrap_or(attempt.published_at);
    let run = scale.stretch(from, attempt.ended_at.unwrap_or(now));
    let name = attempt_name(it.task, attempt.number);
    let href = format!("{}?attempt={name}#attempt", JobTab::Run.path(job));
    let (x, width) = (format!("{:.3}%", run.x), format!("{:.3}%", run.width.max(0.1)));
    let hatch = attempt.speculative.then(|| {
        view! {
            <rect fill="url(#now-hatch)" x=x.clone() width=width.clone() y=(y + 3).to_string() height=BLOCK_PX.to_string() />
        }
    });
    view! {
        <a href=href data-state=attempt.state.word() data-job=job.to_string()>
            <title>{attempt_words(&it, now)}</title>
            <rect
                class="now-block"
                style=format!("--hue:{}", hue(job))
                x=x.clone()
                width=width.clone()
                y=(y + 3).to_string()
                height=BLOCK_PX.to_string()
            />
            {hatch}
        </a>
    }
}
