//! The figures of an array of a result.

use leptos::prelude::*;
use protocol::JobId;
use protocol::result::{Figures, Histogram, Number};
use protocol::view::Grid;

use crate::calls::Array;
use crate::format::{count, percent_exactly, plural};
use crate::picture::axis::{Span, value_marks};
use crate::picture::curve::SIDE;
use crate::picture::histogram::bars;
use crate::result_query::ResultQuery;

/// The approximate number of marks below a histogram.
const MARKS: u32 = 4;

/// The figures of an array: the minimum and the maximum with links to them, the values that
/// are not finite, quantiles, and a histogram.
#[component]
pub fn ResultFigures(
    /// The id of the job.
    id: JobId,
    /// C, the number of values.
    columns: u64,
    /// The rows and columns of a result of two dimensions.
    grid: Option<Grid>,
    /// The array.
    array: Array,
    /// What the page was asked to show.
    query: ResultQuery,
) -> impl IntoView {
    let Array { min, max, figures, .. } = array;
    let Some(figures) = figures else {
        return view! {
            <dl class="figures result-figures">
                <Extreme label="Minimum" value=min link=None />
                <Extreme label="Maximum" value=max link=None />
            </dl>
            <p class="hint">
                "An earlier version wrote this result: it recorded no indices, quantiles or "
                "histogram. Run the job again to have them."
            </p>
        }
        .into_any();
    };
    let link = |index: Option<u64>| {
        let index = index?;
        let name = match grid {
            None => format!("at {}", count(index)),
            Some(grid) => {
                let (row, place) = grid.place(index);
                format!("at row {}, column {}", count(row), count(place))
            }
        };
        let asked = query.with_index(index, columns, grid);
        Some((name, format!("{}#explorer", asked.address(id))))
    };
    let (least, greatest) = (link(figures.min_index), link(figures.max_index));
    let quantiles = figures
        .quantiles
        .iter()
        .map(|quantile| {
            let label = match quantile.fraction {
                0.5 => "Median".to_owned(),
                fraction => format!("{} quantile", percent_exactly(fraction)),
            };
            view! {
                <div class="figure">
                    <dt>{label}</dt>
                    <dd class="number">{quantile.value.clone()}</dd>
                </div>
            }
        })
        .collect_view();
    let exactness = exactness(&figures, columns);
    let histogram = figures.histogram.map(|histogram| {
        let is_sample = figures.sampled < columns;
        view! { <HistogramFigure histogram is_sample /> }
    });
    view! {
        <div class="result-figures">
            <dl class="figures">
                <Extreme label="Minimum" value=min link=least />
                <Extreme label="Maximum" value=max link=greatest />
                <Extreme label="NaN values" value=Some(count(figures.nan)) link=None />
                <Extreme label="Infinite values" value=Some(count(figures.infinite)) link=None />
            </dl>
            <dl class="figures">{quantiles}</dl>
            {histogram}
        </div>
        <p class="hint">{exactness}</p>
    }
    .into_any()
}

/// A figure, with a link to its index.
#[component]
fn Extreme(
    label: &'static str,
    value: Option<Number>,
    link: Option<(String, String)>,
) -> impl IntoView {
    let link = link.map(|(name, href)| {
        view! {
            " "
            <a data-view="true" href=href>
                {name}
            </a>
        }
    });
    value.map(|value| {
        view! {
            <div class="figure">
                <dt>{label} {link}</dt>
                <dd class="number">{value}</dd>
            </div>
        }
    })
}

/// How exact quantiles and a histogram are.
fn exactness(figures: &Figures, columns: u64) -> String {
    if figures.quantiles.is_empty() {
        return "All values are NaN.".to_owned();
    }
    if figures.sampled == columns {
        return "All figures are exact; NaN is left out of the quantiles.".to_owned();
    }
    // Twice the standard deviation of the rank of the median, the largest of all.
    let off = 1.0 / (figures.sampled as f64).sqrt();
    format!(
        "Extremes and counts are exact. Quantiles and histogram are those of {} of {}, one of \
         each of as many equal ranges: the rank of the median is right to {} of all values in 95 \
         of 100 cases, others closer.",
        count(figures.sampled),
        plural(columns, "value", "values"),
        percent_exactly(off),
    )
}

#[component]
fn HistogramFigure(histogram: Histogram, is_sample: bool) -> impl IntoView {
    let Histogram { low, high, counts, below, above } = histogram;
    let most = counts.iter().copied().max().unwrap_or(0);
    let marks = match low < high {
        true => value_marks(Span { low, high }, MARKS),
        false => Vec::new(),
    };
    let marks = marks
        .into_iter()
        .map(|mark| {
            let left = format!("{:.2}%", mark.position * 100.0);
            view! { <span style:left=left>{mark.label}</span> }
        })
        .collect_view();
    let values = if is_sample { "sampled values" } else { "values" };
    let bins = plural(counts.len() as u64, "bin", "bins");
    let outside = (below + above > 0).then(|| {
        view! {
            <span>{format!("beyond the bins: {} below, {} above", count(below), count(above))}</span>
        }
    });
    let label = format!(
        "Histogram of the {values} from {low:?} to {high:?} in {bins}; the highest has {}",
        count(most)
    );
    view! {
        <figure class="histogram">
            <svg
                viewBox=format!("0 0 {SIDE} {SIDE}")
                preserveAspectRatio="none"
                role="img"
                aria-label=label
            >
                <path d=bars(&counts) />
            </svg>
            <div class="plot-indices" aria-hidden="true">
                {marks}
            </div>
            <figcaption>
                <span>{format!("{bins}, up to {} {values}", count(most))}</span>
                {outside}
            </figcaption>
        </figure>
    }
}

#[cfg(test)]
mod tests {
    use protocol::result::Quantile;

    use super::*;

    #[test]
    fn a_page_tells_how_exact_its_quantiles_are() {
        let quantiles = vec![Quantile { fraction: 0.5, value: "1.0".to_owned() }];
        let figures = Figures { sampled: 65_536, quantiles, ..Figures::default() };
        assert!(exactness(&figures, 65_536).starts_with("All figures are exact"));
        let told = exactness(&figures, 1_000_000);
        assert!(told.contains("65\u{202f}536 of 1\u{202f}000\u{202f}000\u{a0}values"), "{told}");
        assert!(told.contains("right to 0.39\u{a0}% of all values"), "{told}");
        assert_eq!(exactness(&Figures::default(), 3), "All values are NaN.");
    }
}
