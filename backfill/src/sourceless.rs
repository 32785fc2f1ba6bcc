//! Indices whose documents can't be had whole: said before the run begins, never found out midway.

use serde_json::{Map, Value};
use snapshot::{Flavour, IndexMetadata};

/// Fields that are named in a message.
const SHOWN: usize = 10;

/// Why the documents of an index can't be moved as they are; one reason each.
pub(crate) fn reasons(index: &IndexMetadata, recovery_source: bool) -> Vec<String> {
    let mut reasons = Vec::new();
    for (doc_type, mapping) in &index.mappings {
        if let Some(what) = source_of(mapping) {
            let is_excused = recovery_source && what == DISABLED;
            if !is_excused {
                let fields = fields(mapping);
                reasons.push(format!("type {doc_type}: {what} (fields: {fields}); {HELP}"));
            }
        }
        if mapping.contains_key("_parent") && is_elasticsearch_5(index) {
            // Elasticsearch 5 keeps the parent's id in doc values of Lucene 6 only, and it is the routing.
            reasons.push(format!(
                "type {doc_type} has a _parent; children can't be routed, since Elasticsearch 5 doesn't store it"
            ));
        }
    }
    let setting = |key: &str| index.setting(key);
    match setting("index.mapping.source.mode") {
        Some(mode @ ("synthetic" | "disabled")) => {
            reasons.push(format!("index.mapping.source.mode is {mode}; {HELP}"));
        }
        None if reasons.is_empty() => {
            // The default of these modes.
            if let Some(mode @ ("time_series" | "logsdb")) = setting("index.mode")
                && !index.mappings.iter().any(|(_, mapping)| is_stored(mapping))
            {
                reasons.push(format!("index.mode {mode} keeps no _source; {HELP}"));
            }
        }
        _ => {}
    }
    if setting("index.derived_source.enabled") == Some("true") {
        reasons.push(format!("index.derived_source.enabled is true: no _source is stored; {HELP}"));
    }
    reasons
}

const DISABLED: &str = "_source is disabled";
const HELP: &str = "sources are not put together from other fields, and --recovery-source takes what is left of disabled ones";

fn source_of(mapping: &Map<String, Value>) -> Option<&'static str> {
    let source = mapping.get("_source")?.as_object()?;
    let is_set = |key: &str| match source.get(key) {
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::String(text)) => !text.is_empty(),
        _ => false,
    };
    let is_off = |value: &Value| *value == Value::Bool(false) || value.as_str() == Some("false");
    if source.get("enabled").is_some_and(is_off) {
        return Some(DISABLED);
    }
    match source.get("mode").and_then(Value::as_str) {
        Some("synthetic") => return Some("_source is synthetic"),
        Some("disabled") => return Some(DISABLED),
        _ => {}
    }
    if is_set("includes") || is_set("excludes") {
        return Some("_source is stored only in part");
    }
    None
}

fn is_stored(mapping: &Map<String, Value>) -> bool {
    mapping.get("_source").and_then(|source| source.get("mode")).and_then(Value::as_str)
        == Some("stored")
}

fn is_elasticsearch_5(index: &IndexMetadata) -> bool {
    index.created.is_some_and(|by| by.flavour == Flavour::Elasticsearch && by.major == 5)
}

fn fields(mapping: &Map<String, Value>) -> String {
    let Some(fields) = mapping.get("properties").and_then(Value::as_object) else {
        return "none".into();
    };
    let mut names: Vec<&str> = fields.keys().take(SHOWN).map(String::as_str).collect();
    if fields.len() > SHOWN {
        names.push("…");
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn what(source: Value) -> Option<&'static str> {
        source_of(json!({"_source": source}).as_object().unwrap())
    }

    #[test]
    fn what_is_not_whole_is_found() {
        assert_eq!(what(json!({})), None);
        assert_eq!(what(json!({"enabled": true, "excludes": []})), None);
        assert_eq!(what(json!({"enabled": "false"})), Some(DISABLED));
        assert_eq!(what(json!({"mode": "synthetic"})), Some("_source is synthetic"));
        assert_eq!(what(json!({"excludes": ["a.*"]})), Some("_source is stored only in part"));
        assert_eq!(fields(json!({"properties": {"a": {}, "b": {}}}).as_object().unwrap()), "a, b");
    }
}
