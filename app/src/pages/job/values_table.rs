//! The values of a result in pages.

use leptos::prelude::*;
use protocol::JobId;
use protocol::view::{Grid, Values};

use super::step_link::StepLink;
use crate::format::count;
use crate::result_query::{PAGE_VALUES, ResultQuery};

/// A page of the values of a result with all their digits: each the shortest text that parses
/// to the same number.
#[component]
pub fn ValuesTable(
    /// The id of the job.
    id: JobId,
    /// The values.
    values: Values,
    /// The rows and columns of a result of two dimensions.
    grid: Option<Grid>,
    /// What the page was asked to show.
    query: ResultQuery,
) -> impl IntoView {
    let Values { start, columns, values } = values;
    let end = start + values.len() as u64;
    let heading = match (start, end) {
        (0, end) if end == columns => "All values".to_owned(),
        (0, end) => format!("First {} of {} values", count(end), count(columns)),
        _ => format!("Values {} to {} of {}", count(start), count(end - 1), count(columns)),
    };
    let rows = (start..)
        .zip(values)
        .map(|(index, number)| {
            let is_marked = query.index == Some(index);
            view! {
                <li data-marked=is_marked.then_some("true")>
                    <span class="index">{name(index, grid)}</span>
                    <code>{number}</code>
                </li>
            }
        })
        .collect_view();
    view! {
        <h3>{heading}</h3>
        <ol class="first-numbers" start=start>
            {rows}
        </ol>
        <Pages id start columns query />
    }
}

/// The name of an index: its row and its place where there are two dimensions.
fn name(index: u64, grid: Option<Grid>) -> String {
    grid.map_or_else(
        || count(index),
        |grid| {
            let (row, place) = grid.place(index);
            format!("{}, {}", count(row), count(place))
        },
    )
}

/// The links to other pages, and the form that jumps to an index.
#[component]
fn Pages(id: JobId, start: u64, columns: u64, query: ResultQuery) -> impl IntoView {
    let page = start / PAGE_VALUES + 1;
    let last = columns.div_ceil(PAGE_VALUES).max(1);
    let link = |name: &'static str, label: &'static str, to: u64| {
        let asked = ResultQuery { page: Some(to), ..query.clone() };
        let href = (to != page).then(|| format!("{}#values", asked.address(id)));
        view! { <StepLink name label href /> }
    };
    let links = [
        link("page-first", "First", 1),
        link("page-previous", "Previous", page.saturating_sub(1).max(1)),
        link("page-next", "Next", (page + 1).min(last)),
        link("page-last", "Last", last),
    ];
    (last > 1).then(|| {
        view! {
            <nav class="value-pages" aria-label="Pages of values">
                {links.into_iter().collect_view()}
                <span class="hint">{format!("Page {} of {}", count(page), count(last))}</span>
            </nav>
        }
    })
}
