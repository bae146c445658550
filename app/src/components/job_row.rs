//! A job in a list.

use leptos::prelude::*;
use protocol::{JobId, JobSnapshot, Phase};

use super::level_bar::LevelBars;
use super::phase_badge::PhaseBadge;
use crate::clock::Clock;
use crate::format::{age, count, duration, job_title, percent, plural, rate, rfc3339, utc};
use crate::keyed::Keyed;
use crate::paths::job_path;
use crate::picture::tree::thousandths;

/// The id of the form that the ticks of the rows belong to, where a page has one.
pub const TICKED: &str = "ticked";

/// A list of jobs.
pub type JobList = Keyed<JobId, JobSnapshot>;

/// The rows of a list of jobs. Each row is updated separately.
#[component]
pub fn JobRows(
    /// The jobs.
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

/// A job in a list: its title, phase, progress and throughput.
#[component]
pub fn JobRow(
    /// The job.
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
            // Shown where the page has the form.
            <input
                type="checkbox"
                class="tick"
                form=TICKED
                name="job"
                value=id.to_string()
                aria-label=format!("Select {}", job.with_untracked(job_title))
            />
            <div class="job-row-title">
                <a href=job_path(id)>{text(job_title)}</a>
                <time title=utc(submitted_at) datetime=rfc3339(submitted_at)>
                    {Signal::derive(move || clock.date_time(submitted_at))}
                    " · "
                    {Signal::derive(move || age(submitted_at, clock.now()))}
                </time>
            </div>
            <PhaseBadge job />
            <div class="job-row-progress">
                <LevelBars job />
                <progress
                    class="visually-hidden"
                    max="1000"
                    value=text(|job| thousandths(job.whole()).to_string())
                    aria-label="Job progress"
                ></progress>
                <span class="job-row-counts">{text(counts)}</span>
            </div>
            <span class="job-row-pace" data-rate=text(|job| (!job.phase.is_over()).to_string())>
                {Signal::derive(move || job.with(|job| pace(job, clock)))}
            </span>
        </li>
    }
}

/// The number of completed tasks, or of generated files, or that the job waits.
fn counts(job: &JobSnapshot) -> String {
    if job.waiting {
        return "waiting for other jobs".to_owned();
    }
    if let (Phase::Listing, Some(generated)) = (job.phase, job.generated) {
        let files = plural(generated.total, "file", "files");
        return format!("{} of {files} generated", count(generated.done));
    }
    let (tasks, completed) = job.progress.iter().fold((0, 0), |(tasks, completed), level| {
        (tasks + level.tasks, completed + level.completed)
    });
    match tasks {
        0 => String::new(),
        _ if job.phase == Phase::Done => plural(tasks, "task", "tasks"),
        _ => {
            let tasks = plural(tasks, "task", "tasks");
            format!("{} · {} of {tasks}", percent(job.whole()), count(completed))
        }
    }
}

/// The throughput of a running job, or the duration of one that is over.
fn pace(job: &JobSnapshot, clock: Clock) -> String {
    let submitted_at = job.timings.submitted_at;
    match (job.phase.is_over(), job.timings.ended_at) {
        (true, Some(ended_at)) => duration(ended_at.millis_since(submitted_at)),
        _ if job.bytes_per_sec > 0.0 => rate(job.bytes_per_sec),
        _ => duration(clock.now().millis_since(submitted_at) / 1000 * 1000),
    }
}

#[cfg(test)]
mod tests {
    use protocol::job::{Counted, LevelProgress};
    use protocol::{Inputs, JobRequest, Timestamp};

    use super::*;

    fn job(phase: Phase, tasks: u64) -> JobSnapshot {
        let at = Timestamp::from_millis(1);
        let request = JobRequest::new(Inputs::Prefix("in/".to_owned()));
        let mut job = JobSnapshot::submitted(JobId::from_parts(at, 1), request, 1, at);
        job.phase = phase;
        job.progress = vec![LevelProgress { tasks, ..LevelProgress::default() }];
        job
    }

    #[test]
    fn one_task_and_one_file_are_singular() {
        assert_eq!(counts(&job(Phase::Done, 1)), "1\u{a0}task");
        assert_eq!(counts(&job(Phase::Done, 9)), "9\u{a0}tasks");
        assert_eq!(counts(&job(Phase::Running, 1)), "0\u{a0}% · 0 of 1\u{a0}task");
        let generated = Some(Counted { done: 0, total: 1 });
        let listing = JobSnapshot { generated, ..job(Phase::Listing, 0) };
        assert_eq!(counts(&listing), "0 of 1\u{a0}file generated");
        let waiting = JobSnapshot { waiting: true, ..listing };
        assert_eq!(counts(&waiting), "waiting for other jobs");
    }
}
