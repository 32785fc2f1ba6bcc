//! What versions, APIs and snapshots write in different ways, in one.

use serde_json::{Map, Value, json};
use transform::Version;

use super::is_typeless;

/// Settings with full names (`index.codec`), values as texts or lists of texts. Nested, flat, with or without
/// `index.`, and lists in the old form (`stopwords.0`) all give the same.
pub(crate) fn flat(settings: &Map<String, Value>) -> Map<String, Value> {
    let text = |value: &Value| match value {
        Value::Array(values) => Value::Array(values.iter().map(text_of).collect()),
        value => text_of(value),
    };
    let settings = transform::flat_settings(settings).into_iter();
    let mut flat = settings.map(|(name, value)| (full(&name), text(value))).collect();
    lists(&mut flat);
    flat
}

fn full(name: &str) -> String {
    match name.starts_with("index.") || name.starts_with("archived.") {
        true => name.to_owned(),
        false => format!("index.{name}"),
    }
}

/// A number or a flag is the same as its text.
pub(crate) fn text_of(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.to_string()),
        Value::Bool(flag) => json!(flag.to_string()),
        value => value.clone(),
    }
}

/// `a.0`, `a.1`, … without a gap are one list.
fn lists(flat: &mut Map<String, Value>) {
    let first: Vec<String> =
        flat.keys().filter_map(|key| key.strip_suffix(".0").map(str::to_owned)).collect();
    for name in first {
        let mut list = Vec::new();
        while let Some(value) = flat.remove(&format!("{name}.{}", list.len())) {
            list.push(value);
        }
        flat.insert(name, Value::Array(list));
    }
}

/// An index's mappings as an API shows them, by type.
pub(super) fn shown(mappings: Map<String, Value>, version: Version) -> Map<String, Value> {
    match (is_typeless(version), mappings.is_empty()) {
        (_, true) => Map::new(),
        (true, false) => Map::from_iter([("_doc".to_owned(), Value::Object(mappings))]),
        (false, false) => mappings,
    }
}

/// An index's mappings as a snapshot stores them, by type.
pub(super) fn kept(
    mappings: Vec<(String, Map<String, Value>)>,
    version: Version,
) -> Map<String, Value> {
    if !is_typeless(version) {
        return mappings.into_iter().map(|(name, of)| (name, Value::Object(of))).collect();
    }
    let one = mappings.into_iter().find(|(name, of)| name != "_default_" && !of.is_empty());
    one.into_iter().map(|(_, of)| ("_doc".to_owned(), Value::Object(of))).collect()
}

/// What an index says of an alias of its.
pub(super) fn of_alias(aliases: Map<String, Value>) -> Map<String, Value> {
    let mut aliases = aliases;
    for says in aliases.values_mut().filter_map(Value::as_object_mut) {
        says.retain(|key, value| !(value.is_null() || key == "is_hidden" && value == false));
    }
    aliases
}

/// A template of any kind.
pub(crate) fn template(mut template: Map<String, Value>, version: Version) -> Map<String, Value> {
    dated(&mut template);
    match template.get_mut("template") {
        Some(Value::Object(inner)) => {
            definition(inner, version);
            if inner.is_empty() {
                template.remove("template");
            }
        }
        _ => definition(&mut template, version),
    }
    let is_empty_list = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
    template
        .retain(|key, value| !(value.is_null() || key == "composed_of" && is_empty_list(value)));
    template
}

/// `settings`, `mappings` and `aliases`, those without content left out.
fn definition(of: &mut Map<String, Value>, version: Version) {
    if let Some(Value::Object(settings)) = of.get_mut("settings") {
        *settings = flat(settings);
    }
    if let Some(Value::Object(mappings)) = of.get_mut("mappings")
        && is_typeless(version)
        && let Some(name) = only_type(mappings)
        && let Some(Value::Object(inner)) = mappings.remove(&name)
    {
        *mappings = inner;
    }
    let is_empty = |value: &Value| value.as_object().is_some_and(Map::is_empty);
    for key in ["settings", "mappings", "aliases", "warmers"] {
        if of.get(key).is_some_and(|value| is_empty(value) || value.is_null()) {
            of.remove(key);
        }
    }
}

/// The type that a version without types still stores around a mapping.
fn only_type(mappings: &Map<String, Value>) -> Option<String> {
    const ROOT: [&str; 12] = [
        "properties",
        "dynamic",
        "dynamic_templates",
        "date_detection",
        "numeric_detection",
        "dynamic_date_formats",
        "_source",
        "_routing",
        "_meta",
        "runtime",
        "_field_names",
        "_data_stream_timestamp",
    ];
    match mappings.iter().next() {
        Some((name, Value::Object(_))) if mappings.len() == 1 && !ROOT.contains(&name.as_str()) => {
            Some(name.clone())
        }
        _ => None,
    }
}

