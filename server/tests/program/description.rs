//! The description of the JSON API, and whether responses match it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::running::Running;

/// Sends files with these names in a form.
async fn post_form(running: &Running, path: &str, files: &[(&str, &str)]) -> reqwest::Response {
    let file = |(name, content): &(&str, &str)| {
        let heading = format!("Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"");
        format!("--frontier\r\n{heading}\r\n\r\n{content}\r\n")
    };
    let body = files.iter().map(file).collect::<String>() + "--frontier--\r\n";
    let request = running.http.post(format!("{}{path}", running.url));
    let kind = "multipart/form-data; boundary=frontier";
    request.header("content-type", kind).body(body).send().await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_is_described_and_answers_as_it_is_described() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let described = running.get_json("/api/openapi.json").await;
    assert_eq!(described["openapi"], "3.1.0");
    let calls: BTreeSet<String> = described["paths"]
        .as_object()
        .expect("paths")
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().expect("methods").keys();
            methods.map(move |method| format!("{method} {path}"))
        })
        .collect();
    let expected = [
        "delete /api/files/{key}",
        "delete /api/jobs/{id}",
        "delete /api/uploads/{id}",
        "get /api/uploads/{id}",
        "post /api/uploads",
        "post /api/uploads/{id}/finish",
        "put /api/uploads/{id}",
        "get /api/events",
        "get /api/files",
        "get /api/files/{key}",
        "post /api/files",
        "get /api/folders",
        "get /api/jobs",
        "get /api/jobs/{id}",
        "get /api/jobs/{id}/compare/{other}",
        "get /api/jobs/{id}/envelope",
        "get /api/jobs/{id}/events",
        "get /api/jobs/{id}/image.png",
        "get /api/jobs/{id}/inputs",
        "get /api/jobs/{id}/report.html",
        "get /api/jobs/{id}/result",
        "get /api/jobs/{id}/tasks",
        "get /api/jobs/{id}/timeline",
        "get /api/jobs/{id}/trace.json",
        "get /api/jobs/{id}/values",
        "get /api/workers",
        "get /healthz",
        "get /metrics",
        "get /readyz",
        "post /api/jobs",
        "post /api/jobs/{id}/rerun",
        "post /api/jobs/{id}/resume",
        "post /api/jobs/{id}/share",
        "get /api/jobs/{id}/share",
        "delete /api/jobs/{id}/share",
        "post /api/plan",
        "put /api/files/{key}",
        "put /api/workers",
    ];
    assert_eq!(calls, expected.map(str::to_owned).into());
    // The names of functions in generated clients.
    let operations = described["paths"].as_object().expect("paths").values();
    let names: BTreeSet<&str> = operations
        .flat_map(|item| item.as_object().expect("methods").values())
        .map(|operation| operation["operationId"].as_str().expect("a name"))
        .collect();
    assert_eq!(names.len(), expected.len(), "each has a name of its own: {names:?}");

    running.upload("in/a.npy", super::exact::to_npy("2, 3", &[1.0; 6])).await;
    running.upload("in/b.npy", super::exact::to_npy("2, 3", &[2.0; 6])).await;
    let request = json!({
        "inputs": {"prefix": "in"},
        "name": "described",
        "workers": 2,
        "fan_in": 2,
        "speculation": {"quantile": 0.5},
        "statistics": ["min", "std"],
    });
    let schema = Schemas(strict(described));
    schema.check("JobRequest", &request);
    let job = running.submit(&request).await;
    let ended = running.follow(&job).await;
    assert_eq!(ended["phase"], "done", "{}", ended["error"]);
    schema.check("JobSnapshot", &ended);
    schema.check("JobPage", &running.get_json("/api/jobs?limit=1").await);
    schema.check("TaskPage", &running.get_json(&format!("/api/jobs/{job}/tasks?level=0")).await);
    schema.check("Timeline", &running.get_json(&format!("/api/jobs/{job}/timeline")).await);
    let values = running.get_json(&format!("/api/jobs/{job}/values?columns=1..5")).await;
    schema.check("Values", &values);
    let envelope = running.get_json(&format!("/api/jobs/{job}/envelope?points=4")).await;
    schema.check("Envelope", &envelope);
    schema.check("PoolSnapshot", &running.get_json("/api/workers").await);
    schema.check("FilePage", &running.get_json("/api/files?prefix=in").await);
    let files = [("a.csv", "1,2\n"), ("deep/b.csv", "3,4\n")];
    let stored = post_form(&running, "/api/files?prefix=forms", &files).await;
    assert_eq!(stored.status(), 201);
    let stored: Value = stored.json().await.unwrap();
    assert_eq!(stored, json!({"prefix": "forms/", "count": 2, "bytes": 8}));
    schema.check("StoredFiles", &stored);
    let read = running.get("/api/files/forms/deep/b.csv").await;
    assert_eq!(read.text().await.unwrap(), "3,4\n");
    let none = post_form(&running, "/api/files", &[]).await;
    assert_eq!(none.status(), 400);
    let private = post_form(&running, "/api/files?prefix=jobs", &files).await;
    assert_eq!(private.status(), 403);
    // More than the framework takes of a body by itself.
    let long = "1,2\n".repeat(1 << 20);
    let long = post_form(&running, "/api/files", &[("long.csv", &long)]).await;
    assert_eq!(long.status(), 201);
    let plan = running.http.post(format!("{}/api/plan", running.url)).json(&request).send().await;
    schema.check("Preview", &plan.unwrap().json().await.unwrap());
    let refused = running.get("/api/jobs/none").await;
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    schema.check("Problem", &refused.json().await.unwrap());

    // Requests that the description forbids are rejected, and name the field.
    for (wrong, field) in [
        (json!({"inputs": {"prefix": "in"}, "worker": 1}), "worker"),
        (json!({"inputs": {"prefix": "in"}, "fan_in": 1}), "fan_in"),
        (json!({"inputs": {"prefix": "in"}, "workers": 0}), "workers"),
        (json!({"inputs": {"prefix": "in"}, "statistics": ["median"]}), "statistics[0]"),
        (json!({"inputs": {"prefix": "in"}, "raw": "f8"}), "raw"),
        (json!({"inputs": {"generate": {"files": 0, "count": 1}}}), "inputs.generate.files"),
        (json!({"inputs": {"generate": {"files": 1, "count": 0}}}), "inputs.generate.count"),
        (
            json!({"inputs": {"prefix": "in"}, "speculation": {"quantile": 2}}),
            "speculation.quantile",
        ),
        (
            json!({"inputs": {"prefix": "in"}, "speculation": {"multiplier": 0}}),
            "speculation.multiplier",
        ),
        (json!({"inputs": {"prefix": "in"}, "speculation": {"share": -1}}), "speculation.share"),
        (json!({"inputs": {"prefix": "in"}, "speculation": "off"}), "speculation"),
        (json!({"inputs": {"prefix": "in"}, "workers": "2"}), "workers"),
    ] {
        assert!(!schema.fits("JobRequest", &wrong), "{wrong}");
        let refused = running.post("/api/jobs", &wrong).await;
        assert_eq!(refused.status(), 400, "{wrong}");
        let problem: Value = refused.json().await.unwrap();
        assert_eq!(problem["field"], field, "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(!detail.contains("struct") && !detail.contains("u32"), "{detail}");
    }
    let sound = json!({"inputs": {"prefix": "in"}, "workers": null, "raw": null});
    schema.check("JobRequest", &sound);
    assert_eq!(running.post("/api/plan", &sound).await.status(), 200);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reference_of_the_description_can_be_resolved() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path()).await;
    let described = running.get_json("/api/openapi.json").await;
    let mut found = BTreeSet::new();
    references(&described, &mut found);
    assert!(found.contains("#/components/schemas/JobRequest"), "{found:?}");
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("a reference within the description");
        assert!(described.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    running.stop().await;
}

