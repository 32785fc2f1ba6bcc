//! Whether what the target has is what the plan wants.
//!
//! Compared by what things mean: settings by full name and as texts, parameters that say what is the default as if
//! they weren't there, and what every target adds by itself not at all.

use serde::Serialize;
use serde_json::{Map, Value};
use transform::Origin;

use crate::{
    Item, Kind, Planned,
    inventory::{flat, template, text_of},
};

/// One thing that is otherwise than wanted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    pub path: String,
    /// `null`: nothing.
    pub wanted: Value,
    /// `null`: nothing.
    pub held: Value,
}

/// The path of the difference that means: the target's index is the image of another one.
pub(crate) const ORIGIN: &str = "mappings._meta.godwit.source_uuid";

/// Settings of an index that each target makes for itself, by name or by prefix (with a dot at the end).
const OWN_SETTINGS: &[&str] = &[
    "index.uuid",
    "index.creation_date",
    "index.provided_name",
    "index.version.",
    "index.replication.type",
    "index.remote_store.",
    "index.routing.allocation.",
    "index.number_of_shards",
    "index.number_of_routing_shards",
    "index.number_of_replicas",
    "index.verified_before_close",
    "index.resize.",
];

/// What parameters of mappings and templates are when nothing is said.
const DEFAULTS: &[(&str, &[&str])] = &[
    ("type", &["object"]),
    ("dynamic", &["true"]),
    ("enabled", &["true"]),
    ("index", &["true"]),
    ("doc_values", &["true"]),
    ("store", &["false"]),
    ("norms", &["true", "false"]), // by type
    ("coerce", &["true"]),
    ("ignore_malformed", &["false"]),
    ("ignore_z_value", &["true"]),
    ("boost", &["1", "1.0"]),
    ("eager_global_ordinals", &["false"]),
    ("index_options", &["positions", "docs"]), // of text and of keyword
    ("index_phrases", &["false"]),
    ("fielddata", &["false"]),
    ("analyzer", &["default", "standard"]),
    ("search_analyzer", &["default", "standard"]),
    ("similarity", &["BM25"]),
    ("term_vector", &["no"]),
    ("position_increment_gap", &["100", "-1"]),
    ("split_queries_on_whitespace", &["false"]),
    ("date_detection", &["true"]),
    ("numeric_detection", &["false"]),
    ("required", &["false"]),
    ("format", &["strict_date_optional_time||epoch_millis"]),
    ("orientation", &["right", "ccw"]),
    ("strategy", &["recursive"]),
    ("preserve_separators", &["true"]),
    ("preserve_position_increments", &["true"]),
    ("max_input_length", &["50"]),
    ("include_in_parent", &["false"]),
    ("include_in_root", &["false"]),
    ("order", &["0"]),
    ("priority", &["0"]),
    ("hidden", &["false"]),
];

/// What `held`, of the same kind and name, has otherwise than `planned` wants it.
pub(crate) fn differences(planned: &Planned, held: &Item) -> Vec<Difference> {
    let mut found = Vec::new();
    let body = planned.body.open().as_object().cloned().unwrap_or_default();
    let held_body = match held.body.open() {
        Ok(body) => body,
        Err(why) => return vec![unclear(why)],
    };
    match planned.kind {
        Kind::Index => index(&body, held, &held_body, &planned.deferred, &mut found),
        Kind::LegacyTemplate | Kind::IndexTemplate | Kind::ComponentTemplate => {
            let wanted = template(body, held_version());
            let held = &held_body;
            let settings = |of: &Map<String, Value>| {
                let inside = of.get("template").filter(|inside| inside.is_object());
                let at = inside.map_or_else(|| of.get("settings"), |inside| inside.get("settings"));
                at.and_then(Value::as_object).cloned().unwrap_or_default()
            };
            let of_wanted = settings(&wanted);
            settings_differ(&of_wanted, &settings(held), &planned.deferred, &[], &mut found);
            values("", &without_settings(wanted), &without_settings(held.clone()), &mut found);
        }
        // Its template says all.
        Kind::DataStream => {}
        Kind::Script => {
            let wanted = body.get("script").cloned().unwrap_or(Value::Object(body));
            values("", &wanted, &Value::Object(held_body), &mut found);
        }
        Kind::Alias => {
            for (index, wanted) in &body {
                match held_body.get(index) {
                    Some(held) => one(index, &alias(wanted), &alias(held), &mut found),
                    None => found.push(Difference {
                        path: index.clone(),
                        wanted: wanted.clone(),
                        held: Value::Null,
                    }),
                }
            }
        }
        _ => values("", &Value::Object(body), &Value::Object(held_body), &mut found),
    }
    found
}

