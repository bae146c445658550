//! A table of a page.

use leptos::prelude::*;

/// A table with headings, in a region that scrolls sideways where there is no room, also by
/// the keyboard.
#[component]
pub fn Table(
    /// What it lists, for screen readers.
    label: &'static str,
    /// The headings of the columns.
    columns: Vec<&'static str>,
    /// The heading of a last column, which only screen readers tell.
    #[prop(optional)]
    actions: Option<&'static str>,
    /// Whether a narrow screen shows the cells of a row below each other; each then has its
    /// heading as `data-label`.
    #[prop(optional)]
    stacked: bool,
    /// The rows.
    children: Children,
) -> impl IntoView {
    let headings =
        columns.into_iter().map(|title| view! { <th scope="col">{title}</th> }).collect_view();
    let actions = actions.map(|title| {
        view! {
            <th scope="col">
                <span class="visually-hidden">{title}</span>
            </th>
        }
    });
    view! {
        <div class="table-scroll" tabindex="0" role="region" aria-label=label>
            <table class=if stacked { "files stacked" } else { "files" }>
                <thead>
                    <tr>{headings} {actions}</tr>
                </thead>
                <tbody>{children()}</tbody>
            </table>
        </div>
    }
}
