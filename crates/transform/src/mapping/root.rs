//! The top of a mapping: metadata fields and what holds for the whole.

use serde_json::{Map, Value, json};

use super::{dates, parameters, templates};
use crate::{catalogue::RuleLine, report::Rules};

/// Keys that stand at the top of a mapping without a type, besides those that are gone.
const KEYS: &[&str] = &[
    "properties",
    "dynamic",
    "dynamic_templates",
    "date_detection",
    "numeric_detection",
    "dynamic_date_formats",
    "date_formats",
    "enabled",
    "derived",
    "_meta",
    "_routing",
    "_source",
    "_field_names",
    "_data_stream_timestamp",
    "_doc_count",
];

/// Keys that the target refuses, with the reason.
const GONE: &[(&str, &str)] = &[
    ("_all", "removed in version 7"),
    ("_parent", "removed in version 7; the routing stays, a join is not made up"),
    ("_timestamp", "removed in version 5; its values were not in _source"),
    ("_ttl", "removed in version 5; documents no longer expire by themselves"),
    ("_size", "needs a plugin that the target may not have"),
    ("_boost", "removed in version 1"),
    ("_analyzer", "removed in version 2"),
    ("_id", "is not configurable"),
    ("_uid", "is not configurable"),
    ("_index", "is not configurable"),
    ("_type", "there are no types any more"),
    ("_version", "is not configurable"),
    ("_seq_no", "is not configurable"),
    ("_ignored", "is not configurable"),
    ("_tier", "is not configurable"),
    ("_inference_fields", "the target does not know inference fields"),
    ("_ignored_source", "is not configurable"),
    ("_default_", "there are no types any more; existing ones were made with it"),
    ("runtime", "the target has no runtime fields"),
    ("subobjects", "dotted names are always objects"),
    ("include_in_all", "_all is gone"),
    ("transform", "removed in version 5; documents come as they were sent"),
    ("analyzer", "fields name their own analyzers"),
    ("index_analyzer", "fields name their own analyzers"),
    ("search_analyzer", "fields name their own analyzers"),
    ("search_quote_analyzer", "fields name their own analyzers"),
];

/// Keys above that an Elasticsearch has, from which version on.
const ELASTICSEARCH: &[(&str, (u32, u32))] = &[("runtime", (7, 11)), ("subobjects", (8, 3))];

/// What only OpenSearch has.
const OPENSEARCH: &[(&str, &str)] = &[
    ("derived", "Elasticsearch has no derived fields"),
    ("composite", "Elasticsearch has no star trees"),
    ("context_aware_grouping", "Elasticsearch groups no segments"),
];

/// What is left below a metadata field; its other keys are gone.
const BELOW: &[(&str, &[&str], &str)] = &[
    (
        "_source",
        &["enabled", "includes", "excludes"],
        "the target always stores the source compressed and as it came",
    ),
    ("_routing", &["required"], "routing comes with the request, not out of a field"),
    ("_field_names", &["enabled"], "only on or off"),
];

/// `{"doc": {"properties": …}}` of versions before 7: the only key is a type's name.
pub(crate) fn single_type(mappings: &Map<String, Value>) -> Option<(&str, &Map<String, Value>)> {
    let mut keys = mappings.iter();
    let (name, value) = keys.next()?;
    // A type may be called `transform` or `analyzer`; none begins with an underscore but `_doc`.
    let gone =
        GONE.iter().any(|(gone, _)| gone == name) && (name.starts_with('_') || name == "runtime");
    let known = KEYS.contains(&name.as_str()) || gone;
    if keys.next().is_some() || known {
        return None;
    }
    value.as_object().map(|inner| (name.as_str(), inner))
}

/// True for a key that stands at the top of a mapping that has no types.
pub(crate) fn is_key(key: &str) -> bool {
    KEYS.contains(&key) || key == "_all"
}