fn unclear(why: String) -> Difference {
    Difference { path: String::new(), wanted: Value::Null, held: Value::String(why) }
}

fn index(
    wanted: &Map<String, Value>,
    held: &Item,
    held_body: &Map<String, Value>,
    deferred: &Map<String, Value>,
    found: &mut Vec<Difference>,
) {
    let empty = Map::new();
    let part = |of: &Map<String, Value>, key: &str| {
        of.get(key).and_then(Value::as_object).cloned().unwrap_or_default()
    };
    let mut settings = flat(&part(wanted, "settings"));
    // What was given when the index was made is not among its settings.
    if let Some(wanted) = settings.remove("index.number_of_routing_shards")
        && let Some(held) = held.routing_shards
    {
        let held = Value::String(held.to_string());
        one("settings.index.number_of_routing_shards", &wanted, &held, found);
    }
    settings_differ(&settings, &part(held_body, "settings"), deferred, OWN_SETTINGS, found);
    let (mut wanted, mut held) = (part(wanted, "mappings"), part(held_body, "mappings"));
    if let Some(Value::Object(inner)) = held.remove("_doc") {
        held = inner;
    }
    let origins = [&wanted, &held].map(|of| Origin::source_uuid_of(of).map(str::to_owned));
    if let [Some(wanted), Some(held)] = origins
        && wanted != held
    {
        one(ORIGIN, &Value::String(wanted), &Value::String(held), found);
    }
    for mappings in [&mut wanted, &mut held] {
        if let Some(Value::Object(meta)) = mappings.get_mut("_meta") {
            meta.remove("godwit");
            if *meta == empty {
                mappings.remove("_meta");
            }
        }
    }
    values("mappings", &Value::Object(wanted), &Value::Object(held), found);
}

fn settings_differ(
    wanted: &Map<String, Value>,
    held: &Map<String, Value>,
    deferred: &Map<String, Value>,
    own: &[&str],
    found: &mut Vec<Difference>,
) {
    for (name, value) in wanted.iter().filter(|(_, value)| !value.is_null()) {
        let held = held.get(name).cloned().unwrap_or_default();
        one(&format!("settings.{name}"), value, &held, found);
    }
    for (name, value) in held.iter().filter(|(name, _)| !wanted.contains_key(*name)) {
        let is_own = own.iter().any(|own| match own.strip_suffix('.') {
            Some(_) => name.starts_with(own),
            None => name == own,
        });
        let is_deferred = deferred.get(name).is_some_and(|wanted| is_same(wanted, value));
        if !is_own && !is_deferred {
            one(&format!("settings.{name}"), &Value::Null, value, found);
        }
    }
}

fn without_settings(mut template: Map<String, Value>) -> Value {
    template.remove("settings");
    if let Some(Value::Object(inside)) = template.get_mut("template") {
        inside.remove("settings");
        if inside.is_empty() {
            template.remove("template");
        }
    }
    // The target says it where nothing was.
    if let Some(Value::Object(stream)) = template.get_mut("data_stream") {
        stream.remove("timestamp_field");
    }
    Value::Object(template)
}

/// The target's own version has no types.
fn held_version() -> transform::Version {
    transform::Target::default().version
}

/// `routing` is both, and nothing is the same as no filter.
fn alias(says: &Value) -> Value {
    let mut says = says.as_object().cloned().unwrap_or_default();
    if let Some(routing) = says.remove("routing") {
        says.entry("index_routing").or_insert_with(|| routing.clone());
        says.entry("search_routing").or_insert(routing);
    }
    Value::Object(says)
}

fn is_same(a: &Value, b: &Value) -> bool {
    let mut found = Vec::new();
    values("", a, b, &mut found);
    found.is_empty()
}

fn one(path: &str, wanted: &Value, held: &Value, found: &mut Vec<Difference>) {
    if !is_same(wanted, held) {
        let (path, wanted, held) = (path.to_owned(), wanted.clone(), held.clone());
        found.push(Difference { path, wanted, held });
    }
}

/// Compares two values by what they mean.
fn values(path: &str, wanted: &Value, held: &Value, found: &mut Vec<Difference>) {
    match (wanted, held) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let more = theirs.keys().filter(|key| !ours.contains_key(*key));
            for key in ours.keys().chain(more) {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                match (ours.get(key), theirs.get(key)) {
                    (Some(wanted), Some(held)) => values(&path, wanted, held, found),
                    (Some(only), None) if !says_nothing(key, only) => {
                        found.push(Difference { path, wanted: only.clone(), held: Value::Null });
                    }
                    (None, Some(only)) if !says_nothing(key, only) => {
                        found.push(Difference { path, wanted: Value::Null, held: only.clone() });
                    }
                    _ => {}
                }
            }
        }
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            for (at, (wanted, held)) in ours.iter().zip(theirs).enumerate() {
                values(&format!("{path}.{at}"), wanted, held, found);
            }
        }
        // A list of one is the same as the one.
        (Value::Array(list), other) | (other, Value::Array(list))
            if list.len() == 1 && !other.is_array() && text_of(&list[0]) == text_of(other) => {}
        _ if text_of(wanted) == text_of(held) || is_same_number(wanted, held) => {}
        _ => {
            let (path, wanted, held) = (path.to_owned(), wanted.clone(), held.clone());
            found.push(Difference { path, wanted, held });
        }
    }
}

