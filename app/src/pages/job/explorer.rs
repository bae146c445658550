//! The picture of a result, of which a part can be shown.

use leptos::prelude::*;
use protocol::JobId;
use protocol::request::{Choice, Statistic};
use protocol::result::Number;
use protocol::view::Grid;

use super::image_view::{ImageFigure, Profiles};
use super::result_plot::ResultPlot;
use super::step_link::StepLink;
use super::values_table::ValuesTable;
use crate::calls::{ImageView, ResultView};
use crate::format::count;
use crate::paths::job_path;
use crate::picture::window::{NARROWEST, Window};
use crate::result_query::ResultQuery;

/// The parts of a result's page that change when its picture is zoomed or moved, an index is
/// marked, or the table turned: the picture, the value under the pointer, and the table.
#[component]
pub fn Explorer(
    /// The id of the job.
    id: JobId,
    /// C, the number of values.
    columns: u64,
    /// The array that is shown; the mean if `None`.
    statistic: Option<Statistic>,
    /// The part that is shown.
    shown: ResultView,
    /// What the page was asked to show.
    query: ResultQuery,
) -> impl IntoView {
    let ResultView { envelope, image, profiles, values, value } = shown;
    let grid = image.map(|image| image.grid);
    let profiles = (!profiles.is_empty()).then(|| {
        view! { <div data-part="profiles"><Profiles profiles /></div> }
    });
    if query.at.is_some() {
        return view! {
            <div data-part="at">
                <Readout columns grid index=query.at value />
            </div>
            {profiles}
        }
        .into_any();
    }
    let query = query.with_place(grid);
    let what = statistic.map_or("mean", Statistic::title);
    let window =
        image.map_or(Window { start: envelope.start, end: envelope.end }, |it| it.across());
    let down = image.map(|image| image.down());
    let picture = match image {
        Some(image) => view! { <ImageFigure id what image query=query.clone() /> }.into_any(),
        None => {
            let mark = query.index.and_then(|index| window.position(index));
            let mark = mark.map(|position| format!("--at:{position}"));
            let is_marked = mark.is_some();
            view! {
                <ResultPlot what envelope>
                    <span class="plot-cursor" id="plot-cursor" style=mark hidden=!is_marked></span>
                    <span class="plot-brush" id="plot-brush" hidden=true></span>
                </ResultPlot>
            }
            .into_any()
        }
    };
    let tools = match image {
        Some(image) => view! { <ImageTools id image query=query.clone() /> }.into_any(),
        None => view! { <Tools id columns window query=query.clone() /> }.into_any(),
    };
    view! {
        <div data-part="view">
            <div
                class="explorer"
                id="explorer"
                tabindex="0"
                role="group"
                aria-label="Picture of the result"
                aria-describedby="explorer-keys"
                data-path=job_path(id)
                data-query=query.lasting()
                data-columns=grid.map_or(columns, |grid| grid.width)
                data-rows=grid.map(|grid| grid.rows)
                data-top=down.map(|down| down.start)
                data-bottom=down.map(|down| down.end)
                data-order=grid.filter(|grid| grid.is_fortran).map(|_| "fortran")
                data-from=window.start
                data-to=window.end
                data-start=window.start
                data-end=window.end
                data-first=down.map(|down| down.start)
                data-last=down.map(|down| down.end)
                data-index=query.index
            >
                {picture}
            </div>
            {tools}
        </div>
        <div data-part="at" aria-live="polite">
            <Readout columns grid index=query.index value />
        </div>
        {profiles}
        <div data-part="values" id="values">
            <ValuesTable id values grid query />
        </div>
    }
    .into_any()
}

/// The value at an index.
#[component]
pub fn Readout(
    /// C, the number of values.
    columns: u64,
    /// The rows and columns of a result of two dimensions.
    grid: Option<Grid>,
    /// The index; no value is shown if `None`.
    index: Option<u64>,
    /// The value; `None` if there is no such index.
    value: Option<Number>,
) -> impl IntoView {
    let shown = match (index, value) {
        (Some(index), Some(value)) => {
            let name = grid.map_or_else(
                || format!("Index {}", count(index)),
                |grid| {
                    let (row, place) = grid.place(index);
                    format!("Row {}, column {}", count(row), count(place))
                },
            );
            view! { {name} ": " <code>{value}</code> }.into_any()
        }
        (Some(index), None) => {
            let last = count(columns.saturating_sub(1));
            format!("There is no index {}: the last is {last}.", count(index)).into_any()
        }
        (None, _) => "No index is marked.".into_any(),
    };
    view! { <p class="readout">{shown}</p> }
}

