//! A job in a list.

use leptos::prelude::*;
use protocol::{JobId, JobSnapshot, Phase};

use super::level_bar::LevelBars;
use super::phase_badge::PhaseBadge;
use crate::clock::Clock;
use crate::format::{age, count, duration, job_title, percent, rate, rfc3339, utc};
use crate::keyed::Keyed;
use crate::paths::job_path;
use crate::picture::tree::thousandths;

/// Jobs in a list.
pub type JobList = Keyed<JobId, JobSnapshot>;

/// The jobs of a list, each row changing by itself.
#[component]
pub fn JobRows(
    /// Which.
    jobs: JobList,
) -> impl IntoView {
    view! {
        <ol class="job-list">
            <For
                each=move || jobs.order().get()
                key=|id| *id
                children=move |id| {
                    jobs.row(&id).map(|job| view! { <JobRow job=RwSignal::from(job) /> })
                }
            />
        </ol>
    }
}

/// A job in a list: what it is, where it is, how far and how fast.
#[component]
pub fn JobRow(
    /// Which.
    job: RwSignal<JobSnapshot>,
) -> impl IntoView {
    let clock = Clock::of_page();
    let id = job.with_untracked(|job| job.id);
    let submitted_at = job.with_untracked(|job| job.timings.submitted_at);
    let text = move |text: fn(&JobSnapshot) -> String| Signal::derive(move || job.with(text));
    view! {
        <li
            class="job-row"
            data-state=text(|job| job.phase.word().to_owned())
            data-job=id.to_string()
        >
            <div class="job-row-title">
                <a href=job_path(id)>{text(job_title)}</a>
                <time title=utc(submitted_at) datetime=rfc3339(submitted_at)>
                    {Signal::derive(move || age(submitted_at, clock.now()))}
                </time>
            </div>
            <PhaseBadge job />
            <div class="job-row-progress">
                <LevelBars job />
                <progress
                    class="visually-hidden"
                    max="1000"
                    value=text(|job| thousandths(job.fraction()).to_string())
                    aria-label="Part of the job that is done"
                ></progress>
                <span class="job-row-counts">{text(counts)}</span>
            </div>
            <span class="job-row-pace">
                {Signal::derive(move || job.with(|job| pace(job, clock)))}
            </span>
        </li>
    }
}

/// How much of the job is done, in numbers.
fn counts(job: &JobSnapshot) -> String {
    if let (Phase::Listing, Some(generated)) = (job.phase, job.generated) {
        return format!("{} of {} files generated", count(generated.done), count(generated.total));
    }
    let (tasks, completed) = job.progress.iter().fold((0, 0), |(tasks, completed), level| {
        (tasks + level.tasks, completed + level.completed)
    });
    match tasks {
        0 => String::new(),
        _ if job.phase == Phase::Done => format!("{} tasks", count(tasks)),
        _ => {
            format!("{} · {} of {} tasks", percent(job.fraction()), count(completed), count(tasks))
        }
    }
}

/// How fast the job is, or how long it took.
fn pace(job: &JobSnapshot, clock: Clock) -> String {
    let submitted_at = job.timings.submitted_at;
    match (job.phase.is_over(), job.timings.ended_at) {
        (true, Some(ended_at)) => duration(ended_at.millis_since(submitted_at)),
        _ if job.bytes_per_sec > 0.0 => rate(job.bytes_per_sec),
        _ => duration(clock.now().millis_since(submitted_at) / 1000 * 1000),
    }
}
