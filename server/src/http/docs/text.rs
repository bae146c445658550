//! Texts of the description as HTML.

use crate::http::html::escaped;

/// A description as paragraphs, in which backquotes mark code; empty if there is none.
pub(super) fn prose(text: Option<&str>) -> String {
    let paragraphs = text.unwrap_or_default().split("\n\n").filter(|it| !it.trim().is_empty());
    paragraphs.map(|paragraph| format!("<p>{}</p>", with_code(paragraph))).collect()
}

fn with_code(text: &str) -> String {
    let pieces = text.split('`').enumerate().map(|(index, piece)| match index % 2 {
        0 => escaped(piece),
        _ => format!("<code>{}</code>", escaped(piece)),
    });
    pieces.collect()
}
