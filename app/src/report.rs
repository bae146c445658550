//! The report of a job: one HTML file that shows everything and needs nothing else.

use std::sync::Arc;

use axum::http::request::Parts;
use leptos::prelude::*;
use protocol::detail::InputPage;
use protocol::request::{Choice, Statistic};
use protocol::result::{Image, ResultSummary};
use protocol::timeline::Timeline;
use protocol::view::{Envelope, Grid};
use protocol::{JobId, JobSnapshot, Problem};

use crate::backend::{Backend, host};
use crate::calls::{Array, ImageView};
use crate::format::{bytes, count, duration, job_title, plural, rescue_words, short, utc};
use crate::pages::job::first_numbers::FirstNumbers;
use crate::pages::job::log::LogView;
use crate::pages::job::png::data_url;
use crate::pages::job::provenance::Provenance;
use crate::pages::job::result_figures::ResultFigures;
use crate::pages::job::result_plot::ResultPlot;
use crate::pages::job::run::picture::RunPicture;
use crate::pages::table::Table;
use crate::paths::job_path;
use crate::picture::colour_map::gradient;
use crate::picture::sides::Sides;
use crate::result_query::ResultQuery;

/// The styles of the parts that a report consists of.
const STYLES: [&str; 8] = [
    include_str!("../../style/00-tokens.css"),
    include_str!("../../style/10-base.css"),
    include_str!("../../style/20-layout.css"),
    include_str!("../../style/30-parts.css"),
    include_str!("../../style/70-job.css"),
    include_str!("../../style/75-run.css"),
    include_str!("../../style/80-result.css"),
    include_str!("../../style/90-forced.css"),
];
/// The layout of a report.
const LAYOUT: &str = "body{max-width:75rem;margin:auto;padding:1.5rem}\
    .card{margin-top:1.5rem}main>h1{overflow-wrap:anywhere}\
    .result h2,.result h3{margin:1.5rem 0 .5rem}\
    :root:not([data-script]) .run-svg{min-width:0;overflow:visible}\
    @media(max-width:40rem){.run-axis text:nth-of-type(even){display:none}}";
/// The marks on the time axis. On a narrow screen every second one has no label.
const MARKS: u64 = 3;
/// The files that are listed: the page of the inputs lists the others.
const FILES: usize = 100;

/// What a report shows.
struct Contents {
    job: JobSnapshot,
    /// The mean and the statistics, each with its image if the result has two dimensions.
    arrays: Vec<(Array, Option<(ImageView, Image)>)>,
    timeline: Option<Timeline>,
    inputs: Option<InputPage>,
}

/// The report of a job that is over, as HTML; `request` asks for it.
///
/// # Errors
///
/// If there is no such job, or its result cannot be read.
pub async fn report(
    backend: Arc<dyn Backend>,
    id: JobId,
    request: Parts,
) -> Result<String, Problem> {
    let (job, _) = backend.job_with_tasks(id).await?;
    let mut arrays = Vec::new();
    if let Some(result) = &job.result {
        let grid = Grid::of(result.shape.as_deref(), job.inputs.fortran_order);
        let statistics = result.statistics.iter().copied().map(Some);
        for statistic in std::iter::once(None).chain(statistics) {
            let array = Array::of(result, statistic);
            let image = match grid {
                Some(grid) => {
                    let view = ImageView::new(grid, &array, &ResultQuery::default());
                    Some((view, backend.image(id, statistic, view.range).await?))
                }
                None => None,
            };
            arrays.push((array, image));
        }
    }
    // What was not recorded is left out.
    let timeline = backend.timeline(id, None, None).await.ok();
    let inputs = backend.inputs(id, 0, FILES).await.ok();
    let contents = Contents { job, arrays, timeline, inputs };
    let owner = Owner::new();
    let body = owner.with(|| {
        provide_context(backend);
        provide_context(request);
        document(contents)
    });
    Ok(body)
}

/// The whole file.
fn document(contents: Contents) -> String {
    let title = job_title(&contents.job);
    let base = format!("{}{}", host(), job_path(contents.job.id));
    let styles = STYLES.concat();
    let html = view! {
        <html lang="en">
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="color-scheme" content="light dark" />
                // Links lead to the server; nothing is loaded from it.
                <base href=base />
                <title>{format!("{title} · report")}</title>
                <style inner_html=format!("{styles}{LAYOUT}")></style>
            </head>
            <body>
                <main>
                    <Whole contents />
                </main>
            </body>
        </html>
    };
    format!("<!DOCTYPE html>{}", html.to_html())
}

#[component]
fn Whole(contents: Contents) -> impl IntoView {
    let Contents { job, arrays, timeline, inputs } = contents;
    let id = job.id;
    let result = job.result.clone().unwrap_or_default();
    let problem =
        job.error.as_ref().map(|error| view! { <p class="notice">{error.to_string()}</p> });
    let shown = arrays
        .into_iter()
        .map(|(array, image)| view! { <ArrayReport id array image result=result.clone() /> })
        .collect_view();
    let run = timeline.clone().map(|timeline| view! { <Run job=job.clone() timeline /> });
    let files = inputs.map(|page| view! { <Files page /> });
    view! {
        <p class="breadcrumb">
            <a href=job_path(id)>{format!("Job {id}")}</a>
        </p>
        <h1>{job_title(&job)}</h1>
        <Summary job=job.clone() />
        {problem}
        {shown}
        {run}
        <Provenance job=job.clone() />
        {files}
        <LogView job timeline kind=None />
        <p class="hint">{concat!("distributed-average ", env!("CARGO_PKG_VERSION"))}</p>
    }
}

