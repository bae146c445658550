//! An error: what is wrong, where, and the remedy.

use leptos::prelude::*;
use protocol::Problem;

use super::icon::{Drawn, WARNING};

/// An error: its kind, what is wrong and where, and the remedy. Hidden if there
/// is none.
#[component]
pub fn ProblemCard(
    /// The error, if there is one.
    #[prop(into)]
    problem: Signal<Option<Problem>>,
) -> impl IntoView {
    let text = move |text: fn(&Problem) -> &str| {
        Signal::derive(move || problem.with(|problem| problem.as_ref().map_or("", text).to_owned()))
    };
    // The detail of most errors names the object already.
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