/// When it was made: each cluster has its own.
pub(super) fn dated(body: &mut Map<String, Value>) {
    for key in ["created_date", "created_date_millis", "modified_date", "modified_date_millis"] {
        body.remove(key);
    }
}

/// Stored scripts by name. Elasticsearch 5 has each twice, also as `lang#name`.
pub(super) fn scripts(of: Map<String, Value>) -> Map<String, Value> {
    let mut scripts = Map::new();
    for (name, body) in of {
        let Value::Object(body) = body else { continue };
        let short = name.split_once('#').map(|(_, short)| short.to_owned());
        let body = Value::Object(script(body));
        match short {
            None => drop(scripts.insert(name, body)),
            Some(short) => drop(scripts.entry(short).or_insert(body)),
        }
    }
    scripts
}

/// A stored script: `lang`, `source`, `options`.
fn script(mut script: Map<String, Value>) -> Map<String, Value> {
    // Elasticsearch 5 called it so at first.
    if let Some(code) = script.remove("code") {
        script.entry("source").or_insert(code);
    }
    script.retain(|_, value| !value.as_object().is_some_and(Map::is_empty));
    script
}

/// The aliases of data streams, which they have since Elasticsearch 7.14, out of the cluster's state.
pub(super) fn stream_aliases(aliases: &Map<String, Value>) -> Vec<(String, Map<String, Value>)> {
    let mut found = Vec::new();
    for (alias, of) in aliases {
        let of = of.get("data_streams").and_then(Value::as_array);
        for stream in of.into_iter().flatten().filter_map(Value::as_str) {
            let says = Map::from_iter([(alias.clone(), Value::Object(Map::new()))]);
            found.push((stream.to_owned(), says));
        }
    }
    found
}

/// A data stream.
pub(super) fn data_stream(stream: &Map<String, Value>) -> Map<String, Value> {
    let mut kept = Map::new();
    const KEYS: [&str; 10] = [
        "timestamp_field",
        "generation",
        "hidden",
        "system",
        "replicated",
        "allow_custom_routing",
        "index_mode",
        "settings",
        "mappings",
        "_meta",
    ];
    for key in KEYS {
        let said = stream.get(key).filter(|value| !value.is_null() && **value != json!(false));
        if let Some(value) = said.filter(|value| value.as_object().is_none_or(|of| !of.is_empty()))
        {
            kept.insert(key.into(), value.clone());
        }
    }
    let indices = stream.get("indices").and_then(Value::as_array);
    let names = indices.into_iter().flatten().filter_map(|index| index.get("index_name"));
    kept.insert("indices".into(), names.cloned().collect());
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn settings_of_every_form_are_one() {
        let expected = object(json!({
            "index.number_of_shards": "2", "index.analysis.filter.f.stopwords": ["a", "b"],
        }));
        for form in [
            json!({"index": {"number_of_shards": 2, "analysis": {"filter": {"f": {"stopwords": ["a", "b"]}}}}}),
            json!({"number_of_shards": "2", "index.analysis.filter.f.stopwords": ["a", "b"]}),
            json!({"index.number_of_shards": "2", "index.analysis.filter.f.stopwords.0": "a",
                "index.analysis.filter.f.stopwords.1": "b"}),
        ] {
            assert_eq!(flat(&object(form)), expected);
        }
    }

    #[test]
    fn templates_shown_and_stored_are_one() {
        let version = Version::elasticsearch(7, 10);
        let shown = json!({"order": 1, "index_patterns": ["a"], "settings": {"index": {"codec": "x"}},
            "mappings": {"properties": {"n": {"type": "long"}}}, "aliases": {}});
        let stored = json!({"order": 1, "index_patterns": ["a"], "settings": {"index.codec": "x"},
            "mappings": {"_doc": {"properties": {"n": {"type": "long"}}}}, "version": null});
        assert_eq!(template(object(shown), version), template(object(stored), version));
        let old = Version::elasticsearch(6, 8);
        let typed = json!({"mappings": {"doc": {"properties": {}}}});
        assert_eq!(template(object(typed.clone()), old), object(typed));
        let stream = template(object(json!({"data_stream": {}, "composed_of": []})), version);
        assert_eq!(stream, object(json!({"data_stream": {}})));
    }
}
