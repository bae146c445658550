//! What went wrong, where, and what to do.

use leptos::prelude::*;
use protocol::Problem;

use super::icon::{Drawn, WARNING};

/// A problem: its kind, what was wrong and where, and what to do.
#[component]
pub fn ProblemCard(
    /// Which.
    problem: Problem,
) -> impl IntoView {
    let object = problem.object.map(|object| {
        view! {
            <p class="problem-object">
                "In " <code>{object}</code>
            </p>
        }
    });
    let remedy = (!problem.remedy.is_empty())
        .then(|| view! { <p class="problem-remedy">{problem.remedy}</p> });
    view! {
        <div class="problem" role="alert">
            <Drawn icon=WARNING />
            <div>
                <h2>{problem.title}</h2>
                <p>{problem.detail}</p>
                {object}
                {remedy}
            </div>
        </div>
    }
}
