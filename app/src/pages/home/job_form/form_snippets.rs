//! The request of the form with curl, in Python and by the command line.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use crate::components::problem_card::ProblemCard;
use crate::form::{JobForm, SNIPPETS_WORD};
use crate::pages::snippets::{SnippetList, this_server};
use crate::snippets::Snippets;

/// The request of the form as it was when the page was loaded, in a disclosure, and a button
/// that loads the page with what was typed since.
#[component]
pub fn FormSnippets(
    /// The texts of the fields.
    form: JobForm,
) -> impl IntoView {
    let is_open = use_query_map().with_untracked(|query| query.get_str(SNIPPETS_WORD).is_some());
    let shown = match form.request() {
        Ok(request) => {
            let snippets = Snippets::of_request(&request, &this_server());
            view! { <SnippetList snippets /> }.into_any()
        }
        // Nobody is told of errors before they have asked for anything.
        Err(problem) if is_open => view! { <ProblemCard problem=Some(problem) /> }.into_any(),
        Err(_) => view! { <p class="hint">"Fill in the form first."</p> }.into_any(),
    };
    view! {
        <details class="snippet" id="snippets" open=is_open>
            <summary>"This request with curl, in Python and by the command line"</summary>
            {shown}
            <button
                type="submit"
                class="button small"
                formmethod="get"
                formaction="/#snippets"
                name=SNIPPETS_WORD
                value="shown"
            >
                "Show what is filled in now"
            </button>
        </details>
    }
}
