//! The first numbers of a result.

use leptos::prelude::*;
use protocol::result::Number;

use crate::format::count;

/// The first numbers of a result with all their digits: each the shortest text that
/// parses to the same number.
#[component]
pub fn FirstNumbers(
    /// The first numbers.
    first: Vec<Number>,
    /// C, the number of all.
    columns: u64,
) -> impl IntoView {
    let shown = first.len() as u64;
    let heading = if shown < columns {
        format!("First {} of {}", count(shown), count(columns))
    } else {
        "All numbers".to_owned()
    };
    let rows = (0..)
        .zip(first)
        .map(|(index, number)| {
            view! {
                <li>
                    <span class="index">{count(index)}</span>
                    <code>{number}</code>
                </li>
            }
        })
        .collect_view();
    view! {
        <h3>{heading}</h3>
        <ol class="first-numbers" start="0">
            {rows}
        </ol>
    }
}
