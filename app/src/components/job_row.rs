//! A job in a list.

use leptos::prelude::*;
use leptos_router::components::A;
use protocol::{JobId, JobSnapshot, Phase};

use super::level_bar::LevelBars;
use super::phase_badge::PhaseBadge;
use crate::calls::job_path;
use crate::clock::Clock;
use crate::format::{age, count, duration, percent, rate, utc};
use crate::keyed::Keyed;

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
    let phase = Memo::new(move |_| job.with(|job| job.phase));
    let submitted_at = job.with_untracked(|job| job.timings.submitted_at);
    let title = Memo::new(move |_| job.with(JobSnapshot::title));
    view! {
        <li class="job-row" data-state=move || phase.get().word() data-job=id.to_string()>
            <div class="job-row-title">
                <A href=job_path(id)>{move || title.get()}</A>
                <time title=utc(submitted_at) datetime=utc(submitted_at)>
                    {move || age(submitted_at, clock.now())}
                </time>
            </div>
            <PhaseBadge phase />
            <div class="job-row-progress">
                <LevelBars job />
                <progress
                    class="visually-hidden"
                    max="1"
                    value=move || format!("{:.3}", job.with(JobSnapshot::fraction))
                    aria-label="Part of the job that is done"
                ></progress>
                <span class="job-row-counts">{move || job.with(counts)}</span>
            </div>
            <span class="job-row-pace">{move || job.with(|job| pace(job, clock))}</span>
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