/// The description, with no properties allowed but those it names.
fn strict(mut described: Value) -> Value {
    /// Makes one schema of those that must all fit, since each would forbid what the others
    /// describe.
    fn merge(value: &mut Value, components: &Value) {
        match value {
            Value::Object(map) => {
                for part in map.remove("allOf").iter_mut().flat_map(|it| it.as_array().cloned()) {
                    for part in part {
                        let name = part["$ref"].as_str().and_then(|it| it.rsplit('/').next());
                        let part = name.map_or(&part, |name| &components["schemas"][name]);
                        for (key, found) in part.as_object().expect("a schema") {
                            match (map.get_mut(key), found) {
                                (Some(Value::Object(ours)), Value::Object(theirs)) => {
                                    ours.extend(theirs.clone());
                                }
                                (Some(Value::Array(ours)), Value::Array(theirs)) => {
                                    ours.extend(theirs.clone());
                                }
                                (Some(_), _) => {}
                                (None, found) => {
                                    map.insert(key.clone(), found.clone());
                                }
                            }
                        }
                    }
                }
                map.values_mut().for_each(|value| merge(value, components));
            }
            Value::Array(items) => items.iter_mut().for_each(|item| merge(item, components)),
            _ => {}
        }
    }
    fn close(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.values_mut().for_each(close);
                if map.get("properties").is_some_and(Value::is_object) {
                    map.insert("additionalProperties".to_owned(), Value::Bool(false));
                }
            }
            Value::Array(items) => items.iter_mut().for_each(close),
            _ => {}
        }
    }
    let components = described["components"].clone();
    merge(&mut described["components"], &components);
    close(&mut described["components"]);
    described
}

struct Schemas(Value);

impl Schemas {
    fn validator(&self, name: &str) -> jsonschema::Validator {
        let schema = json!({
            "$ref": format!("#/components/schemas/{name}"),
            "components": self.0["components"],
        });
        jsonschema::draft202012::new(&schema).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn fits(&self, name: &str, value: &Value) -> bool {
        self.validator(name).is_valid(value)
    }

    #[track_caller]
    fn check(&self, name: &str, value: &Value) {
        let wrong: Vec<String> = self
            .validator(name)
            .iter_errors(value)
            .map(|error| format!("{error} at {}", error.instance_path()))
            .collect();
        assert_eq!(wrong, Vec::<String>::new(), "{value} is not a {name}");
    }
}
