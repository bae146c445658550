//! The tensors of model weights, the variables of NetCDF files, or the columns of tables.

use leptos::prelude::*;
use protocol::job::{InputSummary, TensorSummary, TensorsSummary};
use protocol::request::SELECT;

use crate::form::JobForm;
use crate::format::{count, plural};

/// So many tensors are listed without being asked for.
const LISTED: u64 = 12;

/// What the parts of the files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartKind {
    /// The tensors of model weights.
    Tensor,
    /// The variables of NetCDF files.
    Variable,
    /// The columns of tables, which have neither a type nor a shape.
    Column,
}

impl PartKind {
    /// The word for one, and for several.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            PartKind::Tensor => ("tensor", "tensors"),
            PartKind::Variable => ("variable", "variables"),
            PartKind::Column => ("column", "columns"),
        }
    }
}

/// The parts of the inputs that are averaged, if they have names.
#[must_use]
pub fn parts_of(inputs: &InputSummary) -> Option<(PartKind, TensorsSummary)> {
    let InputSummary { tensors, variables, header, .. } = inputs;
    let tensors = tensors.clone().map(|parts| (PartKind::Tensor, parts));
    let variables = variables.clone().map(|parts| (PartKind::Variable, parts));
    let header = header.as_ref().map(|header| {
        let column =
            |name: &String| TensorSummary { name: name.clone(), ..TensorSummary::default() };
        let first = header.first.iter().map(column).collect();
        (PartKind::Column, TensorsSummary { count: header.count, first })
    });
    tensors.or(variables).or(header)
}

/// The tensors, variables or columns that are averaged: their names, types and shapes.
#[component]
pub fn TensorList(
    /// What they are.
    kind: PartKind,
    /// The tensors, variables or columns.
    tensors: TensorsSummary,
    /// The form of the job, if others can still be chosen.
    #[prop(optional_no_strip)]
    form: Option<JobForm>,
) -> impl IntoView {
    let (one, several) = kind.words();
    let more = tensors.count.saturating_sub(tensors.first.len() as u64);
    let more = (more > 0).then(|| {
        let more = plural(more, &format!("more {one}"), &format!("more {several}"));
        view! { <p class="hint">"and " {more}</p> }
    });
    let summary = plural(tensors.count, one, several);
    let is_open = tensors.count <= LISTED;
    let has_types = kind != PartKind::Column;
    let is_only = tensors.count == 1;
    let rows = tensors
        .first
        .into_iter()
        .map(|TensorSummary { name, dtype, shape }| {
            let choices = form.as_ref().filter(|_| !is_only).map(|form| choices(form, &name));
            let types = has_types.then(|| {
                view! {
                    <td>{dtype}</td>
                    <td class="number">{sides(&shape)}</td>
                }
            });
            view! {
                <tr>
                    <td>
                        <code>{name}</code>
                    </td>
                    {types}
                    {choices}
                </tr>
            }
        })
        .collect_view();
    let titles = has_types.then(|| {
        view! {
            <th scope="col">"Type"</th>
            <th scope="col">"Shape"</th>
        }
    });
    let all = form.filter(|form| !form.typed(&SELECT).is_empty()).map(|form| {
        let href = form.selection_path("");
        view! {
            <p>
                <a href=href>"Select all " {several}</a>
            </p>
        }
    });
    view! {
        <details class="tensors" open=is_open>
            <summary>{summary}</summary>
            <div class="table-scroll" tabindex="0" role="region" aria-label=several>
                <table class="files">
                    <thead>
                        <tr>
                            <th scope="col">"Name"</th>
                            {titles}
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
            {more} {all}
        </details>
    }
}

/// Links to the same form without a part, or with nothing else. A comma would end its name.
fn choices(form: &JobForm, name: &str) -> impl IntoView + use<> {
    let links = (!name.contains(',')).then(|| {
        let selected = form.typed(&SELECT).trim();
        let separator = if selected.is_empty() { "" } else { ", " };
        let without = form.selection_path(&format!("{selected}{separator}!{name}"));
        let only = form.selection_path(name);
        view! {
            <a href=without aria-label=format!("Leave out {name}")>
                "Leave out"
            </a>
            " · "
            <a href=only aria-label=format!("Only {name}")>
                "Only this"
            </a>
        }
    });
    view! { <td>{links}</td> }
}

/// A shape in words.
fn sides(shape: &[u64]) -> String {
    match shape {
        [] => "one number".to_owned(),
        _ => shape.iter().map(|&side| count(side)).collect::<Vec<_>>().join(" × "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_its_lengths() {
        assert_eq!(sides(&[4096, 12]), "4\u{202f}096 × 12");
        assert_eq!(sides(&[]), "one number");
    }
}
