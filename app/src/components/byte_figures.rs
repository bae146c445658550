//! The bytes that a job has read and written.

use leptos::prelude::*;
use protocol::JobSnapshot;
use protocol::job::ByteCounts;

use super::figure::Figure;
use crate::format::bytes;

/// The bytes that a job's attempts have read and written.
#[component]
pub fn ByteFigures(
    /// The job.
    job: RwSignal<JobSnapshot>,
) -> impl IntoView {
    let counted = move |figure: fn(&ByteCounts) -> u64| {
        Signal::derive(move || bytes(job.with(|job| figure(&job.bytes))))
    };
    let inputs = Signal::derive(move || {
        job.with(|job| job.inputs.bytes.map_or_else(|| "unknown".to_owned(), bytes))
    });
    view! {
        <section class="card" aria-labelledby="bytes-heading">
            <header class="card-header">
                <h2 id="bytes-heading">"Data moved"</h2>
            </header>
            <dl class="figures">
                <Figure label="Input size" value=inputs />
                <Figure label="Input read" value=counted(|moved| moved.input_read) />
                <Figure
                    label="Partial sums written"
                    value=counted(|moved| moved.written)
                />
                <Figure
                    label="Partial sums read"
                    value=counted(|moved| moved.partial_read)
                />
                <Figure
                    label="Input re-read"
                    hint="Input bytes read more than once: by other attempts, and headers"
                    value=counted(|moved| moved.read_twice)
                />
                <Figure
                    label="Segments reused"
                    hint="Bytes of finished segments that a later attempt reused"
                    value=counted(|moved| moved.reused)
                />
            </dl>
        </section>
    }
}
