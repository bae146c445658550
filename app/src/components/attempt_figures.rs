//! The number of a job's attempts by outcome.

use leptos::prelude::*;
use protocol::JobSnapshot;
use protocol::job::AttemptCounts;

use super::figure::Figure;
use crate::format::{count, duration};

/// The number of a job's attempts by outcome.
#[component]
pub fn AttemptFigures(
    /// The job.
    job: RwSignal<JobSnapshot>,
) -> impl IntoView {
    let counted = move |figure: fn(&AttemptCounts) -> u64| {
        Signal::derive(move || count(job.with(|job| figure(&job.attempts))))
    };
    view! {
        <section class="card" aria-labelledby="attempts-heading">
            <header class="card-header">
                <h2 id="attempts-heading">"Attempts"</h2>
            </header>
            <dl class="figures">
                <Figure label="Started" value=counted(|attempts| attempts.started) />
                <Figure label="Running" value=counted(|attempts| attempts.running) />
                <Figure label="Completed" value=counted(|attempts| attempts.completed) />
                <Figure label="Failed" value=counted(|attempts| attempts.failed) />
                <Figure
                    label="Lost"
                    hint="Their lease expired: no heartbeat from the worker"
                    value=counted(|attempts| attempts.lost)
                />
                <Figure
                    label="Superseded"
                    hint="Another attempt completed their task"
                    value=counted(|attempts| attempts.superseded)
                />
                <Figure
                    label="Speculative"
                    hint="Second attempts at the tasks of stragglers"
                    value=counted(|attempts| attempts.speculative)
                />
                <Figure
                    label="Speculative, won"
                    hint="Completed their task before the straggler"
                    value=counted(|attempts| attempts.speculative_won)
                />
                <Figure
                    label="Speculation run time, saved"
                    hint="Total run time of speculative attempts, and estimated time saved"
                    value=Signal::derive(move || job.with(run_time_and_saved))
                />
            </dl>
        </section>
    }
}

fn run_time_and_saved(job: &JobSnapshot) -> String {
    let AttemptCounts { speculative_ms, saved_ms, .. } = job.attempts;
    format!("{}, {}", duration(speculative_ms), duration(saved_ms))
}