/// The links that zoom and move the picture, and the form that jumps to an index.
#[component]
fn Tools(id: JobId, columns: u64, window: Window, query: ResultQuery) -> impl IntoView {
    let position = query.index.and_then(|index| window.position(index)).unwrap_or(0.5);
    let address = |to: Window| {
        let href = format!("{}#explorer", query.with_window(to, columns).address(id));
        (to != window).then_some(href)
    };
    let links = [
        ("view-in", "Zoom in", address(window.zoomed(0.25, position, columns))),
        ("view-out", "Zoom out", address(window.zoomed(4.0, position, columns))),
        ("view-left", "Left", address(window.moved(-0.5, columns))),
        ("view-right", "Right", address(window.moved(0.5, columns))),
        ("view-all", "All", address(Window::whole(columns))),
    ];
    let kept = [
        ("statistic", query.statistic.map(|it| it.word().to_owned())),
        ("from", query.from.map(|from| from.to_string())),
        ("to", query.to.map(|to| to.to_string())),
    ];
    let shown = (columns > NARROWEST).then(|| {
        view! {
            <div class="run-tools">
                {links.map(|(name, label, href)| view! { <StepLink name label href /> }).collect_view()}
                <form class="jump" method="get" action=format!("{}#values", job_path(id))>
                    <Kept kept=kept.to_vec() />
                    <JumpField name="index" label="Index" value=query.index />
                    <button type="submit" class="button small">"Go"</button>
                </form>
            </div>
        }
    });
    view! {
        {shown}
        <p class="hint needs-script" id="explorer-keys">
            "Drag over a part to zoom in. Arrow keys read values, Enter marks one; + − zoom, "
            "Shift with an arrow moves, 0 shows all; Ctrl with the wheel zooms."
        </p>
    }
}

/// The links that zoom and move an image, and the form that jumps to a number of it.
#[component]
fn ImageTools(id: JobId, image: ImageView, query: ResultQuery) -> impl IntoView {
    let (grid, across, down) = (image.grid, image.across(), image.down());
    let place = query.index.map(|index| grid.place(index));
    let (x, y) = place
        .and_then(|(row, place)| across.cell_position(place).zip(down.cell_position(row)))
        .unwrap_or((0.5, 0.5));
    let address = |to: (Window, Window)| {
        let href = format!("{}#explorer", query.with_part(to.0, to.1, grid).address(id));
        (to != (across, down)).then_some(href)
    };
    let zoomed =
        |factor: f64| (across.zoomed(factor, x, grid.width), down.zoomed(factor, y, grid.rows));
    let links = [
        ("view-in", "Zoom in", address(zoomed(0.5))),
        ("view-out", "Zoom out", address(zoomed(2.0))),
        ("view-left", "Left", address((across.moved(-0.5, grid.width), down))),
        ("view-right", "Right", address((across.moved(0.5, grid.width), down))),
        ("view-up", "Up", address((across, down.moved(-0.5, grid.rows)))),
        ("view-down", "Down", address((across, down.moved(0.5, grid.rows)))),
        ("view-all", "All", address((Window::whole(grid.width), Window::whole(grid.rows)))),
    ];
    let number = |number: Option<u64>| number.map(|number| number.to_string());
    let kept = [
        ("statistic", query.statistic.map(|it| it.word().to_owned())),
        ("range", query.full_range.then(|| "full".to_owned())),
        ("from", number(query.from)),
        ("to", number(query.to)),
        ("top", number(query.top)),
        ("bottom", number(query.bottom)),
    ];
    view! {
        <div class="run-tools">
            {links.map(|(name, label, href)| view! { <StepLink name label href /> }).collect_view()}
            <form class="jump" method="get" action=format!("{}#values", job_path(id))>
                <Kept kept=kept.to_vec() />
                <JumpField name="row" label="Row" value=place.map(|it| it.0) />
                <JumpField name="column" label="Column" value=place.map(|it| it.1) />
                <button type="submit" class="button small">"Go"</button>
            </form>
        </div>
        <p class="hint needs-script" id="explorer-keys">
            "Drag to move. Arrow keys read values and profiles, Enter marks a value; + − zoom, "
            "Shift with an arrow moves, 0 shows all; Ctrl with the wheel zooms."
        </p>
    }
}

/// What a form keeps of the address.
#[component]
fn Kept(kept: Vec<(&'static str, Option<String>)>) -> impl IntoView {
    kept.into_iter()
        .filter_map(|(name, value)| {
            value.map(|value| view! { <input type="hidden" name=name value=value /> })
        })
        .collect_view()
}

/// A field of a form that jumps to an index.
#[component]
fn JumpField(name: &'static str, label: &'static str, value: Option<u64>) -> impl IntoView {
    let id = format!("jump-{name}");
    view! {
        <label for=id.clone()>{label}</label>
        <input
            id=id
            name=name
            inputmode="numeric"
            autocomplete="off"
            required
            value=value.map(|value| value.to_string())
        />
    }
}
