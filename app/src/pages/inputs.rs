//! The input files of a job.

use leptos::prelude::*;
use leptos_router::components::A;
use leptos_router::hooks::use_query_map;
use protocol::detail::InputPage;

use super::job::frame::JobFrame;
use super::job::shown_id;
use super::not_found::Missing;
use crate::calls;
use crate::components::problem_card::ProblemCard;
use crate::format::{bytes, count};
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
            Ok::<_, calls::CallError>((job, id, start, inputs))
        },
    );
    view! {
        <Suspense>
            {move || Suspend::new(async move {
                match page.await {
                    Ok((mut page, id, start, inputs)) => {
                        page.value.0.result = None;
                        let shown = match inputs {
                            Ok(inputs) => view! { <InputFiles id start page=inputs /> }.into_any(),
                            Err(error) => {
                                view! { <ProblemCard problem=Some(error.0) /> }.into_any()
                            }
                        };
                        view! { <JobFrame page tab=JobTab::Inputs>{shown}</JobFrame> }.into_any()
                    }
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
