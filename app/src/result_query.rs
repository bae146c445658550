//! What a page of a result was asked to show.

use leptos_router::params::ParamsMap;
use protocol::JobId;
use protocol::request::{Choice, Statistic};
use protocol::view::Grid;
use serde::{Deserialize, Serialize};

use crate::paths::job_path;
use crate::picture::window::Window;

/// What a page of a result was asked to show, and the addresses of such pages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultQuery {
    /// The statistic; the mean if absent.
    pub statistic: Option<Statistic>,
    /// The first column of the picture; all if this and `to` are absent.
    pub from: Option<u64>,
    /// The column after the last.
    pub to: Option<u64>,
    /// The first row of an image; all if this and `bottom` are absent.
    pub top: Option<u64>,
    /// The row after the last.
    pub bottom: Option<u64>,
    /// Whether the colours of an image reach from the minimum to the maximum, not from 2 % to
    /// 98 %.
    pub full_range: bool,
    /// The row that is marked, where no index is.
    pub row: Option<u64>,
    /// The place in the row.
    pub column: Option<u64>,
    /// The index that is marked, and that the table shows.
    pub index: Option<u64>,
    /// The index under the pointer: only its value is asked for.
    pub at: Option<u64>,
    /// The page of the table, from 1.
    pub page: Option<u64>,
}

/// The values on a page of the table.
pub const PAGE_VALUES: u64 = 20;

impl ResultQuery {
    /// Reads a query. What is no number, or no statistic, is absent.
    #[must_use]
    pub fn from_query(query: &ParamsMap) -> ResultQuery {
        // People write groups of digits too.
        let number = |name| {
            let text: String =
                query.get_str(name)?.split([' ', '+', ',', '_', '\u{202f}']).collect();
            text.parse().ok()
        };
        let word = query.get_str("statistic");
        ResultQuery {
            statistic: Statistic::ALL.iter().copied().find(|it| Some(it.word()) == word),
            from: number("from"),
            to: number("to"),
            top: number("top"),
            bottom: number("bottom"),
            full_range: query.get_str("range") == Some("full"),
            row: number("row"),
            column: number("column"),
            index: number("index"),
            at: number("at"),
            page: number("page"),
        }
    }

    /// The same with the index of the row and the place that it names, if it names no index.
    #[must_use]
    pub fn with_place(self, grid: Option<Grid>) -> ResultQuery {
        let place = grid.zip(self.row.zip(self.column));
        let index = place.filter(|(grid, (row, column))| *row < grid.rows && *column < grid.width);
        let index = index.map(|(grid, (row, column))| grid.index(row, column));
        ResultQuery { index: self.index.or(index), row: None, column: None, ..self }
    }

    /// The first index on the page of the table.
    #[must_use]
    pub fn first_on_page(&self, columns: u64) -> u64 {
        let page = match (self.page, self.index) {
            (Some(page), _) => page.saturating_sub(1),
            (None, Some(index)) => index / PAGE_VALUES,
            (None, None) => 0,
        };
        page.min(columns.saturating_sub(1) / PAGE_VALUES) * PAGE_VALUES
    }

    /// The parameters that stay when the picture is zoomed or moved.
    #[must_use]
    pub fn lasting(&self) -> String {
        let mut query = ParamsMap::new();
        if let Some(statistic) = self.statistic {
            query.insert("statistic", statistic.word().to_owned());
        }
        if self.full_range {
            query.insert("range", "full".to_owned());
        }
        let text = query.to_query_string();
        text.strip_prefix('?').unwrap_or(&text).to_owned()
    }

