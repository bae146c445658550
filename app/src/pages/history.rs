//! The history: all jobs in pages.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::A;
use leptos_router::hooks::use_query_map;
use protocol::JobId;
use protocol::live::JobPage;

use super::not_found::Missing;
use crate::calls;
use crate::clock::AsOf;
use crate::islands::Given;
use crate::islands::history::LiveHistory;

/// The history: all jobs, newest first, in pages.
#[component]
pub fn HistoryPage() -> impl IntoView {
    let query = use_query_map();
    let before =
        move || -> Option<JobId> { query.with(|query| query.get_str("before")?.parse().ok()) };
    let page = Resource::new(before, calls::jobs);
    view! {
        <Title text="History" />
        <Suspense>
            {move || Suspend::new(async move {
                match page.await {
                    Ok(page) => view! { <History page /> }.into_any(),
                    Err(error) => view! { <Missing problem=error.0 /> }.into_any(),
                }
            })}
        </Suspense>
    }
}

#[component]
fn History(page: AsOf<JobPage>) -> impl IntoView {
    let AsOf { at, value: JobPage { jobs, cursor } } = page;
    let older = cursor.map(|cursor| {
        view! {
            <p class="older">
                <A href=format!("/jobs?before={cursor}") attr:class="button" attr:rel="next">
                    "Older jobs"
                </A>
            </p>
        }
    });
    view! {
        <section class="card" aria-labelledby="history-heading">
            <LiveHistory jobs=Given(AsOf { at, value: jobs }) />
            {older}
        </section>
    }
}
