//! `/api/docs`: the description of the JSON API as a page, without scripts.
//!
//! It is rendered once from the same document as `/api/openapi.json`. The usual viewers of
//! such documents are megabytes of scripts that need a looser content security policy than
//! this server has.

mod schemas;
mod text;

use axum::handler::Handler;
use axum::http::header;
use bytes::Bytes;
use serde_json::Value;

use self::schemas::{kind, schemas};
use self::text::prose;
use super::html::escaped;

/// The path of the page.
pub(super) const PATH: &str = "/api/docs";
/// The path of its style.
pub(super) const STYLE_PATH: &str = "/api/docs/style.css";
const STYLE: &str = include_str!("docs/style.css");
/// The page may load its style, and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";
/// The methods in the order of the page.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The handler of the page that shows a description.
pub(super) fn page<S: Clone + Send + Sync + 'static>(
    described: &Value,
) -> impl Handler<((),), S> + use<S> {
    // It holds texts and numbers only, which always encode as JSON.
    let page = Bytes::from(rendered(described));
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ];
    async move || (headers, page)
}

/// The handler of its style.
pub(super) async fn style() -> ([(header::HeaderName, &'static str); 1], &'static str) {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)
}

/// An operation of the description.
struct Operation<'a> {
    method: &'static str,
    path: &'a str,
    described: &'a Value,
}

impl Operation<'_> {
    /// Its name, which is its anchor too.
    fn id(&self) -> &str {
        self.described["operationId"].as_str().unwrap_or_default()
    }

    fn has_tag(&self, tag: &str) -> bool {
        self.described["tags"].as_array().is_some_and(|tags| tags.iter().any(|it| it == tag))
    }
}

/// The whole page.
fn rendered(described: &Value) -> String {
    let operations = operations(described);
    let tags = described["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
    let info = &described["info"];
    let title = escaped(info["title"].as_str().unwrap_or_default());
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>JSON API · {title}</title><link rel=\"stylesheet\" href=\"{STYLE_PATH}\"></head>\
         <body><header><h1>JSON API of {title}</h1>{}\
         <p>Version {}. For programs: <a href=\"/api/openapi.json\">openapi.json</a>. \
         <a href=\"/\">Dashboard</a></p></header>\n<nav aria-label=\"Contents\">",
        prose(info["description"].as_str()),
        escaped(info["version"].as_str().unwrap_or_default()),
    );
    for tag in tags {
        let name = tag["name"].as_str().unwrap_or_default();
        page += &format!("<h4>{}</h4><ul>", escaped(name));
        for operation in operations.iter().filter(|it| it.has_tag(name)) {
            page += &format!("<li><a href=\"#{}\">{}</a></li>", operation.id(), head(operation));
        }
        page += "</ul>";
    }
    page += "</nav>\n<main>";
    for tag in tags {
        let name = tag["name"].as_str().unwrap_or_default();
        page += &format!("<h2>{}</h2>{}", escaped(name), prose(tag["description"].as_str()));
        for operation in operations.iter().filter(|it| it.has_tag(name)) {
            page += &section(operation);
        }
    }
    page + "<h2>Types</h2>" + &schemas(described) + "</main></body></html>\n"
}

fn operations(described: &Value) -> Vec<Operation<'_>> {
    let paths = described["paths"].as_object();
    let all = paths.into_iter().flatten().flat_map(|(path, item)| {
        METHODS.iter().filter_map(move |method| {
            Some(Operation { method, path, described: item.get(method)? })
        })
    });
    all.collect()
}

fn head(operation: &Operation<'_>) -> String {
    let method = operation.method.to_uppercase();
    format!("<code>{method} {}</code>", escaped(operation.path))
}

fn section(operation: &Operation<'_>) -> String {
    let described = operation.described;
    let mut section = format!(
        "\n<section id=\"{}\"><h3>{}</h3>{}{}",
        operation.id(),
        head(operation),
        prose(described["summary"].as_str()),
        prose(described["description"].as_str()),
    );
    if let Some(parameters) = described["parameters"].as_array() {
        section += "<h4>Parameters</h4><table>";
        for parameter in parameters {
            section += &format!(
                "<tr><th scope=\"row\"><code>{}</code> <span class=\"needed\">{}{}</span></th>\
                 <td>{}</td><td>{}</td></tr>",
                escaped(parameter["name"].as_str().unwrap_or_default()),
                escaped(parameter["in"].as_str().unwrap_or_default()),
                if parameter["required"] == true { ", required" } else { "" },
                kind(&parameter["schema"]),
                prose(parameter["description"].as_str()),
            );
        }
        section += "</table>";
    }
    if let Some(content) = described["requestBody"]["content"].as_object() {
        section += "<h4>Body</h4>";
        section += &contents(content);
    }
    section += "<h4>Responses</h4><table>";
    for (status, response) in described["responses"].as_object().into_iter().flatten() {
        let body = match response["$ref"].as_str() {
            Some(_) => "a problem: <a href=\"#schema-Problem\">Problem</a>".to_owned(),
            None => response["content"].as_object().map(contents).unwrap_or_default(),
        };
        section += &format!(
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{body}</td></tr>",
            escaped(status),
            prose(response["description"].as_str()),
        );
    }
    section + "</table></section>"
}

/// The content types of a body with their types.
fn contents(content: &serde_json::Map<String, Value>) -> String {
    let each = content.iter().map(|(media_type, described)| {
        format!("<code>{}</code>: {}", escaped(media_type), kind(&described["schema"]))
    });
    each.collect::<Vec<_>>().join("<br>")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_description_is_shown_whole_and_nothing_in_it_is_markup() {
        let described = json!({
            "info": {"title": "means", "version": "1", "description": "A <b> & `code`"},
            "tags": [{"name": "jobs", "description": "Jobs"}],
            "paths": {"/api/jobs/{id}": {"get": {
                "operationId": "show_job", "tags": ["jobs"], "summary": "Get <it>",
                "parameters": [{"name": "id", "in": "path", "required": true,
                    "schema": {"$ref": "#/components/schemas/JobId"}}],
                "responses": {
                    "200": {"description": "Now", "content": {"application/json":
                        {"schema": {"type": "array", "items": {"type": "integer"}}}}},
                    "default": {"$ref": "#/components/responses/Failed"}
                }
            }}},
            "components": {"schemas": {"JobId": {"type": "string", "description": "An id"}}}
        });
        let page = rendered(&described);
        for part in [
            "<p>A &lt;b&gt; &amp; <code>code</code></p>",
            "<section id=\"show_job\"><h3><code>GET /api/jobs/{id}</code></h3>",
            "<p>Get &lt;it&gt;</p>",
            "<span class=\"needed\">path, required</span>",
            "<a href=\"#schema-JobId\">JobId</a>",
            "<code>application/json</code>: list of integer",
            "<a href=\"#schema-Problem\">Problem</a>",
            "<section id=\"schema-JobId\">",
        ] {
            assert!(page.contains(part), "{part} is not in\n{page}");
        }
    }
}
