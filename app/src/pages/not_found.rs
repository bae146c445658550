//! The page for an unknown address.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::A;
use protocol::Problem;
use protocol::problem::ProblemKind;

/// The page for an unknown address.
#[component]
pub fn NotFoundPage() -> impl IntoView {
    crate::backend::set_response_status(ProblemKind::NotFound.status());
    let problem = Problem::new(ProblemKind::NotFound, "No page exists at this address.");
    view! { <Missing problem /> }
}

/// Replaces a page that cannot be shown: the error, and links to other pages.
#[component]
pub fn Missing(
    /// Why the page cannot be shown.
    problem: Problem,
) -> impl IntoView {
    let heading = problem.title;
    view! {
        <Title text=heading.clone() />
        <section class="missing" data-state="missing">
            <p class="missing-status" aria-hidden="true">
                {problem.status}
            </p>
            <h1>{heading}</h1>
            <p>{problem.detail}</p>
            <p>{problem.remedy}</p>
            <p class="missing-links">
                <A href="/" attr:class="button primary">
                    "Start a job"
                </A>
                <A href="/jobs" attr:class="button">
                    "View history"
                </A>
            </p>
        </section>
    }
}
