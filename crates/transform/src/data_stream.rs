//! Data streams: a target makes them of their template, by name.

use serde_json::{Map, Value, json};

use crate::{Made, Target, Version, catalogue::RuleLine, report::Rules};

/// What a data stream says that its like on the target doesn't: (key, why).
const LOST: &[(&str, &str)] = &[
    ("ilm_policy", "its template names the policy, from the cut-over on"),
    ("lifecycle", "the target has no lifecycles of data streams; a policy says it"),
    ("failure_store", "the target has no failure stores"),
    ("failure_indices", "the target has no failure stores"),
    ("hidden", "its template says it, where the target hides data streams"),
    ("system", "the target makes its own system data streams"),
    ("replicated", "it follows one of another cluster; on the target it takes writes"),
    ("allow_custom_routing", "its template says it"),
    ("index_mode", "the target has no index modes"),
    ("settings", "the stream's own settings; say them in its template"),
    ("mappings", "the stream's own mappings; say them in its template"),
    ("_meta", "its template has it"),
];

/// What the cluster says itself, or what a new stream has anyway.
const OWN: &[&str] = &[
    "name",
    "timestamp_field",
    "indices",
    "generation",
    "status",
    "template",
    "next_generation_managed_by",
    "prefer_ilm",
    "rollover_on_write",
    "backing_indices",
];

/// `PUT _data_stream/NAME` takes nothing: the index template that matches the name says all. What the source's
/// stream says beside it, and is lost, are changes.
pub fn data_stream(body: &Map<String, Value>, source: Version, target: Target) -> Made {
    let mut rules = Rules::new(Some(source), target);
    for (key, value) in body {
        let nothing = match value {
            Value::Null | Value::Bool(false) => true,
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty() || map.get("enabled") == Some(&json!(false)),
            Value::String(text) => key == "index_mode" && text == "standard",
            Value::Bool(true) | Value::Number(_) => false,
        };
        match LOST.iter().find(|(lost, _)| lost == key) {
            Some((_, why)) if !nothing => rules.changed(key, why),
            None if !nothing && !OWN.contains(&key.as_str()) => {
                rules.changed(key, "not known here: nothing on the target says it");
            }
            _ => {}
        }
    }
    if target.version.number() < (7, 9) && target.is_elasticsearch() {
        rules.refuse("data_stream", "data streams came with Elasticsearch 7.9");
        return rules.made(Value::Null);
    }
    rules.made(json!({}))
}

/// What this table says, for the documentation.
pub(crate) fn catalogue() -> Vec<RuleLine> {
    let line = |(key, why): &(&str, &'static str)| {
        RuleLine::new("data streams", *key, "all".into(), "-".into(), why)
    };
    LOST.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(body: Value) -> Made {
        data_stream(body.as_object().unwrap(), Version::elasticsearch(8, 19), Target::default())
    }

    #[test]
    fn each_thing_that_is_lost_is_named() {
        for (key, why) in LOST {
            let made = made(json!({"name": "s", "generation": 4, *key: {"enabled": true}}));
            assert_eq!((made.body, made.changes.len()), (json!({}), 1), "{key}");
            assert_eq!((made.changes[0].path.as_str(), made.changes[0].why), (*key, *why));
            assert_eq!(self::made(json!({*key: false, "name": "s"})).changes, []);
        }
        assert_eq!(made(json!({"of_tomorrow": 1})).changes.len(), 1);
    }

    #[test]
    fn an_ordinary_stream_loses_nothing() {
        let body = json!({"name": "logs", "timestamp_field": {"name": "@timestamp"}, "indices": [{"index_name": "x"}],
            "generation": 1, "status": "GREEN", "template": "t", "hidden": false, "system": false, "replicated": false,
            "allow_custom_routing": false, "rollover_on_write": false, "prefer_ilm": true, "index_mode": "standard",
            "failure_store": {"enabled": false, "indices": []}, "next_generation_managed_by": "Unmanaged"});
        assert_eq!(made(body).changes, []);
        let early =
            data_stream(&Map::new(), Version::elasticsearch(8, 19), Target::elasticsearch(7, 8));
        assert_eq!(early.refused.len(), 1);
    }
}