/// `1` and `1.0`.
fn is_same_number(a: &Value, b: &Value) -> bool {
    let number = |value: &Value| match value {
        Value::String(text) => text.parse::<f64>().ok().filter(|number| number.is_finite()),
        value => value.as_f64(),
    };
    matches!((number(a), number(b)), (Some(a), Some(b)) if a == b)
}

/// It is the default, or empty.
fn says_nothing(key: &str, value: &Value) -> bool {
    let text = match value {
        Value::Null => return true,
        Value::Object(inner) => return inner.is_empty(),
        Value::Array(inner) => return inner.is_empty(),
        value => text_of(value),
    };
    let Some(text) = text.as_str() else { return false };
    DEFAULTS.iter().any(|(name, defaults)| *name == key && defaults.contains(&text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::State;

    fn planned(kind: Kind, body: Value) -> Planned {
        Planned {
            kind,
            name: "n".into(),
            source_name: None,
            state: State::Create,
            changes: Vec::new(),
            unsupported: Vec::new(),
            differences: Vec::new(),
            deferred: Map::from_iter([("index.default_pipeline".to_owned(), json!("p"))]),
            body: crate::Packed::from(&body),
        }
    }

    fn paths(wanted: &Planned, held: Value) -> Vec<String> {
        let held = Item::new(wanted.kind, "n", held.as_object().cloned().unwrap());
        differences(wanted, &held).into_iter().map(|found| found.path).collect()
    }

    #[test]
    fn what_means_the_same_is_equal() {
        let wanted = planned(
            Kind::Index,
            json!({
                "settings": {"index.number_of_shards": 2, "index.analysis.filter.f.stopwords": ["a"]},
                "mappings": {
                    "_meta": {"godwit": {"source_uuid": "U"}},
                    "properties": {"t": {"type": "text", "index": true, "ignore_above": "3"},
                        "o": {"type": "object", "properties": {"n": {"type": "long"}}}},
                },
            }),
        );
        let held = json!({
            "settings": {"index.number_of_shards": "2", "index.analysis.filter.f.stopwords": "a",
                "index.uuid": "V", "index.number_of_replicas": "1", "index.default_pipeline": "p"},
            "mappings": {"_doc": {
                "properties": {"t": {"type": "text", "ignore_above": 3},
                    "o": {"properties": {"n": {"type": "long"}}}},
            }},
        });
        assert_eq!(paths(&wanted, held), [""; 0]);
    }

    #[test]
    fn differences_are_named() {
        let wanted = planned(
            Kind::Index,
            json!({
                "settings": {"index.codec": "best_compression"},
                "mappings": {"_meta": {"godwit": {"source_uuid": "U"}},
                    "properties": {"a": {"type": "long"}, "b": {"type": "text", "index": false}}},
            }),
        );
        let held = json!({
            "settings": {"index.default_pipeline": "other"},
            "mappings": {"_doc": {"_meta": {"godwit": {"source_uuid": "V"}},
                "properties": {"a": {"type": "text"}, "b": {"type": "text"}, "c": {"type": "long"}}}},
        });
        assert_eq!(
            paths(&wanted, held),
            [
                "settings.index.codec",
                "settings.index.default_pipeline",
                ORIGIN,
                "mappings.properties.a.type",
                "mappings.properties.b.index",
                "mappings.properties.c",
            ]
        );
    }

    #[test]
    fn templates_and_aliases_are_compared_by_what_they_say() {
        let template = planned(
            Kind::IndexTemplate,
            json!({"index_patterns": "a*", "data_stream": {}, "template": {"settings": {"number_of_shards": 1}}}),
        );
        let held = json!({"index_patterns": ["a*"], "priority": 0,
            "data_stream": {"timestamp_field": {"name": "@timestamp"}},
            "template": {"settings": {"index.number_of_shards": "1"}}});
        assert_eq!(paths(&template, held), [""; 0]);
        let wanted = planned(Kind::Alias, json!({"i": {"routing": "r"}, "j": {}}));
        let held = json!({"i": {"index_routing": "r", "search_routing": "r"}});
        assert_eq!(paths(&wanted, held), ["j"]);
    }
}
