//! The progress of a job.

use leptos::prelude::*;
use protocol::states::TaskStates;
use protocol::{JobSnapshot, Phase};

use super::sum_tree::SumTree;
use crate::format::{bytes, count, duration, percent, plural, rate, utc};
use crate::picture::tree::thousandths;

/// The progress of a job: the whole as a bar, its throughput and remaining time,
/// and the sum tree level by level.
#[component]
pub fn ProgressCard(
    /// The job.
    job: RwSignal<JobSnapshot>,
    /// The states of its tasks, if they are known.
    states: RwSignal<Option<TaskStates>>,
) -> impl IntoView {
    let text = move |text: fn(&JobSnapshot) -> String| Signal::derive(move || job.with(text));
    let restarted = Memo::new(move |_| {
        job.with(|job| job.restarts.iter().map(|it| it.overall).collect::<Vec<f64>>())
    });
    // A plan never changes.
    let has_plan = Memo::new(move |_| job.with(|job| job.plan.is_some()));
    let tree = move || {
        has_plan.get().then(|| {
            let plan = job.with_untracked(|job| job.plan.clone());
            plan.map(|plan| view! { <SumTree job states plan /> })
        })
    };
    let has_no_resumes = Signal::derive(move || job.with(|job| job.resumes.is_empty()));
    let has_no_restarts = Signal::derive(move || job.with(|job| job.restarts.is_empty()));
    let marks = move || {
        let restarts = restarted.get();
        let marks = restarts
            .into_iter()
            .map(|overall| view! { <i style=format!("left:{:.1}%", overall * 100.0)></i> });
        marks.collect_view()
    };
    view! {
        <section class="card progress-card" aria-labelledby="progress-heading">
            <header class="card-header">
                <h2 id="progress-heading">"Progress"</h2>
                <span class="progress-percent">{text(|job| percent(job.whole()))}</span>
                <span class="progress-pace" data-rate=text(|job| (!job.phase.is_over()).to_string())>{text(pace)}</span>
            </header>
            <div class="restart-marks" aria-hidden="true">{marks}</div>
            <progress
                class="whole"
                max="1000"
                value=text(|job| thousandths(job.whole()).to_string())
                aria-label="Job progress"
                data-state=text(|job| job.phase.word().to_owned())
            ></progress>
            <p class="hint restarts" hidden=has_no_restarts>
                {text(restarts)}
            </p>
            <p class="hint resumes" hidden=has_no_resumes>
                {text(resumes)}
            </p>
            {tree}
            <p class="empty" hidden=has_plan>
                {text(before_plan)}
            </p>
        </section>
    }
}

/// When the job was resumed, in words.
fn resumes(job: &JobSnapshot) -> String {
    let times: Vec<String> = job.resumes.iter().map(|at| utc(*at)).collect();
    format!("The job was resumed at {}.", times.join(", "))
}

/// The restarts of the server, in words.
fn restarts(job: &JobSnapshot) -> String {
    let times: Vec<String> = job.restarts.iter().map(|restart| utc(restart.at)).collect();
    format!(
        "The server restarted at {}. What was read in the last seconds before is not counted.",
        times.join(", ")
    )
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
    let remaining = job.remaining_ms.map(|ms| match ms.div_ceil(1000) {
        seconds @ ..60 => format!("about {seconds}\u{a0}s left"),
        seconds => format!("about {} left", duration(seconds * 1000)),
    });
    [rate, remaining].into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// The text shown while there is no sum tree.
fn before_plan(job: &JobSnapshot) -> String {
    if job.waiting {
        return "Waiting for other jobs.".to_owned();
    }
    match (job.phase, job.generated) {
        (Phase::Listing, Some(generated)) => format!(
            "Generating test data: {} of {}.",
            count(generated.done),
            plural(generated.total, "file", "files")
        ),
        (Phase::Listing, None) => "Listing the files.".to_owned(),
        (Phase::Failed | Phase::Cancelled, _) => "The job ended before it was planned.".to_owned(),
        (Phase::Planning | Phase::Running | Phase::Finishing | Phase::Done, _) => {
            "Planning the sum tree.".to_owned()
        }
    }
}