/// What a job was, in one table.
#[component]
fn Summary(job: JobSnapshot) -> impl IntoView {
    let started = job.timings.submitted_at;
    let took = job.timings.ended_at.map(|ended| duration(ended.millis_since(started)));
    let rows = [
        ("State", Some(job.phase.word().to_owned())),
        ("Submitted", Some(utc(started))),
        ("Ended", job.timings.ended_at.map(utc)),
        ("Took", took),
        ("Files", job.inputs.objects.map(count)),
        ("Size of the files", job.inputs.bytes.map(bytes)),
        ("Format", job.inputs.format.clone()),
        ("Values per file", job.inputs.columns.map(count)),
        ("Workers", Some(count(job.workers.into()))),
        ("Read", Some(bytes(job.bytes.input_read))),
    ];
    let rows = rows
        .into_iter()
        .filter_map(|(label, value)| value.map(|value| view! { <Row label value /> }))
        .collect_view();
    view! {
        <section class="card">
            <dl class="figures">{rows}</dl>
        </section>
    }
}

#[component]
fn Row(label: &'static str, value: String) -> impl IntoView {
    view! {
        <div class="figure">
            <dt>{label}</dt>
            <dd class="number">{value}</dd>
        </div>
    }
}

/// An array of the result: its picture, figures, hash and first values.
#[component]
fn ArrayReport(
    id: JobId,
    array: Array,
    image: Option<(ImageView, Image)>,
    result: ResultSummary,
) -> impl IntoView {
    let columns = result.columns;
    let statistic = array.statistic;
    let what = statistic.map_or("mean", Statistic::title);
    let grid = image.as_ref().map(|(view, _)| view.grid);
    let picture = match image {
        Some((view, image)) => view! { <Picture what view image /> }.into_any(),
        None => {
            let points = array.plot.clone();
            let envelope = Envelope { start: 0, end: columns, columns, points };
            view! { <ResultPlot what envelope /> }.into_any()
        }
    };
    let file = array.file.clone().map(|file| {
        view! {
            <dl class="figures provenance">
                <Row label="Size of the .npy" value=bytes(file.bytes) />
                <Row label="SHA-256 of the .npy" value=file.sha256 />
            </dl>
        }
    });
    let first = array.first.clone();
    let query = ResultQuery { statistic, ..ResultQuery::default() };
    view! {
        <section class="card result" data-array=statistic.map_or("mean", Statistic::word)>
            <h2>{format!("Result: {what}")}</h2>
            <p class="hint">
                {plural(columns, "value", "values")} " of " {plural(result.objects, "file", "files")}
            </p>
            {picture}
            <ResultFigures id columns grid array query />
            {file}
            <FirstNumbers first columns />
        </section>
    }
}

/// The image of an array, with the scale of its colours.
#[component]
fn Picture(what: &'static str, view: ImageView, image: Image) -> impl IntoView {
    let sides = Sides::of(view.grid.width, view.grid.rows);
    let url = data_url(&image)?;
    let scale = view.range.map(|(low, high)| {
        view! {
            <span class="number">{short(low)}</span>
            <span class="scale-colours" style:background=gradient()></span>
            <span class="number">{short(high)}</span>
        }
    });
    let gaps = view.has_gaps.then(|| view! { <span class="scale-nan">"NaN or infinite"</span> });
    let told = if view.robust { "2 % to 98 %, beyond in the end colours" } else { "all values" };
    Some(view! {
        <figure class="result-image" data-shape=sides.word() style=sides.style()>
            <div class="image-area">
                <img src=url alt=format!("Image of the {what}") />
            </div>
            <figcaption>
                <span class="scale">{scale} {gaps}</span>
                <span>{told}</span>
            </figcaption>
        </figure>
    })
}

/// The attempts over time.
#[component]
fn Run(job: JobSnapshot, timeline: Timeline) -> impl IntoView {
    let stories = timeline
        .rescues
        .iter()
        .map(|rescue| view! { <p class="story">{rescue_words(rescue)}</p> })
        .collect_view();
    let (id, timings, restarts) = (job.id, job.timings, job.restarts);
    view! {
        <section class="card run">
            <h2>"Attempts over time"</h2>
            {stories}
            <RunPicture id timeline timings restarts marks=MARKS />
        </section>
    }
}

/// The first input files.
#[component]
fn Files(page: InputPage) -> impl IntoView {
    let listed = page.inputs.len() as u64;
    let heading = match listed == page.total {
        true => "Input files".to_owned(),
        false => format!("First {} of {} input files", count(listed), count(page.total)),
    };
    let rows = page
        .inputs
        .into_iter()
        .map(|file| {
            view! {
                <tr>
                    <td><code>{file.location}</code></td>
                    <td class="number">{bytes(file.bytes)}</td>
                    <td><code>{file.version.unwrap_or_else(|| "none".to_owned())}</code></td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="card">
            <h2>{heading}</h2>
            <Table label="Input files" columns=vec!["File", "Size", "Version"]>
                {rows}
            </Table>
        </section>
    }
}
