//! The types of the description as HTML.

use serde_json::Value;

use super::text::prose;
use crate::http::html::escaped;

/// All types that have names, each with its fields.
pub(super) fn schemas(described: &Value) -> String {
    let named = described["components"]["schemas"].as_object();
    named.into_iter().flatten().map(|(name, schema)| section(name, schema)).collect()
}

fn section(name: &str, schema: &Value) -> String {
    let name = escaped(name);
    let description = prose(schema["description"].as_str());
    let body = match fields(schema) {
        fields if fields.is_empty() => format!("<p>{}</p>", kind(schema)),
        fields => format!("<table>{fields}</table>"),
    };
    format!(
        "\n<section id=\"schema-{name}\"><h3><code>{name}</code></h3>{description}{body}</section>"
    )
}

/// The fields of an object as rows; empty if it has none.
fn fields(schema: &Value) -> String {
    let needed = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    let rows = schema["properties"].as_object().into_iter().flatten().map(|(name, field)| {
        let is_needed = needed.iter().any(|it| it == name.as_str());
        format!(
            "<tr><th scope=\"row\"><code>{}</code>{}</th><td>{}</td><td>{}</td></tr>",
            escaped(name),
            if is_needed { " <span class=\"needed\">required</span>" } else { "" },
            kind(field),
            prose(field["description"].as_str()),
        )
    });
    rows.collect()
}

/// The type of a value in a few words, with links to types that have names.
pub(super) fn kind(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = escaped(reference.rsplit('/').next().unwrap_or_default());
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    for alternatives in ["oneOf", "anyOf", "allOf"] {
        if let Some(all) = schema[alternatives].as_array() {
            let all: Vec<String> = all.iter().map(kind).collect();
            return all.join(if alternatives == "allOf" { " and " } else { " or " });
        }
    }
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<String> = words
            .iter()
            .map(|word| format!("<code>{}</code>", escaped(&word.to_string())))
            .collect();
        return words.join(", ");
    }
    let word = match &schema["type"] {
        Value::Array(types) => {
            types.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ")
        }
        kind => kind.as_str().unwrap_or("anything").to_owned(),
    };
    match word.as_str() {
        "array" => format!("list of {}", kind(&schema["items"])),
        "object" if schema["properties"].is_object() => {
            let named = schema["properties"].as_object().into_iter().flatten();
            let named: Vec<String> = named
                .map(|(name, field)| format!("<code>{}</code>: {}", escaped(name), kind(field)))
                .collect();
            format!("{{{}}}", named.join(", "))
        }
        _ => format!("{}{}", escaped(&word), bounds(schema)),
    }
}

/// The bounds of a number or a text, in brackets; empty if it has none.
fn bounds(schema: &Value) -> String {
    let bound = |name: &str, sign: &str| {
        let value = &schema[name];
        (!value.is_null()).then(|| format!("{sign} {}", escaped(&value.to_string())))
    };
    let bounds: Vec<String> = [
        bound("minimum", "≥"),
        bound("exclusiveMinimum", "&gt;"),
        bound("maximum", "≤"),
        bound("exclusiveMaximum", "&lt;"),
        bound("default", "default"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if bounds.is_empty() { String::new() } else { format!(" ({})", bounds.join(", ")) }
}
