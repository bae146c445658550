//! All jobs together, as one line of figures.

use leptos::prelude::*;

use crate::format::{count, rate};
use crate::lately::{Lately, PACE_PARTS};
use crate::picture::run::charts::{CHART_HEIGHT, chart, top};

/// The throughput of all jobs in the last ten minutes, and how many jobs run and have ended.
#[component]
pub fn Strip(
    /// What is known.
    lately: Lately,
) -> impl IntoView {
    let Lately { bytes_per_sec, running, done, failed, .. } = lately;
    let drawn = chart(&bytes_per_sec, top(&bytes_per_sec));
    // Whatever there is ends at the right edge.
    let before = PACE_PARTS.saturating_sub(drawn.width);
    let now = bytes_per_sec.last().copied().unwrap_or(0.0);
    let label =
        format!("Throughput of the last ten minutes, at most {}", rate(top(&bytes_per_sec)));
    let figure = |label: &'static str, value: String| {
        view! {
            <div class="pool-figure" data-figure=label>
                <dt>{label}</dt>
                <dd>{value}</dd>
            </div>
        }
    };
    view! {
        <dl class="pool-figures strip">
            {figure("jobs running", count(running))}
            {figure("done in 24 h", count(done))}
            {figure("failed in 24 h", count(failed))}
            <div class="pool-figure strip-pace" data-figure="throughput">
                <dt>"throughput, 10 min"</dt>
                <dd>
                    <span data-rate="true">{rate(now)}</span>
                    <svg
                        class="sparkline"
                        role="img"
                        aria-label=label
                        viewBox=format!("-{before} 0 {PACE_PARTS} {CHART_HEIGHT}")
                        preserveAspectRatio="none"
                    >
                        <path d=drawn.path />
                    </svg>
                </dd>
            </div>
        </dl>
    }
}
