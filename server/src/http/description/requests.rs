//! What the description says of requests, and a type alone cannot.
//!
//! Responses may gain fields, so clients must ignore those that they do not know; requests
//! with unknown fields are rejected. So a type that is used in both has two schemas: that of
//! requests keeps its name, and that of responses begins with [`SHOWN`].

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// Begins the names of the schemas of request types in responses.
const SHOWN: &str = "Shown";
const SCHEMAS: &str = "/components/schemas";
const REFERENCE: &str = "#/components/schemas/";
/// The form of `inputs` that only responses have.
const ONLY_SHOWN: &str = "shortened";
/// The forms of `inputs` that are a list of objects, and a prefix.
const LISTED: &str = "objects";
const PREFIX: &str = "prefix";
/// The form of `inputs` that is the name of an object.
const MANIFEST: &str = "manifest";
/// The characters of keys.
const KEY: &str = r"^[^\u0000-\u001f\u007f-\u009f\\]*$";

/// Gives requests schemas of their own, without unknown fields and without what only
/// responses contain, and integers the bounds of their types.
pub(super) fn described(document: &mut Value) {
    let mut names = BTreeSet::new();
    if let Some(paths) = document.get("paths") {
        visit(paths, &mut |object| {
            if let Some(body) = object.get("requestBody") {
                names.extend(referenced(body));
            }
        });
    }
    let schemas = document.pointer(SCHEMAS).cloned().unwrap_or_default();
    let mut left: Vec<String> = names.iter().cloned().collect();
    while let Some(name) = left.pop() {
        let further = referenced(&schemas[&name]);
        left.extend(further.into_iter().filter(|further| names.insert(further.clone())));
    }
    let shown = |name: &str| names.contains(name).then(|| format!("{SHOWN}{name}"));
    if let Some(all) = document.pointer_mut(SCHEMAS).and_then(Value::as_object_mut) {
        for schema in all.values_mut() {
            rename(schema, &shown);
        }
        for name in &names {
            let shown = all.insert(name.clone(), strict(&schemas[name]));
            all.extend(shown.map(|schema| (format!("{SHOWN}{name}"), schema)));
        }
    }
    if let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) {
        for operation in
            paths.values_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut)
        {
            if let Some(responses) = operation.get_mut("responses") {
                rename(responses, &shown);
            }
        }
    }
    bound(document);
    let used = referenced(document);
    if let Some(all) = document.pointer_mut(SCHEMAS).and_then(Value::as_object_mut) {
        all.retain(|name, _| !name.starts_with(SHOWN) || used.contains(name));
    }
}

/// The schema of a request: objects have no other fields, and a list of inputs is not empty.
fn strict(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(choices) = schema.get_mut("oneOf").and_then(Value::as_array_mut) {
        choices.retain(|choice| {
            choice.pointer(&format!("/properties/{ONLY_SHOWN}")).is_none()
                && choice.get("readOnly") != Some(&json!(true))
        });
    }
    visit_mut(&mut schema, &mut |object| {
        if let Some(properties) = object.get_mut("properties") {
            if let Some(listed) = properties.get_mut(LISTED).and_then(Value::as_object_mut) {
                listed.insert("minItems".to_owned(), json!(1));
                let location = json!({"type": "string", "minLength": 1, "pattern": KEY});
                listed.insert("items".to_owned(), location);
            }
            if let Some(prefix) = properties.get_mut(PREFIX).and_then(Value::as_object_mut) {
                prefix.insert("pattern".to_owned(), json!(KEY));
            }
            if let Some(manifest) = properties.get_mut(MANIFEST).and_then(Value::as_object_mut) {
                manifest.extend([
                    ("pattern".to_owned(), json!(KEY)),
                    ("minLength".to_owned(), json!(1)),
                ]);
            }
            object.entry("additionalProperties").or_insert(json!(false));
        }
    });
    schema
}

/// Numbers without a sign have the bounds of 32 and 64 bits.
fn bound(document: &mut Value) {
    visit_mut(document, &mut |object| {
        let is_integer = object.get("type").is_some_and(|it| it.to_string().contains("integer"));
        let is_unsigned = object.get("minimum").and_then(Value::as_i64).is_some_and(|it| it >= 0);
        let (format, most) = match object.get("format").and_then(Value::as_str) {
            Some("int32") if is_unsigned => ("uint32", u64::from(u32::MAX)),
            Some("int64") | None if is_integer && is_unsigned => ("uint64", u64::MAX),
            _ => return,
        };
        object.insert("format".to_owned(), json!(format));
        object.entry("maximum").or_insert(json!(most));
    });
}

/// The names of the schemas that a part of the document refers to.
fn referenced(value: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    visit(value, &mut |object| {
        let reference = object.get("$ref").and_then(Value::as_str);
        names.extend(reference.and_then(|it| it.strip_prefix(REFERENCE)).map(str::to_owned));
    });
    names
}

/// Changes references to schemas that have another name.
fn rename(value: &mut Value, other_name: &dyn Fn(&str) -> Option<String>) {
    visit_mut(value, &mut |object| {
        if let Some(Value::String(reference)) = object.get_mut("$ref")
            && let Some(name) = reference.strip_prefix(REFERENCE).and_then(other_name)
        {
            *reference = format!("{REFERENCE}{name}");
        }
    });
}

fn visit(value: &Value, see: &mut dyn FnMut(&Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            see(object);
            object.values().for_each(|value| visit(value, see));
        }
        Value::Array(values) => values.iter().for_each(|value| visit(value, see)),
        _ => {}
    }
}

fn visit_mut(value: &mut Value, change: &mut dyn FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            change(object);
            object.values_mut().for_each(|value| visit_mut(value, change));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| visit_mut(value, change)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_schemas_of_their_own_and_integers_bounds() {
        let body = json!({"schema": {"$ref": "#/components/schemas/Job"}});
        let mut document = json!({
            "paths": {"/jobs": {"post": {"requestBody": body, "responses": {"200": body}}}},
            "components": {"schemas": {
                "Job": {"properties": {"inputs": {"$ref": "#/components/schemas/Inputs"}}},
                "Inputs": {"oneOf": [
                    {"properties": {"count": {"type": "integer", "format": "int64", "minimum": 1}}},
                    {"properties": {"shortened": {"format": "int32"}}},
                    {"type": "integer", "readOnly": true},
                ]},
                "Other": {"properties": {"job": {"$ref": "#/components/schemas/Job"}}},
            }},
        });
        described(&mut document);
        let at = |path: &str| document.pointer(path).cloned().unwrap_or_default();
        let post = "/paths/~1jobs/post";
        assert_eq!(at(&format!("{post}/requestBody/schema/$ref")), "#/components/schemas/Job");
        assert_eq!(
            at(&format!("{post}/responses/200/schema/$ref")),
            "#/components/schemas/ShownJob"
        );
        assert_eq!(
            at("/components/schemas/Other/properties/job/$ref"),
            "#/components/schemas/ShownJob"
        );
        assert_eq!(
            at("/components/schemas/ShownJob/properties/inputs/$ref"),
            "#/components/schemas/ShownInputs"
        );
        let count =
            json!({"type": "integer", "format": "uint64", "minimum": 1, "maximum": u64::MAX});
        let given = json!({"properties": {"count": count}, "additionalProperties": false});
        assert_eq!(at("/components/schemas/Inputs/oneOf"), json!([given]));
        assert_eq!(at("/components/schemas/ShownInputs/oneOf").as_array().map(Vec::len), Some(3));
        assert_eq!(at("/components/schemas/ShownJob/additionalProperties"), Value::Null);
    }
}
