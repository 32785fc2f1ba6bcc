//! A change of an item, with what was there and what is there now.

use serde::Serialize;
use serde_json::{Map, Value};

/// One thing that the target gets otherwise than the source has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// Where, as a dotted path (`settings.index.codec`, `mappings.properties.name`).
    pub path: String,
    /// `null`: there was nothing.
    pub before: Value,
    /// `null`: there is nothing.
    pub after: Value,
    pub why: String,
    /// It is put on the target at the cut-over.
    pub deferred: bool,
}

impl Change {
    pub(super) fn of(change: &transform::Change, before: &Value, after: &Value) -> Self {
        let value = |of| at(of, &change.path).unwrap_or_default();
        Self {
            path: change.path.clone(),
            before: value(before),
            // What is deferred is out of what is made now, whatever else has its name.
            after: if change.deferred { Value::Null } else { value(after) },
            why: change.why.to_string(),
            deferred: change.deferred,
        }
    }

    pub(super) fn asked(path: &str, before: Value, after: Value, flag: &str) -> Self {
        let why = format!("asked for by --{flag}");
        Self { path: path.to_owned(), before, after, why, deferred: false }
    }
}

/// What stands at a path of an item's body; keys may have dots, a template's may be inside `template`, a mapping's
/// inside a type.
pub(super) fn at(body: &Value, path: &str) -> Option<Value> {
    let inside = body.get("template").filter(|inside| inside.is_object());
    find(body, path).or_else(|| find(inside?, path))
}

fn find(value: &Value, path: &str) -> Option<Value> {
    let object = value.as_object()?;
    if let Some(found) = object.get(path) {
        return Some(found.clone());
    }
    let dots = path.rmatch_indices('.').map(|(at, _)| at);
    for dot in dots {
        let (key, rest) = (&path[..dot], &path[dot + 1..]);
        let Some(inner) = object.get(key) else { continue };
        if let Some(found) = find(inner, rest) {
            return Some(found);
        }
        if key == "mappings" {
            let types = inner.as_object().into_iter().flat_map(Map::values);
            return types.into_iter().find_map(|of_type| find(of_type, rest));
        }
    }
    below(object, path)
}

/// All that a flat map has below a path.
fn below(flat: &Map<String, Value>, path: &str) -> Option<Value> {
    let inside = flat.iter().filter_map(|(key, value)| {
        let rest = key.strip_prefix(path)?.strip_prefix('.')?;
        Some((rest.to_owned(), value.clone()))
    });
    let inside: Map<String, Value> = inside.collect();
    (!inside.is_empty()).then_some(Value::Object(inside))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_found_by_paths_with_dots_types_and_templates() {
        let body = json!({
            "settings": {"index.analysis.filter.f.type": "stop", "index.codec": "x"},
            "mappings": {"doc": {"properties": {"a.b": {"type": "string"}}}},
        });
        assert_eq!(at(&body, "settings.index.codec"), Some(json!("x")));
        assert_eq!(at(&body, "settings.index.analysis.filter.f"), Some(json!({"type": "stop"})));
        assert_eq!(at(&body, "mappings.properties.a.b.type"), Some(json!("string")));
        assert_eq!(at(&body, "mappings.doc"), Some(body["mappings"]["doc"].clone()));
        assert_eq!(at(&body, "settings.index.none"), None);
        let template = json!({"template": {"settings": {"index.codec": "x"}}});
        assert_eq!(at(&template, "settings.index.codec"), Some(json!("x")));
        assert_eq!(at(&template, "template.settings.index.codec"), Some(json!("x")));
    }
}