pub(super) fn transform(mapping: &mut Map<String, Value>, rules: &mut Rules) {
    let theirs = if rules.target.is_elasticsearch() { OPENSEARCH } else { &[] };
    for (gone, why) in GONE.iter().chain(theirs) {
        if !elasticsearch_has(gone, rules) && mapping.remove(*gone).is_some() {
            rules.changed(format!("mappings.{gone}"), why);
        }
    }
    for (name, left, why) in BELOW {
        let Some(Value::Object(below)) = mapping.get_mut(*name) else { continue };
        below.retain(|key, value| {
            let mode =
                *name == "_source" && key == "mode" && rules.target.elasticsearch_from((8, 4));
            let no_names = *name == "_field_names" && rules.target.elasticsearch_from((8, 0));
            if (left.contains(&key.as_str()) && !no_names) || mode {
                if let Some(plain) = parameters::boolean(value) {
                    *value = json!(plain);
                } else if value.is_string() && !mode {
                    *value = json!([value.take()]);
                }
                return true;
            }
            rules.changed(format!("mappings.{name}.{key}"), why);
            false
        });
        if below.is_empty() {
            mapping.remove(*name);
        }
    }
    for name in ["date_detection", "numeric_detection"] {
        if let Some(plain) = mapping.get(name).and_then(parameters::boolean) {
            mapping.insert(name.into(), json!(plain));
        }
    }
    dynamic("mappings", mapping, rules);
    for name in ["dynamic_date_formats", "date_formats"] {
        if let Some(formats) = mapping.get_mut(name) {
            dates::list(&format!("mappings.{name}"), formats, rules);
        }
    }
    if let Some(list) = mapping.get_mut("dynamic_templates") {
        templates::transform("mappings", list, rules);
    }
}

fn elasticsearch_has(key: &str, rules: &Rules) -> bool {
    ELASTICSEARCH
        .iter()
        .any(|(name, since)| *name == key && rules.target.elasticsearch_from(*since))
}

/// What these tables say, for the documentation.
pub(crate) fn catalogue() -> Vec<RuleLine> {
    let kept = |key: &str| ELASTICSEARCH.iter().find(|(name, _)| *name == key);
    let gone = GONE.iter().map(|(key, why)| {
        let versions = match kept(key) {
            Some((_, (major, minor))) => {
                format!("OpenSearch, Elasticsearch before {major}.{minor}")
            }
            None => "all".to_owned(),
        };
        RuleLine::new("mappings", *key, versions, "-".into(), why)
    });
    let theirs = OPENSEARCH
        .iter()
        .map(|(key, why)| RuleLine::new("mappings", *key, "Elasticsearch".into(), "-".into(), why));
    let below = BELOW.iter().map(|(key, left, why)| {
        let becomes = format!("only {}", left.join(", "));
        RuleLine::new("mappings", format!("{key}.*"), "all".into(), becomes, why)
    });
    let dynamic = [
        ("runtime", "false"),
        ("strict_allow_templates", "true"),
        ("false_allow_templates", "true"),
    ];
    let dynamic = dynamic.iter().map(|(word, becomes)| {
        let what = format!("dynamic: {word}");
        let versions = "targets that don't know it".to_owned();
        RuleLine::new("mappings", what, versions, (*becomes).into(), "refuses no document")
    });
    gone.chain(theirs).chain(below).chain(dynamic).collect()
}

