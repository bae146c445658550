//! The input files of a job.

use leptos::prelude::*;
use leptos_router::components::A;
use leptos_router::hooks::use_query_map;
use protocol::detail::InputPage;
use protocol::files::ObjectContent;
use protocol::states::TaskStates;
use protocol::{JobSnapshot, Phase};

use super::file_name::FileName;
use super::job::frame::{framed, or_problem};
use super::job::shown_id;
use super::table::Table;
use crate::calls;
use crate::format::{bytes, count};
use crate::pages::tensor_list::{TensorList, parts_of};
use crate::paths::JobTab;

/// The input files of a job, in pages: each with its state, type, shape and size, and the
/// version that was read.
#[component]
pub fn InputsPage() -> impl IntoView {
    let (id, query) = (shown_id(), use_query_map());
    let start = move || {
        let start = query.with(|query| query.get_str("start").and_then(|it| it.parse().ok()));
        calls::inputs_start(start.unwrap_or(0))
    };
    let page = Resource::new(
        move || (id(), start()),
        async |(id, start)| {
            let job = calls::job(id.clone()).await?;
            let inputs = match &job.value.0.plan {
                Some(_) => Some(calls::inputs(&id, start).await),
                None => None,
            };
            let states = job.value.1.clone();
            Ok::<_, calls::CallError>((job, (start, inputs, states)))
        },
    );
    view! {
        <Suspense>
            {move || Suspend::new(async move {
                framed(page.await, JobTab::Inputs, |job, (start, found, states)| {
                    let job = job.value;
                    let is_over = job.phase.is_over();
                    let files = found.map(|found| {
                        or_problem(found, |(page, contents)| {
                            view! { <InputFiles job states start page contents /> }.into_any()
                        })
                    });
                    let files = files.unwrap_or_else(|| view! { <NotListed is_over /> }.into_any());
                    view! { <div data-part="files">{files}</div> }.into_any()
                })
            })}
        </Suspense>
    }
}

/// In place of the files of a job without a plan.
#[component]
fn NotListed(is_over: bool) -> impl IntoView {
    let words = match is_over {
        true => "The job ended before it was planned.",
        false => "The input files are being listed.",
    };
    view! {
        <section class="card" aria-labelledby="inputs-heading">
            <header class="card-header">
                <h2 id="inputs-heading">"Input files"</h2>
            </header>
            <p class="hint">{words}</p>
        </section>
    }
}

/// The state of an input of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
enum FileState {
    /// None of it is summed, and it is not being read.
    Waiting,
    /// None of it was summed when the job ended.
    NotSummed,
    /// An attempt reads it. So many of its ranges of columns are summed.
    Running(u64, u64),
    /// So many of its ranges of columns are summed, and no attempt reads it.
    Partly(u64, u64),
    /// All of it is in partial sums.
    Summed,
    /// The job failed because of it.
    Wrong,
}

impl FileState {
    /// The state of the input at an index; `None` if it is not known.
    fn of(
        job: &JobSnapshot,
        states: Option<&TaskStates>,
        index: u64,
        location: &str,
    ) -> Option<FileState> {
        if job.error.as_ref().and_then(|error| error.object.as_deref()) == Some(location) {
            return Some(FileState::Wrong);
        }
        if job.phase == Phase::Done {
            return Some(FileState::Summed);
        }
        let (plan, leaves) = job.plan.as_ref().zip(states?.levels.first())?;
        let [waiting, running, speculative, complete] = leaves.count(plan.tasks_of_input(index));
        let (read, is_over) = (running + speculative, job.phase.is_over());
        let all = waiting + read + complete;
        Some(match complete {
            _ if complete == all => FileState::Summed,
            _ if read > 0 && !is_over => FileState::Running(complete, all),
            0 if is_over => FileState::NotSummed,
            0 => FileState::Waiting,
            _ => FileState::Partly(complete, all),
        })
    }

    /// The name in `data-state`, that of a task in the same state.
    const fn word(&self) -> &'static str {
        match self {
            FileState::Waiting | FileState::NotSummed | FileState::Partly(..) => "waiting",
            FileState::Running(..) => "running",
            FileState::Summed => "complete",
            FileState::Wrong => "failed",
        }
    }

    fn title(&self) -> String {
        match self {
            FileState::Waiting => "waiting".to_owned(),
            FileState::Running(_, 1) => "being read".to_owned(),
            FileState::Running(summed, ranges) | FileState::Partly(summed, ranges) => {
                format!("{} of {} ranges summed", count(*summed), count(*ranges))
            }
            FileState::NotSummed => "not summed".to_owned(),
            FileState::Summed => "summed".to_owned(),
            FileState::Wrong => "wrong".to_owned(),
        }
    }
}

