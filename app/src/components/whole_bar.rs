//! The progress of a whole job as one bar.

use leptos::prelude::*;
use protocol::JobSnapshot;

use crate::format::{between, bytes, duration, percent, rate};
use crate::picture::tree::thousandths;

/// The progress of a whole job as one bar over all its phases, with its percentage,
/// throughput and remaining time. Restarts of the server are marked.
#[component]
pub fn WholeBar(
    /// The job.
    job: RwSignal<JobSnapshot>,
) -> impl IntoView {
    let text = move |text: fn(&JobSnapshot) -> String| Signal::derive(move || job.with(text));
    let restarted = Memo::new(move |_| {
        job.with(|job| job.restarts.iter().map(|it| it.overall).collect::<Vec<f64>>())
    });
    let marks = move || {
        let restarts = restarted.get();
        let marks = restarts
            .into_iter()
            .map(|overall| view! { <i style=format!("left:{:.1}%", overall * 100.0)></i> });
        marks.collect_view()
    };
    view! {
        <div class="whole-line">
            <span class="progress-percent">{text(|job| percent(job.whole()))}</span>
            <span class="progress-pace" data-rate=text(|job| (!job.phase.is_over()).to_string())>
                {text(pace)}
            </span>
        </div>
        <div class="restart-marks" aria-hidden="true">{marks}</div>
        <progress
            class="whole"
            max="1000"
            value=text(|job| thousandths(job.whole()).to_string())
            aria-label="Job progress"
            data-state=text(|job| job.phase.word().to_owned())
        ></progress>
    }
}

/// The throughput and the remaining time; once the job is over, its average
/// throughput.
fn pace(job: &JobSnapshot) -> String {
    if job.phase.is_over() {
        let ran_ms = job
            .timings
            .running_at
            .zip(job.timings.ended_at)
            .map_or(0, |(start, end)| end.millis_since(start));
        let read = job.bytes.input_read;
        return match (ran_ms, read) {
            (0, _) | (_, 0) => String::new(),
            _ => format!(
                "{} in {}, {}",
                bytes(read),
                duration(ran_ms),
                rate(read as f64 / ran_ms as f64 * 1000.0)
            ),
        };
    }
    let rate = (job.bytes_per_sec > 0.0).then(|| rate(job.bytes_per_sec));
    let range = job.remaining_least_ms.zip(job.remaining_most_ms);
    let remaining = range.map(|(least_ms, most_ms)| format!("{} left", between(least_ms, most_ms)));
    [rate, remaining].into_iter().flatten().collect::<Vec<_>>().join(" · ")
}
