//! The page that asks before something is done with the jobs that are ticked in a list.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::A;
use leptos_router::hooks::use_query_map;
use protocol::{JobSnapshot, Role};

use super::not_found::Missing;
use crate::backend::caller_or_nobody;
use crate::calls::{self, CancelJobs, DeleteJobs};
use crate::components::icon::{Drawn, Icon};
use crate::components::job_row::TICKED;
use crate::filter::{STATUS, Status, TEXT};
use crate::format::{job_title, plural};
use crate::paths::{JOBS, job_path};
use crate::selection::{ACTION, Action, Selection};

/// The page that asks before jobs are cancelled or deleted, and says of each why it cannot
/// be.
#[component]
pub fn SelectedPage() -> impl IntoView {
    let query = use_query_map();
    let asked = move || query.with(Selection::from_query);
    let found = Resource::new(asked, async |selection| {
        let jobs = calls::selected(&selection).await;
        jobs.map(|jobs| (selection, jobs))
    });
    view! {
        <Title text="Selected jobs" />
        <Suspense>
            {move || Suspend::new(async move {
                match found.await {
                    Ok((selection, jobs)) => view! { <Selected selection jobs /> }.into_any(),
                    Err(error) => view! { <Missing problem=error.0 /> }.into_any(),
                }
            })}
        </Suspense>
    }
}

#[component]
fn Selected(selection: Selection, jobs: Vec<JobSnapshot>) -> impl IntoView {
    let caller = caller_or_nobody();
    let action = selection.action;
    let judged: Vec<(JobSnapshot, Option<String>)> = jobs
        .into_iter()
        .map(|job| {
            let obstacle = action.obstacle(&job, &caller);
            (job, obstacle)
        })
        .collect();
    let ready: Vec<String> = judged
        .iter()
        .filter(|(_, obstacle)| obstacle.is_none())
        .map(|(job, _)| job.id.to_string())
        .collect();
    let words = words(action, judged.len(), ready.len());
    let rows =
        judged.into_iter().map(|(job, obstacle)| view! { <JobLine job obstacle /> }).collect_view();
    let list = format!("{JOBS}{}", selection.filter.query(&[]));
    let confirm = (!ready.is_empty()).then(|| view! { <Confirm selection jobs=ready /> });
    view! {
        <section class="card selected" aria-labelledby="selected-heading">
            <header class="card-header">
                <h1 id="selected-heading">{format!("{} jobs", action.title())}</h1>
            </header>
            <p>{words}</p>
            <ul class="selected-jobs">{rows}</ul>
            <div class="selected-actions">
                {confirm}
                <A href=list attr:class="button">
                    "Back to the list"
                </A>
            </div>
        </section>
    }
}

#[component]
fn JobLine(job: JobSnapshot, obstacle: Option<String>) -> impl IntoView {
    let phase = job.phase.word();
    let is_ready = obstacle.is_none().to_string();
    view! {
        <li data-job=job.id.to_string() data-ready=is_ready>
            <a href=job_path(job.id)>{job_title(&job)}</a>
            <span class="badge phase" data-state=phase>
                <Drawn icon=Icon::of_phase(job.phase) />
                <span>{phase}</span>
            </span>
            <span class="hint">{obstacle}</span>
        </li>
    }
}

/// The form that does it.
#[component]
fn Confirm(selection: Selection, jobs: Vec<String>) -> impl IntoView {
    let number = plural(jobs.len() as u64, "job", "jobs");
    let fields = view! {
        <input type="hidden" name="jobs" value=jobs.join(",") />
        <input type="hidden" name=TEXT value=selection.filter.text />
        <input type="hidden" name=STATUS value=selection.filter.status.word() />
    };
    match selection.action {
        Action::Compare => ().into_any(),
        Action::Cancel => {
            let cancel = ServerAction::<CancelJobs>::new();
            view! {
                <ActionForm action=cancel>
                    {fields}
                    <button type="submit" class="button danger">
                        {format!("Cancel {number}")}
                    </button>
                </ActionForm>
            }
            .into_any()
        }
        Action::Delete => {
            let delete = ServerAction::<DeleteJobs>::new();
            view! {
                <ActionForm action=delete>
                    {fields}
                    <button type="submit" class="button danger">
                        {format!("Delete {number} permanently")}
                    </button>
                </ActionForm>
            }
            .into_any()
        }
    }
}

/// What will happen, or why nothing can.
fn words(action: Action, jobs: usize, ready: usize) -> String {
    let number = |jobs: usize| plural(jobs as u64, "job", "jobs");
    match (action, jobs, ready) {
        (Action::Compare, _, _) => format!(
            "The results of two jobs can be compared; {} ticked. Tick two in the list.",
            plural(jobs as u64, "job is", "jobs are")
        ),
        (_, 0, _) => "No job is ticked. Tick some in the list.".to_owned(),
        (Action::Cancel, _, 0) => "None of the ticked jobs can be cancelled.".to_owned(),
        (Action::Delete, _, 0) => "None of the ticked jobs can be deleted.".to_owned(),
        (Action::Cancel, ..) => {
            format!("{} of {} will be cancelled. They can be resumed.", ready, number(jobs))
        }
        (Action::Delete, ..) => format!(
            "{} of {} will be deleted with their results. Their links will stop working.",
            ready,
            number(jobs)
        ),
    }
}

/// The bar below a list of jobs whose rows have ticks: what can be done with those that
/// are ticked.
#[component]
pub fn SelectionBar(
    /// The text of the filter of the list.
    text: String,
    /// The status of the filter of the list.
    status: Status,
) -> impl IntoView {
    let may_submit = caller_or_nobody().may(Role::Submit);
    let buttons = Action::ALL
        .map(|action| {
            // Why it is disabled is said beside it.
            let is_off = action != Action::Compare && !may_submit;
            view! {
                <button
                    type="submit"
                    class="button small"
                    name=ACTION
                    value=action.word()
                    disabled=is_off
                >
                    {action.title()}
                </button>
            }
        })
        .collect_view();
    let why = (!may_submit).then(|| {
        view! {
            <span class="hint">
                "Cancelling jobs, and deleting one's own, needs a token with the role submit."
            </span>
        }
    });
    view! {
        <form class="selection-bar" id=TICKED action="/jobs/selected" method="get">
            <span class="ticked-jobs">"Ticked jobs:"</span>
            {buttons} {why} <input type="hidden" name=TEXT value=text />
            <input type="hidden" name=STATUS value=status.word() />
        </form>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_will_happen_is_told_with_numbers() {
        let told = |action, jobs, ready| words(action, jobs, ready).replace('\u{a0}', " ");
        assert_eq!(
            told(Action::Delete, 3, 2),
            "2 of 3 jobs will be deleted with their results. Their links will stop working."
        );
        assert_eq!(told(Action::Cancel, 0, 0), "No job is ticked. Tick some in the list.");
        assert_eq!(told(Action::Cancel, 2, 0), "None of the ticked jobs can be cancelled.");
        let compared = told(Action::Compare, 1, 1);
        assert!(compared.contains("1 job is ticked"), "{compared}");
    }
}
