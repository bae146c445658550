//! What went wrong, where, and what to do.

use leptos::prelude::*;
use protocol::Problem;

use super::icon::{Drawn, WARNING};

/// A problem, if there is one: its kind, what was wrong and where, and what to do.
#[component]
pub fn ProblemCard(
    /// Which.
    #[prop(into)]
    problem: Signal<Option<Problem>>,
) -> impl IntoView {
    let text = move |text: fn(&Problem) -> &str| {
        Signal::derive(move || problem.with(|problem| problem.as_ref().map_or("", text).to_owned()))
    };
    // Most say in their detail which object it is.
    let object = |problem: &Problem| {
        problem.object.as_ref().is_some_and(|object| !problem.detail.contains(&**object))
    };
    view! {
        <div
            class="problem"
            role="alert"
            hidden=Signal::derive(move || problem.with(Option::is_none))
        >
            <Drawn icon=WARNING />
            <div>
                <h2>{text(|problem| &problem.title)}</h2>
                <p>{text(|problem| &problem.detail)}</p>
                <p hidden=Signal::derive(move || {
                    !problem.with(|problem| problem.as_ref().is_some_and(object))
                })>
                    "In " <code>{text(|problem| problem.object.as_deref().unwrap_or_default())}</code>
                </p>
                <p class="problem-remedy">{text(|problem| &problem.remedy)}</p>
            </div>
        </div>
    }
}