#[component]
fn InputFiles(
    /// The job.
    job: JobSnapshot,
    /// The states of its tasks, if they are known.
    states: Option<TaskStates>,
    /// The index of the first file.
    start: u64,
    /// The files.
    page: InputPage,
    /// What is in each of them, where it is known.
    contents: Vec<Option<ObjectContent>>,
) -> impl IntoView {
    let id = job.id;
    let tensors =
        parts_of(&job.inputs).map(|(kind, tensors)| view! { <TensorList kind tensors /> });
    let has_weights = page.inputs.iter().any(|file| file.weight.is_some());
    let rows = (start..)
        .zip(page.inputs.into_iter().zip(contents))
        .map(|(index, (file, content))| {
            let weight = has_weights.then(|| {
                let weight = file.weight.map(|weight| format!("{weight:?}"));
                view! { <td class="number" data-label="Weight">{weight}</td> }
            });
            let state = FileState::of(&job, states.as_ref(), index, &file.location);
            let state = state.map(|state| {
                view! { <span class="tag" data-state=state.word()>{state.title()}</span> }
            });
            let ObjectContent { format, mut shape } = content.unwrap_or_default();
            if shape.is_empty() && !format.is_empty() {
                // All have as many numbers, which is known once one of them is read.
                shape.extend(job.inputs.columns);
            }
            let shape = shape.into_iter().map(count).collect::<Vec<_>>().join(" × ");
            view! {
                <tr>
                    <td class="number" data-label="Index">{count(index)}</td>
                    <td data-label="File">
                        <FileName location=file.location />
                        {(!file.parts.is_empty())
                            .then(|| {
                                let shards = count(file.parts.len() as u64 - 1);
                                view! { <span class="hint">" with "{shards}" shards"</span> }
                            })}
                    </td>
                    <td data-label="Status">{state}</td>
                    <td data-label="Type">{format}</td>
                    <td class="number" data-label="Shape">{shape}</td>
                    <td class="number" data-label="Size">{bytes(file.bytes)}</td>
                    {weight}
                    <td data-label="Version">
                        <code>{file.version.unwrap_or_else(|| "none".to_owned())}</code>
                    </td>
                </tr>
            }
        })
        .collect_view();
    let columns = ["Index", "File", "Status", "Type", "Shape", "Size"]
        .into_iter()
        .chain(has_weights.then_some("Weight"))
        .chain(["Version"])
        .collect();
    let next = page.cursor.map(|cursor| {
        view! {
            <p class="older">
                <A
                    href=format!("/jobs/{id}/inputs?start={cursor}")
                    attr:class="button"
                    attr:rel="next"
                >
                    "More files"
                </A>
            </p>
        }
    });
    view! {
        <section class="card" aria-labelledby="inputs-heading">
            <header class="card-header">
                <h2 id="inputs-heading">"Input files"</h2>
                <span class="hint">{count(page.total)} " in all"</span>
                <a class="card-header-link" href=format!("/api/jobs/{id}/inputs")>
                    "As JSON"
                </a>
            </header>
            <p class="hint">
                "Every read was held to the version: an ETag, or what identifies the content of a file."
            </p>
            <Table label="Input files" columns stacked=true>
                {rows}
            </Table>
            {next} {tensors}
        </section>
    }
}

#[cfg(test)]
mod tests {
    use protocol::plan::Estimate;
    use protocol::states::{DrawnState, LevelStates};
    use protocol::{Inputs, JobId, JobRequest, Plan, PlanLevel, Problem, Timestamp};

    use super::*;

    /// A job of four objects in two leaves, each in two ranges of columns.
    fn job() -> JobSnapshot {
        let at = Timestamp::from_millis(1);
        let request = JobRequest::new(Inputs::Prefix("in/".to_owned()));
        let mut job = JobSnapshot::submitted(JobId::from_parts(at, 1), request, 1, at);
        job.phase = Phase::Running;
        job.plan = Some(Plan {
            objects: 4,
            columns: Some(2048),
            fan_in: 2,
            segment_columns: 1024,
            partial_column_bytes: 16,
            levels: vec![PlanLevel { nodes: 2, ranges: 2, range_segments: 1, fan_in: 2 }],
            estimate: Estimate::default(),
        });
        job
    }

    #[test]
    fn a_file_is_in_the_state_of_the_tasks_that_read_it() {
        let mut leaves = LevelStates::waiting(4);
        leaves.set(0, DrawnState::Complete);
        let states =
            |leaves: &LevelStates| Some(TaskStates { version: 1, levels: vec![leaves.clone()] });
        let told = |leaves: &LevelStates, index| {
            FileState::of(&job(), states(leaves).as_ref(), index, "in/a").unwrap()
        };
        assert_eq!(told(&leaves, 1), FileState::Partly(1, 2));
        assert_eq!(told(&leaves, 2), FileState::Waiting);
        leaves.set(1, DrawnState::Complete);
        leaves.set(3, DrawnState::Speculative);
        assert_eq!(told(&leaves, 0), FileState::Summed);
        assert_eq!(told(&leaves, 3), FileState::Running(0, 2));
        assert_eq!(FileState::of(&job(), None, 0, "in/a"), None, "the tasks are not known");
        // Nothing is read of a job that was cancelled.
        leaves.set(1, DrawnState::Waiting);
        let mut over = job();
        over.phase = Phase::Cancelled;
        let told = |index| FileState::of(&over, states(&leaves).as_ref(), index, "in/a");
        assert_eq!(told(0), Some(FileState::Partly(1, 2)));
        assert_eq!(told(2), Some(FileState::NotSummed));
    }

    #[test]
    fn the_file_that_a_job_failed_of_is_wrong() {
        let mut job = job();
        job.phase = Phase::Failed;
        job.error = Some(Problem::no_numbers("in/b"));
        let told = |location| FileState::of(&job, None, 0, location);
        assert_eq!((told("in/b"), told("in/a")), (Some(FileState::Wrong), None));
        job.phase = Phase::Done;
        job.error = None;
        assert_eq!(FileState::of(&job, None, 0, "in/a"), Some(FileState::Summed));
    }
}
