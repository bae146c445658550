//! The page for a link that leads nowhere.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::A;
use protocol::Problem;
use protocol::problem::ProblemKind;

/// The page for an address that is none of the program's.
#[component]
pub fn NotFoundPage() -> impl IntoView {
    crate::backend::answer_with_status(ProblemKind::NotFound.status());
    let problem = Problem::new(ProblemKind::NotFound, "There is no page at this address.");
    view! { <Missing problem /> }
}

/// What stands in place of a page that cannot be shown: why, and where to go.
#[component]
pub fn Missing(
    /// Why there is no page.
    problem: Problem,
) -> impl IntoView {
    let heading = match problem.kind {
        ProblemKind::NotFound => "Not found".to_owned(),
        _ => problem.title.clone(),
    };
    view! {
        <Title text=heading.clone() />
        <section class="missing" data-state="missing">
            <p class="missing-status" aria-hidden="true">
                {problem.status}
            </p>
            <h1>{heading}</h1>
            <p>{problem.detail}</p>
            <p>{problem.remedy}</p>
            <p class="missing-ways">
                <A href="/" attr:class="button primary">
                    "Start a job"
                </A>
                <A href="/jobs" attr:class="button">
                    "Look through the history"
                </A>
            </p>
        </section>
    }
}