    /// The address of the page.
    #[must_use]
    pub fn address(&self, id: JobId) -> String {
        let numbers = [
            ("from", self.from),
            ("to", self.to),
            ("top", self.top),
            ("bottom", self.bottom),
            ("index", self.index),
            ("page", self.page),
        ];
        let numbers = numbers
            .into_iter()
            .filter_map(|(name, number)| number.map(|number| format!("{name}={number}")));
        let lasting = Some(self.lasting()).filter(|lasting| !lasting.is_empty());
        let query: Vec<String> = lasting.into_iter().chain(numbers).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}{mark}{}", job_path(id), query.join("&"))
    }

    /// The same with another part of the result.
    #[must_use]
    pub fn with_window(&self, window: Window, columns: u64) -> ResultQuery {
        let is_part = window != Window::whole(columns);
        ResultQuery {
            from: is_part.then_some(window.start),
            to: is_part.then_some(window.end),
            ..self.clone()
        }
    }

    /// The same with another part of an image.
    #[must_use]
    pub fn with_part(&self, across: Window, down: Window, grid: Grid) -> ResultQuery {
        let is_part = down != Window::whole(grid.rows);
        ResultQuery {
            top: is_part.then_some(down.start),
            bottom: is_part.then_some(down.end),
            ..self.with_window(across, grid.width)
        }
    }

    /// The same with an index, which the picture shows.
    #[must_use]
    pub fn with_index(&self, index: u64, columns: u64, grid: Option<Grid>) -> ResultQuery {
        if let Some(grid) = grid {
            let (row, place) = grid.place(index);
            let across = Window::of(self.from, self.to, grid.width).showing(place, grid.width);
            let down = Window::of(self.top, self.bottom, grid.rows).showing(row, grid.rows);
            let shown = self.with_part(across, down, grid);
            return ResultQuery { index: Some(index), page: None, ..shown };
        }
        let window = Window::of(self.from, self.to, columns).showing(index, columns);
        let shown = self.with_window(window, columns);
        ResultQuery { index: Some(index), page: None, ..shown }
    }
}

#[cfg(test)]
mod tests {
    use protocol::Timestamp;

    use super::*;

    fn query(text: &str) -> ResultQuery {
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        ResultQuery::from_query(&pairs.collect::<ParamsMap>())
    }

    #[test]
    fn an_address_tells_what_is_shown() {
        let id = JobId::from_parts(Timestamp::default(), 7);
        for text in ["", "?statistic=std", "?from=10&to=90", "?statistic=min&index=5&page=3"] {
            let read = query(text.trim_start_matches('?'));
            assert_eq!(read.address(id), format!("/jobs/{id}{text}"));
        }
        assert_eq!(query("index=1 234,567").index, Some(1_234_567));
        assert_eq!(query("index=-1&statistic=median&from=x"), ResultQuery::default());
    }

    #[test]
    fn the_table_shows_the_page_or_the_index() {
        assert_eq!(query("").first_on_page(1_000), 0);
        assert_eq!(query("index=59").first_on_page(1_000), 40);
        assert_eq!(query("page=2&index=59").first_on_page(1_000), 20);
        assert_eq!(query("page=0").first_on_page(1_000), 0);
        assert_eq!(query("page=900").first_on_page(1_000), 980);
        assert_eq!(query("index=5").first_on_page(0), 0);
    }

    #[test]
    fn the_picture_shows_the_index() {
        let all = query("page=4").with_index(50, 1_000, None);
        assert_eq!((all.from, all.to, all.index, all.page), (None, None, Some(50), None));
        let moved = query("from=100&to=200").with_index(500, 1_000, None);
        assert_eq!((moved.from, moved.to), (Some(450), Some(550)));
        let grid = Grid { rows: 100, width: 50, is_fortran: false };
        let image = query("from=0&to=20&top=0&bottom=30&range=full");
        let image = image.with_index(60 * 50 + 10, 5_000, Some(grid));
        assert_eq!(
            (image.from, image.to, image.top, image.bottom),
            (Some(0), Some(20), Some(45), Some(75))
        );
        assert!(image.full_range);
        assert_eq!(query("row=3&column=7").with_place(Some(grid)).index, Some(157));
        assert_eq!(query("row=3&column=50").with_place(Some(grid)).index, None);
        let whole = query("from=100&to=200").with_window(Window::whole(1_000), 1_000);
        assert_eq!((whole.from, whole.to), (None, None));
    }
}
