//! The history: all jobs in pages, searched and filtered.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::A;
use leptos_router::hooks::use_query_map;
use protocol::JobId;

use super::not_found::Missing;
use super::selected::SelectionBar;
use crate::calls::{self, HistoryPageData};
use crate::clock::AsOf;
use crate::components::problem_card::ProblemCard;
use crate::filter::{JobFilter, STATUS, Status, TEXT};
use crate::islands::Given;
use crate::islands::history::LiveHistory;
use crate::notices;
use crate::paths::JOBS;

/// The history: all jobs that match a filter, newest first, in pages.
#[component]
pub fn HistoryPage() -> impl IntoView {
    let query = use_query_map();
    let shown = move || {
        query.with(|query| {
            let before: Option<JobId> = query.get_str("before").and_then(|id| id.parse().ok());
            (JobFilter::from_query(query), before)
        })
    };
    let page = Resource::new(shown, async |(filter, before)| {
        let page = calls::history(&filter, before).await;
        page.map(|page| (filter, page))
    });
    view! {
        <Title text="History" />
        <Suspense>
            {move || Suspend::new(async move {
                match page.await {
                    Ok((filter, page)) => view! { <History filter page /> }.into_any(),
                    Err(error) => view! { <Missing problem=error.0 /> }.into_any(),
                }
            })}
        </Suspense>
    }
}

#[component]
fn History(filter: JobFilter, page: AsOf<HistoryPageData>) -> impl IntoView {
    let AsOf { at, value: HistoryPageData { jobs, cursor, counts, newest } } = page;
    let older = cursor.map(|cursor| {
        let query = filter.query(&[("before", cursor.to_string())]);
        view! {
            <p class="older">
                <A href=format!("/jobs{query}") attr:class="button" attr:rel="next">
                    "Older jobs"
                </A>
            </p>
        }
    });
    let mut news = filter.query(&[("newest", newest.to_string())]);
    news.insert_str(0, "/app/history-news");
    let (text, status) = (filter.text.clone(), filter.status);
    let searched = filter.clone();
    let first_page = format!("{JOBS}{}", filter.query(&[]));
    let refused = notices::shown().map(|problem| view! { <ProblemCard problem=Some(problem) /> });
    view! {
        <section class="card history" aria-labelledby="history-heading">
            {refused}
            <LiveHistory jobs=Given(AsOf { at, value: jobs }) counts=Given(counts) news newest=first_page>
                <Search filter=searched />
            </LiveHistory>
            <Nothing filter />
            <SelectionBar text status />
            {older}
        </section>
    }
}

/// Says that no job matches the filter. It is shown while the list is empty.
#[component]
fn Nothing(filter: JobFilter) -> impl IntoView {
    let jobs = match filter.status {
        Status::All => String::new(),
        status => format!("{} ", status.word()),
    };
    let JobFilter { text, status } = filter;
    match text.is_empty() {
        true => view! { <p class="empty">{format!("No {jobs}jobs.")}</p> }.into_any(),
        false => {
            let cleared = JobFilter { text: String::new(), status }.query(&[]);
            view! {
                <p class="empty">
                    {format!("No {jobs}job matches '{text}'. ")}
                    <a href=format!("{JOBS}{cleared}")>"Clear the search"</a>
                </p>
            }
            .into_any()
        }
    }
}

/// The form that searches the list. It keeps the status.
#[component]
fn Search(filter: JobFilter) -> impl IntoView {
    let status = (filter.status != Status::All).then(|| {
        view! { <input type="hidden" name=STATUS value=filter.status.word() /> }
    });
    view! {
        <form class="search" role="search" action="/jobs" method="get">
            <input
                type="search"
                name=TEXT
                value=filter.text
                placeholder="Name, folder, id …"
                aria-label="Search jobs"
            />
            {status}
            <button type="submit" class="button small">
                "Search"
            </button>
        </form>
    }
}
