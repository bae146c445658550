//! The image of a result of two dimensions, of which a part can be shown.

use leptos::prelude::*;
use protocol::JobId;
use protocol::request::Choice;
use protocol::view::{Envelope, Grid};

use super::result_plot::ResultPlot;
use crate::calls::{ImageView, Profile};
use crate::format::{count, short};
use crate::paths::job_path;
use crate::picture::colour_map::gradient;
use crate::picture::sides::Sides;
use crate::picture::window::Window;
use crate::result_query::ResultQuery;

/// The image of a part of a result, with the colours' scale, and the mark of an index.
#[component]
pub fn ImageFigure(
    /// The id of the job.
    id: JobId,
    /// What is drawn, such as `mean`.
    what: &'static str,
    /// The part.
    image: ImageView,
    /// What the page was asked to show.
    query: ResultQuery,
) -> impl IntoView {
    let ImageView { grid, .. } = image;
    let (across, down) = (image.across(), image.down());
    let sides = Sides::of(grid.width, grid.rows);
    let address = image_address(id, &image, &query);
    let mark = query.index.and_then(|index| mark(grid, across, down, index));
    let is_marked = mark.is_some();
    let shown = format!(
        "{} and {}",
        part_words("row", down, grid.rows),
        part_words("column", across, grid.width)
    );
    let left_out = match grid.lines_apart(&(down.start..down.end), &(across.start..across.end)) {
        1 => None,
        apart => {
            let line = if grid.is_fortran { "column" } else { "row" };
            Some(format!("one {line} of {} is drawn", count(apart)))
        }
    };
    let label = match image.range {
        Some((low, high)) => format!(
            "Image of the {what}, {shown}, from {} (dark) to {} (light)",
            short(low),
            short(high)
        ),
        None => format!("Image of the {what}, {shown}"),
    };
    view! {
        <figure class="result-image" data-shape=sides.word() style=sides.style()>
            <div class="image-area" data-area="true">
                <img src=address alt=label />
                <span class="image-cursor" id="plot-cursor" style=mark hidden=!is_marked></span>
            </div>
            <figcaption>
                <span>{shown} {left_out.map(|told| format!("; {told}"))}</span>
                <Scale id image query />
            </figcaption>
        </figure>
    }
}

/// The colours' scale, and the link that changes their range.
#[component]
fn Scale(id: JobId, image: ImageView, query: ResultQuery) -> impl IntoView {
    let ImageView { range, robust, has_gaps, .. } = image;
    let colours = range.map(|(low, high)| {
        view! {
            <span class="number">{short(low)}</span>
            <span class="scale-colours" style:background=gradient()></span>
            <span class="number">{short(high)}</span>
        }
    });
    let gaps = has_gaps.then(|| view! { <span class="scale-nan">"NaN or infinite"</span> });
    let (told, other) = match query.full_range || !robust {
        true => ("from the minimum to the maximum", "From 2 % to 98 %"),
        false => (
            "from the 2 % to the 98 % quantile, beyond in the end colours",
            "From minimum to maximum",
        ),
    };
    let link = robust.then(|| {
        let asked = ResultQuery { full_range: !query.full_range, ..query };
        let href = format!("{}#explorer", asked.address(id));
        view! { <a id="view-range" data-view="true" href=href>{other}</a> }
    });
    view! {
        <span class="scale">{colours} {gaps}</span>
        <span>{told} ". " {link}</span>
    }
}

/// The address of the image of a part.
#[must_use]
pub fn image_address(id: JobId, image: &ImageView, query: &ResultQuery) -> String {
    let (across, down) = (image.across(), image.down());
    let mut address = format!(
        "/api{}/image.png?rows={}..{}&columns={}..{}",
        job_path(id),
        down.start,
        down.end,
        across.start,
        across.end
    );
    if let Some(statistic) = query.statistic {
        address += &format!("&statistic={}", statistic.word());
    }
    if let Some((low, high)) = image.range {
        address += &format!("&low={low:?}&high={high:?}");
    }
    address
}

/// The position of an index over an image, if its part shows it.
fn mark(grid: Grid, across: Window, down: Window, index: u64) -> Option<String> {
    let (row, place) = grid.place(index);
    let (x, y) = (across.cell_position(place)?, down.cell_position(row)?);
    Some(format!("--at:{x};--down:{y}"))
}

fn part_words(line: &str, part: Window, all: u64) -> String {
    if part == Window::whole(all) {
        return format!("all {} {line}s", count(all));
    }
    format!("{line}s {} to {} of {}", count(part.start), count(part.end - 1), count(all))
}

/// The profiles of the row and the column of an index, or of the middle.
#[component]
pub fn Profiles(
    /// The profiles.
    profiles: Vec<Profile>,
) -> impl IntoView {
    let shown = profiles
        .into_iter()
        .map(|Profile { is_row, line, start, end, points }| {
            let (name, axis) = if is_row { ("Row", "column") } else { ("Column", "row") };
            let heading = format!("{name} {}", count(line));
            let plot = match points {
                Some(points) => {
                    let envelope = Envelope { start, end, columns: end, points };
                    let what = format!("values of {} {line}", name.to_lowercase());
                    view! { <ResultPlot what envelope axis /> }.into_any()
                }
                None => view! {
                    <p class="hint">"Too much would have to be read: zoom in to see it."</p>
                }
                .into_any(),
            };
            view! {
                <section class="profile">
                    <h3>{heading}</h3>
                    {plot}
                </section>
            }
        })
        .collect_view();
    view! { <div class="profiles">{shown}</div> }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_marked_in_the_middle_of_its_cell() {
        let grid = Grid { rows: 10, width: 20, is_fortran: false };
        let (across, down) = (Window { start: 5, end: 15 }, Window::whole(10));
        assert_eq!(mark(grid, across, down, 27), Some("--at:0.25;--down:0.15".to_owned()));
        assert_eq!(mark(grid, across, down, 20), None, "left of the part");
        assert_eq!(part_words("row", down, 10), "all 10 rows");
        assert_eq!(part_words("column", across, 20), "columns 5 to 14 of 20");
    }
}