/// `dynamic`, of the whole or of an object.
pub(super) fn dynamic(path: &str, object: &mut Map<String, Value>, rules: &mut Rules) {
    let Some(value) = object.get("dynamic") else { return };
    let newer = match value.as_str() {
        Some("strict_allow_templates") => (2, 17),
        Some("false_allow_templates") => (3, 0),
        // Types guessed at the first value could refuse a later one; runtime fields refuse none.
        Some("runtime") if rules.target.elasticsearch_from((7, 11)) => return,
        Some("runtime") => {
            object.insert("dynamic".into(), json!("false"));
            rules.changed(format!("{path}.dynamic"), "the target has no runtime fields");
            return;
        }
        Some("true" | "false" | "strict") => return,
        _ => {
            let Some(plain) = parameters::boolean(value) else { return };
            if !value.is_boolean() {
                object.insert("dynamic".into(), json!(plain.to_string()));
                rules.changed(format!("{path}.dynamic"), "true, false and strict are what is left");
            }
            return;
        }
    };
    if !rules.target.at_least(newer) {
        object.insert("dynamic".into(), json!("true"));
        rules.changed(
            format!("{path}.dynamic"),
            "the target does not know it; true refuses no document",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Target;

    fn check(target: Target, from: Value, to: Value) {
        let mut rules = Rules::new(None, target);
        let mut mapping = from.as_object().cloned().unwrap();
        transform(&mut mapping, &mut rules);
        assert_eq!(Value::Object(mapping), to, "{from}");
        assert_eq!(rules.changes.is_empty(), from == to, "{from}");
    }

    #[test]
    fn what_is_gone_goes_with_its_reason() {
        for (name, _) in GONE {
            check(
                Target::default(),
                json!({*name: {"x": 1}, "properties": {}}),
                json!({"properties": {}}),
            );
        }
        for (name, left, _) in BELOW {
            for key in *left {
                check(
                    Target::default(),
                    json!({*name: {*key: true}}),
                    json!({*name: {*key: true}}),
                );
            }
            check(
                Target::default(),
                json!({*name: {"compress": true, "path": "p", "mode": "x"}}),
                json!({}),
            );
        }
    }

    #[test]
    fn a_type_is_told_from_what_holds_for_the_whole() {
        let check = |mapping: Value, name| {
            assert_eq!(
                single_type(mapping.as_object().unwrap()).map(|(name, _)| name),
                name,
                "{mapping}"
            );
        };
        check(json!({"transform": {"properties": {}}}), Some("transform"));
        check(json!({"_doc": {}}), Some("_doc"));
        check(json!({"_all": {"enabled": false}}), None);
        check(json!({"runtime": {"a": {}}}), None);
        check(json!({"properties": {}}), None);
        check(json!({"a": {}, "b": {}}), None);
    }

    #[test]
    fn an_elasticsearch_keeps_what_its_version_has() {
        for (name, (major, minor)) in ELASTICSEARCH {
            let mapping = json!({*name: {}});
            check(Target::elasticsearch(*major, *minor), mapping.clone(), mapping);
        }
        for (name, _) in OPENSEARCH {
            check(Target::elasticsearch(8, 19), json!({*name: {}}), json!({}));
            check(Target::default(), json!({*name: {}}), json!({*name: {}}));
        }
        let (seven, eight) = (Target::elasticsearch(7, 17), Target::elasticsearch(8, 19));
        let synthetic = json!({"_source": {"mode": "synthetic"}});
        check(eight, synthetic.clone(), synthetic.clone());
        check(seven, synthetic, json!({}));
        let names = json!({"_field_names": {"enabled": false}});
        check(seven, names.clone(), names.clone());
        check(eight, names, json!({}));
        check(eight, json!({"dynamic": "runtime"}), json!({"dynamic": "runtime"}));
    }

    #[test]
    fn dynamic_is_one_of_few_words() {
        let (one, two, three) =
            (Target::opensearch(1, 3), Target::opensearch(2, 19), Target::opensearch(3, 8));
        let word = |word: Value| json!({"dynamic": word});
        for same in [json!(true), json!("true"), json!("false"), json!("strict")] {
            check(one, word(same.clone()), word(same));
        }
        for (target, from, to) in [
            (one, json!("yes"), "true"),
            (one, json!(0), "false"),
            (three, json!("runtime"), "false"),
            (one, json!("strict_allow_templates"), "true"),
            (two, json!("strict_allow_templates"), "strict_allow_templates"),
            (two, json!("false_allow_templates"), "true"),
            (three, json!("false_allow_templates"), "false_allow_templates"),
        ] {
            check(target, word(from), word(json!(to)));
        }
    }
}
