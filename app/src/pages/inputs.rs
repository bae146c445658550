//! The input files of a job.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::A;
use leptos_router::hooks::{use_params_map, use_query_map};
use protocol::detail::InputPage;

use super::not_found::Missing;
use crate::calls;
use crate::format::{bytes, count};

/// The input files of a job, in pages: each with its size and the version that was read.
#[component]
pub fn InputsPage() -> impl IntoView {
    let (params, query) = (use_params_map(), use_query_map());
    let shown = move || {
        let id = params.with(|params| params.get("id").unwrap_or_default());
        let start = query.with(|query| query.get_str("start").and_then(|it| it.parse().ok()));
        (id, start.unwrap_or(0))
    };
    let page = Resource::new(shown, async |(id, start)| {
        let page = calls::inputs(&id, start).await;
        page.map(|page| (id, start, page))
    });
    view! {
        <Title text="Input files" />
        <Suspense>
            {move || Suspend::new(async move {
                match page.await {
                    Ok((id, start, page)) => view! { <InputFiles id start page /> }.into_any(),
                    Err(error) => view! { <Missing problem=error.0 /> }.into_any(),
                }
            })}
        </Suspense>
    }
}

#[component]
fn InputFiles(id: String, start: u64, page: InputPage) -> impl IntoView {
    let rows = (start..)
        .zip(page.inputs)
        .map(|(index, file)| {
            view! {
                <tr>
                    <td class="number">{count(index)}</td>
                    <td>
                        <code>{file.location}</code>
                    </td>
                    <td class="number">{bytes(file.bytes)}</td>
                    <td>
                        <code>{file.version.unwrap_or_else(|| "none".to_owned())}</code>
                    </td>
                </tr>
            }
        })
        .collect_view();
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
    let shown_id = id.clone();
    view! {
        <p class="breadcrumb">
            <A href="/jobs">"Jobs"</A>
            <span aria-hidden="true">"/"</span>
            <A href=format!("/jobs/{id}")>
                <code>{shown_id}</code>
            </A>
        </p>
        <section class="card" aria-labelledby="inputs-heading">
            <header class="card-header">
                <h1 id="inputs-heading">"Input files"</h1>
                <span class="hint">{count(page.total)} " in all"</span>
                <a class="card-header-link" href=format!("/api/jobs/{id}/inputs")>
                    "As JSON"
                </a>
            </header>
            <p class="hint">
                "Every read was held to the version: an ETag, or what identifies the content of a file."
            </p>
            <div class="table-scroll" tabindex="0" role="region" aria-label="Input files">
                <table class="files">
                    <thead>
                        <tr>
                            <th scope="col">"Index"</th>
                            <th scope="col">"File"</th>
                            <th scope="col">"Size"</th>
                            <th scope="col">"Version"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
            {next}
        </section>
    }
}
