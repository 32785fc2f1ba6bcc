//! Mappings: types taken away, field types renamed.

use serde_json::{Map, Value};

use crate::{Change, rules};

/// Keys that stand at the top of a mapping without a type.
const ROOT_KEYS: &[&str] = &[
    "properties",
    "dynamic",
    "dynamic_templates",
    "date_detection",
    "numeric_detection",
    "dynamic_date_formats",
    "runtime",
    "enabled",
    "_meta",
    "_routing",
    "_source",
    "_all",
    "_field_names",
    "_data_stream_timestamp",
    "_size",
    "_index",
    "_type",
    "_id",
    "_parent",
];

/// Transforms a whole mapping.
pub(crate) fn transform(
    mappings: &Map<String, Value>,
    changes: &mut Vec<Change>,
) -> Map<String, Value> {
    let mut mapping = match single_type(mappings) {
        Some((name, inner)) => {
            changes.push(Change {
                path: format!("mappings.{name}"),
                why: "mappings have no types any more",
                deferred: false,
            });
            inner.clone()
        }
        None => mappings.clone(),
    };
    for gone in ["_all", "_parent"] {
        if mapping.remove(gone).is_some() {
            changes.push(Change {
                path: format!("mappings.{gone}"),
                why: "removed in version 7",
                deferred: false,
            });
        }
    }
    fields("mappings", &mut mapping, changes);
    mapping
}

/// `{"doc": {"properties": …}}` of versions before 7: the only key is a type's name.
fn single_type(mappings: &Map<String, Value>) -> Option<(&str, &Map<String, Value>)> {
    let mut keys = mappings.iter();
    let (name, value) = keys.next()?;
    if keys.next().is_some() || ROOT_KEYS.contains(&name.as_str()) {
        return None;
    }
    value.as_object().map(|inner| (name.as_str(), inner))
}

fn fields(path: &str, object: &mut Map<String, Value>, changes: &mut Vec<Change>) {
    for group in ["properties", "fields"] {
        let Some(Value::Object(members)) = object.get_mut(group) else { continue };
        for (name, field) in members {
            let Value::Object(field) = field else { continue };
            let path = format!("{path}.{group}.{name}");
            rename_type(&path, field, changes);
            fields(&path, field, changes);
        }
    }
    if let Some(Value::Array(templates)) = object.get_mut("dynamic_templates") {
        for template in templates.iter_mut().filter_map(Value::as_object_mut) {
            for (name, rule) in template {
                if let Some(Value::Object(field)) = rule.get_mut("mapping") {
                    rename_type(&format!("{path}.dynamic_templates.{name}"), field, changes);
                }
            }
        }
    }
}

fn rename_type(path: &str, field: &mut Map<String, Value>, changes: &mut Vec<Change>) {
    let Some(Value::String(kind)) = field.get_mut("type") else { return };
    let Some((_, to, why)) = rules::FIELD_TYPES.iter().find(|(from, ..)| from == kind) else {
        return;
    };
    *kind = (*to).to_owned();
    // flat_object takes none of the parameters that flattened took.
    field.retain(|key, _| key == "type");
    changes.push(Change { path: path.to_owned(), why, deferred: false });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(from: Value, to: &Value, changed: usize) {
        let mut changes = Vec::new();
        let from = from.as_object().cloned().unwrap_or_default();
        assert_eq!(&Value::Object(transform(&from, &mut changes)), to);
        assert_eq!(changes.len(), changed, "{changes:?}");
    }

    #[test]
    fn types_are_unwrapped_and_fields_renamed() {
        let plain =
            json!({"properties": {"a": {"type": "text", "fields": {"k": {"type": "keyword"}}}}});
        check(plain.clone(), &plain, 0);
        check(json!({"doc": plain}), &plain, 1);
        check(json!({}), &json!({}), 0);
        check(
            json!({"properties": {"o": {"properties": {"f": {"type": "flattened", "depth_limit": 3}}}}}),
            &json!({"properties": {"o": {"properties": {"f": {"type": "flat_object"}}}}}),
            1,
        );
        check(
            json!({"dynamic_templates": [{"t": {"match": "*", "mapping": {"type": "flattened"}}}]}),
            &json!({"dynamic_templates": [{"t": {"match": "*", "mapping": {"type": "flat_object"}}}]}),
            1,
        );
        check(
            json!({"_all": {"enabled": false}, "dynamic": "strict"}),
            &json!({"dynamic": "strict"}),
            1,
        );
    }
}
