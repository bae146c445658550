//! A job in a list.

use leptos::prelude::*;
use protocol::{JobId, JobSnapshot, Phase};

use super::phase_badge::PhaseBadge;
use crate::clock::Clock;
use crate::format::{bytes, count, duration, job_title, percent, plural, rfc3339, utc};
use crate::keyed::Keyed;
use crate::paths::{job_path, thumbnail_path};
use crate::picture::tree::thousandths;

/// The id of the form that the ticks of the rows belong to.
pub const TICKED: &str = "ticked";

/// A list of jobs.
pub type JobList = Keyed<JobId, JobSnapshot>;

/// The headings of the columns. The first and the last are told by what is in them.
const COLUMNS: [&str; 9] =
    ["Select", "Status", "Name", "Input", "Progress", "Started", "Took", "Size", "Result"];

/// A table of jobs. Each row is updated separately.
#[component]
pub fn JobRows(
    /// The jobs.
    jobs: JobList,
) -> impl IntoView {
    let headings =
        COLUMNS.map(|title| view! { <th scope="col"><span>{title}</span></th> }).collect_view();
    view! {
        <table class="job-list">
            <thead>
                <tr>{headings}</tr>
            </thead>
            <tbody>
                <For
                    each=move || jobs.order().get()
                    key=|id| *id
                    children=move |id| {
                        jobs.row(&id).map(|job| view! { <JobRow job=RwSignal::from(job) /> })
                    }
                />
            </tbody>
        </table>
    }
}

/// A job in a table: its status, title, inputs, progress, times and size, and what its result
/// looks like.
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
        <tr
            class="job-row"
            data-state=text(|job| job.phase.word().to_owned())
            data-job=id.to_string()
        >
            <td>
                <input
                    type="checkbox"
                    class="tick"
                    form=TICKED
                    name="job"
                    value=id.to_string()
                    aria-label=format!("Select {}", job.with_untracked(job_title))
                />
            </td>
            <td>
                <PhaseBadge job />
            </td>
            <td class="job-row-title">
                <a href=job_path(id)>{text(job_title)}</a>
            </td>
            <td>{text(inputs)}</td>
            <td class="job-row-progress">
                <span>{text(counts)}</span>
                <progress
                    max="1000"
                    value=text(|job| thousandths(job.whole()).to_string())
                    aria-label="Job progress"
                ></progress>
            </td>
            <td>
                <time title=utc(submitted_at) datetime=rfc3339(submitted_at)>
                    {Signal::derive(move || clock.date_time(submitted_at))}
                </time>
            </td>
            <td class="number">{Signal::derive(move || job.with(|job| took(job, clock)))}</td>
            <td class="number">{text(|job| job.inputs.bytes.map_or_else(String::new, bytes))}</td>
            <td>
                <img
                    alt=""
                    loading="lazy"
                    src=text(|job| match job.phase {
                        Phase::Done => thumbnail_path(job.id),
                        _ => NO_IMAGE.to_owned(),
                    })
                />
            </td>
        </tr>
    }
}

/// An image without anything in it.
const NO_IMAGE: &str = "data:,";

/// What is averaged: how many files of which shape.
fn inputs(job: &JobSnapshot) -> String {
    let inputs = &job.inputs;
    let Some(objects) = inputs.objects else {
        return String::new();
    };
    let mut words = plural(objects, "file", "files");
    let sides = inputs.shape.clone().unwrap_or_else(|| inputs.columns.into_iter().collect());
    for side in sides {
        words += " × ";
        words += &count(side);
    }
    words
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

/// How long the job took, or has been there if it is not over.
fn took(job: &JobSnapshot, clock: Clock) -> String {
    let submitted_at = job.timings.submitted_at;
    duration(match job.timings.ended_at {
        Some(ended_at) => ended_at.millis_since(submitted_at),
        None => clock.now().millis_since(submitted_at) / 1000 * 1000,
    })
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

    #[test]
    fn the_inputs_are_told_by_their_number_and_shape() {
        let mut job = job(Phase::Running, 1);
        assert_eq!(inputs(&job), "");
        job.inputs.objects = Some(1);
        assert_eq!(inputs(&job), "1\u{a0}file");
        job.inputs.columns = Some(4096);
        assert_eq!(inputs(&job), "1\u{a0}file × 4\u{202f}096");
        job.inputs.shape = Some(vec![64, 64]);
        assert_eq!(inputs(&job), "1\u{a0}file × 64 × 64");
    }
}
