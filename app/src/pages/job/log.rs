//! What happened to a job.

use leptos::prelude::*;
use protocol::timeline::Timeline;
use protocol::{JobId, JobSnapshot};

use super::attempt_facts::LocalTime;
use crate::paths::JobTab;
use crate::run_log::{Entry, Kind, entries};

/// What happened to a job, oldest first: its phases, restarts of the server, and the
/// attempts that did not simply complete their task.
#[component]
pub fn LogView(
    /// The job.
    job: JobSnapshot,
    /// Its attempts, if they were recorded.
    timeline: Option<Timeline>,
    /// The word of the kind of entries that are shown; all if absent.
    kind: Option<String>,
) -> impl IntoView {
    let shown = kind.as_deref().and_then(Kind::of_word);
    let all = entries(&job, timeline.as_ref());
    let links = Kind::ALL
        .iter()
        .map(|kind| {
            let count = all.iter().filter(|entry| entry.kind == *kind).count();
            view! { <KindLink id=job.id kind=Some(*kind) count is_shown=shown == Some(*kind) /> }
        })
        .collect_view();
    let total = all.len();
    let rows = all
        .into_iter()
        .filter(|entry| shown.is_none_or(|kind| entry.kind == kind))
        .map(|entry| view! { <EntryRow entry /> })
        .collect_view();
    view! {
        <section class="card log" aria-labelledby="log-heading" data-part="log">
            <header class="card-header">
                <h2 id="log-heading">"What happened"</h2>
                <nav class="log-kinds" aria-label="Kinds of entries">
                    <KindLink id=job.id kind=None count=total is_shown=shown.is_none() />
                    {links}
                </nav>
            </header>
            <ol class="log-entries">{rows}</ol>
        </section>
    }
}

#[component]
fn KindLink(id: JobId, kind: Option<Kind>, count: usize, is_shown: bool) -> impl IntoView {
    let path = JobTab::Log.path(id);
    let href = kind.map_or_else(|| path.clone(), |kind| format!("{path}?kind={}", kind.word()));
    view! {
        <a href=href aria-current=is_shown.then_some("true")>
            {kind.map_or("all", Kind::word)} " " <b>{count}</b>
        </a>
    }
}

#[component]
fn EntryRow(entry: Entry) -> impl IntoView {
    view! {
        <li data-kind=entry.kind.word()>
            <LocalTime at=entry.at />
            <span>{entry.words}</span>
        </li>
    }
}
