//! The input files of a job.

use leptos::prelude::*;
use leptos_router::components::A;
use leptos_router::hooks::use_query_map;
use protocol::detail::InputPage;
use protocol::job::TensorsSummary;

use super::file_name::FileName;
use super::job::frame::{framed, or_problem};
use super::job::shown_id;
use super::table::Table;
use crate::calls;
use crate::format::{bytes, count};
use crate::pages::tensor_list::{PartKind, TensorList, parts_of};
use crate::paths::JobTab;

/// The input files of a job, in pages: each with its size and the version that was read.
#[component]
pub fn InputsPage() -> impl IntoView {
    let (id, query) = (shown_id(), use_query_map());
    let start = move || {
        let start = query.with(|query| query.get_str("start").and_then(|it| it.parse().ok()));
        start.unwrap_or(0)
    };
    let page = Resource::new(
        move || (id(), start()),
        async |(id, start)| {
            let job = calls::job(id.clone()).await?;
            let inputs = calls::inputs(&id, start).await;
            Ok::<_, calls::CallError>((job, (id, start, inputs)))
        },
    );
    view! {
        <Suspense>
            {move || Suspend::new(async move {
                framed(page.await, JobTab::Inputs, |job, (id, start, found)| {
                    let parts = parts_of(&job.value.inputs);
                    or_problem(found, |page| {
                        view! { <InputFiles id start page parts /> }.into_any()
                    })
                })
            })}
        </Suspense>
    }
}

#[component]
fn InputFiles(
    id: String,
    start: u64,
    page: InputPage,
    parts: Option<(PartKind, TensorsSummary)>,
) -> impl IntoView {
    let tensors = parts.map(|(kind, tensors)| view! { <TensorList kind tensors /> });
    let has_weights = page.inputs.iter().any(|file| file.weight.is_some());
    let rows = (start..)
        .zip(page.inputs)
        .map(|(index, file)| {
            let weight = has_weights.then(|| {
                let weight = file.weight.map(|weight| format!("{weight:?}"));
                view! { <td class="number">{weight}</td> }
            });
            view! {
                <tr>
                    <td class="number">{count(index)}</td>
                    <td>
                        <FileName location=file.location />
                        {(!file.parts.is_empty())
                            .then(|| {
                                let shards = count(file.parts.len() as u64 - 1);
                                view! { <span class="hint">" with "{shards}" shards"</span> }
                            })}
                    </td>
                    <td class="number">{bytes(file.bytes)}</td>
                    {weight}
                    <td>
                        <code>{file.version.unwrap_or_else(|| "none".to_owned())}</code>
                    </td>
                </tr>
            }
        })
        .collect_view();
    let columns = match has_weights {
        true => vec!["Index", "File", "Size", "Weight", "Version"],
        false => vec!["Index", "File", "Size", "Version"],
    };
    let next = page.cursor.map(|cursor| {
        view! {
            <p class="older">
                <A
                    href=format!("/jobs/{id}/inputs?start={cursor}")
                    attr:class="button"
                    attr:rel="next"
                >
                    "More files"
                </A>
            </p>
        }
    });
    view! {
        <section class="card" aria-labelledby="inputs-heading">
            <header class="card-header">
                <h2 id="inputs-heading">"Input files"</h2>
                <span class="hint">{count(page.total)} " in all"</span>
                <a class="card-header-link" href=format!("/api/jobs/{id}/inputs")>
                    "As JSON"
                </a>
            </header>
            <p class="hint">
                "Every read was held to the version: an ETag, or what identifies the content of a file."
            </p>
            <Table label="Input files" columns>
                {rows}
            </Table>
            {next} {tensors}
        </section>
    }
}
