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
    let time = move |figure: fn(&AttemptCounts) -> u64| {
        Signal::derive(move || duration(job.with(|job| figure(&job.attempts))))
    };
    view! {
        <section class="card" aria-labelledby="attempts-heading">
            <header class="card-header">
                <h2 id="attempts-heading">"Attempts"</h2>
            </header>
            <dl class="figures">
                <Figure
                    label="Started"
                    hint="The sum of running, completed, failed, lost, superseded and stopped"
                    value=counted(|attempts| attempts.started)
                />
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
                    label="Stopped"
                    hint="Replaced because they were too slow, handed back by a worker that left, or ended with the job"
                    value=counted(|attempts| attempts.stopped)
                />
                <Figure
                    label="Of these, speculative"
                    hint="Second attempts at the tasks of stragglers"
                    value=counted(|attempts| attempts.speculative)
                />
                <Figure
                    label="Speculative, won"
                    hint="Completed their task before the straggler"
                    value=counted(|attempts| attempts.speculative_won)
                />
                <Figure
                    label="Speculative, run time"
                    value=time(|attempts| attempts.speculative_ms)
                />
                <Figure
                    label="Task time saved, estimated"
                    hint="How much longer the stragglers' tasks would have run, added up; not the duration of the job"
                    value=time(|attempts| attempts.saved_ms)
                />
            </dl>
        </section>
    }
}
