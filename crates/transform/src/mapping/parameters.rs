//! Parameters of fields: those that are gone, and those that are written otherwise.

use serde_json::{Map, Value, json};

use crate::{catalogue::RuleLine, report::Rules};

/// Parameters that no type of the target takes, with the reason.
const GONE: &[(&str, &str)] = &[
    ("include_in_all", "_all is gone"),
    ("precision_step", "numbers are indexed as points"),
    ("index_name", "fields are indexed under their own names"),
    ("omit_norms", "norms says it now"),
    ("norms.enabled", "norms says it now"),
    ("norms.loading", "norms are always read lazily"),
    ("omit_term_freq_and_positions", "index_options says it now"),
    ("postings_format", "the codec decides"),
    ("doc_values_format", "the codec decides"),
    ("numeric_resolution", "the date's format says it now"),
    ("position_offset_gap", "position_increment_gap says it now"),
    ("index_analyzer", "analyzer says it now"),
    ("lat_lon", "points are indexed whole"),
    ("geohash", "points are indexed whole"),
    ("geohash_prefix", "points are indexed whole"),
    ("geohash_precision", "points are indexed whole"),
    ("validate", "ignore_malformed says it now"),
    ("validate_lat", "ignore_malformed says it now"),
    ("validate_lon", "ignore_malformed says it now"),
    ("normalize", "points are always normalized"),
    ("normalize_lat", "points are always normalized"),
    ("normalize_lon", "points are always normalized"),
    ("payloads", "suggestions carry no payloads; documents with one are refused"),
    ("compress", "stored fields are always compressed"),
    ("compress_threshold", "stored fields are always compressed"),
    ("time_series_dimension", "the target has no time series mode"),
    ("time_series_metric", "the target has no time series mode"),
    ("synthetic_source_keep", "the target has no synthetic source"),
    ("script", "the target computes no fields while it indexes"),
    ("on_script_error", "the target computes no fields while it indexes"),
    ("subobjects", "dotted names are always objects"),
    ("store_array_source", "the target has no synthetic source"),
];

/// Parameters above that an Elasticsearch has, from which version on.
const ELASTICSEARCH: &[(&str, (u32, u32))] = &[
    ("script", (7, 13)),
    ("on_script_error", (7, 13)),
    ("time_series_dimension", (7, 16)),
    ("time_series_metric", (7, 16)),
    ("subobjects", (8, 3)),
    ("synthetic_source_keep", (8, 16)),
];

/// Parameters that Elasticsearch dropped and OpenSearch has.
const OPENSEARCH: &[(&str, (u32, u32), &str)] = &[
    ("boost", (8, 0), "queries say it; Elasticsearch 8 boosts no fields"),
    ("skip_list", (1, 0), "Elasticsearch has no skip lists of doc values"),
    ("print_format", (1, 0), "Elasticsearch prints dates by the first of their formats"),
];

/// Parameters that are true or false.
const BOOLEANS: &[&str] = &[
    "index",
    "store",
    "doc_values",
    "norms",
    "coerce",
    "ignore_malformed",
    "ignore_z_value",
    "enabled",
    "fielddata",
    "include_in_parent",
    "include_in_root",
    "preserve_separators",
    "preserve_position_increments",
    "eager_global_ordinals",
    "points_only",
    "index_phrases",
    "enable_position_increments",
];

/// Brings parameters into the form that targets take, and drops those that none takes.
pub(super) fn normalize(path: &str, field: &mut Map<String, Value>, rules: &mut Rules) {
    // Most fields have three parameters, and nothing of what follows is about them.
    if !field.keys().any(|name| is_of_a_rule(name)) {
        return;
    }
    move_old_names(path, field, rules);
    for name in BOOLEANS {
        let Some(value) = field.get(*name) else { continue };
        let Some(plain) = boolean(value) else { continue };
        if *value != json!(plain) {
            // The targets read both words.
            let said = matches!(value.as_str(), Some("true" | "false"));
            field.insert((*name).into(), json!(plain));
            if !said {
                rules
                    .changed(format!("{path}.{name}"), "true and false are the only booleans left");
            }
        }
    }
    if field.get("fielddata").is_some_and(Value::is_object) {
        field.remove("fielddata");
        rules.changed(format!("{path}.fielddata"), "fielddata is true or false now");
    }
    let similarity = field.get("similarity").and_then(Value::as_str);
    if matches!(similarity, Some("default" | "classic")) {
        field.remove("similarity");
        rules.changed(format!("{path}.similarity"), "TF/IDF is gone; BM25 is the default");
    }
    // Of an object in Elasticsearch 1; the path of an alias is another thing.
    if matches!(field.get("path").and_then(Value::as_str), Some("just_name" | "full"))
        && field.get("type").is_none_or(|kind| kind != "alias")
    {
        field.remove("path");
        rules.changed(format!("{path}.path"), "fields are indexed under their full names");
    }
    for (name, why) in GONE {
        let kept = ELASTICSEARCH
            .iter()
            .any(|(of, since)| of == name && rules.target.elasticsearch_from(*since));
        if !kept && field.remove(*name).is_some() {
            rules.changed(format!("{path}.{name}"), why);
        }
    }
    for (name, since, why) in OPENSEARCH {
        if rules.target.elasticsearch_from(*since) && field.remove(*name).is_some() {
            rules.changed(format!("{path}.{name}"), why);
        }
    }
}

/// [`normalize`] may have to do something about it.
fn is_of_a_rule(name: &str) -> bool {
    matches!(name, "similarity" | "path" | "norms.enabled" | "max_input_len")
        || BOOLEANS.contains(&name)
        || GONE.iter().any(|(gone, _)| *gone == name)
        || OPENSEARCH.iter().any(|(theirs, ..)| *theirs == name)
}

/// What these tables say, for the documentation.
pub(crate) fn catalogue() -> Vec<RuleLine> {
    let gone = GONE.iter().map(|(name, why)| {
        let versions = match ELASTICSEARCH.iter().find(|(of, _)| of == name) {
            Some((_, (major, minor))) => {
                format!("OpenSearch, Elasticsearch before {major}.{minor}")
            }
            None => "all".to_owned(),
        };
        RuleLine::new("parameters of fields", *name, versions, "-".into(), why)
    });
    let theirs = OPENSEARCH.iter().map(|(name, (major, _), why)| {
        let versions = match major {
            1 => "Elasticsearch".to_owned(),
            _ => format!("Elasticsearch {major} on"),
        };
        RuleLine::new("parameters of fields", *name, versions, "-".into(), why)
    });
    gone.chain(theirs).collect()
}

/// Old names whose meaning lives on under another one.
fn move_old_names(path: &str, field: &mut Map<String, Value>, rules: &mut Rules) {
    for (old, new) in [
        ("index_analyzer", "analyzer"),
        ("position_offset_gap", "position_increment_gap"),
        ("norms.enabled", "norms"),
        ("max_input_len", "max_input_length"),
    ] {
        if !field.contains_key(new)
            && let Some(value) = field.remove(old)
        {
            field.insert(new.into(), value);
            rules.changed(format!("{path}.{old}"), "has another name now");
        }
    }
    if let Some(Value::Object(norms)) = field.get("norms") {
        let enabled = norms.get("enabled").and_then(boolean).unwrap_or(true);
        field.insert("norms".into(), json!(enabled));
        rules.changed(format!("{path}.norms"), "norms is true or false now");
    }
    if !field.contains_key("norms")
        && let Some(omitted) = field.get("omit_norms").and_then(boolean)
    {
        field.insert("norms".into(), json!(!omitted));
    }
}

/// What Elasticsearch 1 to 5 took for true and false.
pub(super) fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(plain) => Some(*plain),
        Value::Number(number) => number.as_i64().map(|number| number != 0),
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" | "analyzed" | "not_analyzed" => Some(true),
            "false" | "no" | "off" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Target, Version};

    fn check(from: Value, to: Value, changed: usize) {
        let mut rules = Rules::new(Some(Version::elasticsearch(2, 4)), Target::default());
        let mut field = from.as_object().cloned().unwrap();
        normalize("f", &mut field, &mut rules);
        assert_eq!(Value::Object(field), to, "{from}");
        assert_eq!(rules.changes.len(), changed, "{from}: {:?}", rules.changes);
    }

    #[test]
    fn what_is_gone_goes_with_its_reason() {
        for (name, _) in GONE {
            let mut rules = Rules::new(None, Target::default());
            let mut field =
                Map::from_iter([("type".into(), json!("long")), ((*name).into(), json!(false))]);
            normalize("f", &mut field, &mut rules);
            assert!(!field.contains_key(*name) && !rules.changes.is_empty(), "{name}");
        }
    }

    #[test]
    fn an_elasticsearch_keeps_what_its_version_has() {
        let left = |name: &str, target| {
            let mut rules = Rules::new(None, target);
            let mut field = Map::from_iter([(name.to_owned(), json!("x"))]);
            normalize("f", &mut field, &mut rules);
            assert_eq!(rules.changes.is_empty(), !field.is_empty(), "{name}");
            !field.is_empty()
        };
        for (name, (major, minor)) in ELASTICSEARCH {
            assert!(
                left(name, Target::elasticsearch(*major, *minor)) && !left(name, Target::default())
            );
        }
        for (name, (major, minor), _) in OPENSEARCH {
            assert!(
                !left(name, Target::elasticsearch(*major, *minor)) && left(name, Target::default())
            );
        }
    }

    #[test]
    fn booleans_come_in_every_form() {
        for name in BOOLEANS {
            for (from, to) in
                [("yes", true), ("no", false), ("on", true), ("off", false), ("1", true)]
            {
                let mut rules = Rules::new(None, Target::default());
                let mut field = Map::from_iter([((*name).to_owned(), json!(from))]);
                normalize("f", &mut field, &mut rules);
                assert_eq!(field[*name], json!(to), "{name} {from}");
            }
        }
        check(json!({"type": "long", "store": 1}), json!({"type": "long", "store": true}), 1);
        check(json!({"type": "long", "store": "true"}), json!({"type": "long", "store": true}), 0);
        check(
            json!({"type": "long", "index": "not_analyzed"}),
            json!({"type": "long", "index": true}),
            1,
        );
    }

    #[test]
    fn what_lives_on_moves() {
        check(
            json!({"type": "text", "index_analyzer": "a"}),
            json!({"type": "text", "analyzer": "a"}),
            1,
        );
        check(
            json!({"type": "text", "norms": {"enabled": false}}),
            json!({"type": "text", "norms": false}),
            1,
        );
        check(
            json!({"type": "text", "norms.enabled": "no"}),
            json!({"type": "text", "norms": false}),
            2,
        );
        check(
            json!({"type": "text", "omit_norms": true}),
            json!({"type": "text", "norms": false}),
            1,
        );
        check(
            json!({"type": "text", "position_offset_gap": 9}),
            json!({"type": "text", "position_increment_gap": 9}),
            1,
        );
        check(
            json!({"type": "text", "fielddata": {"format": "disabled"}}),
            json!({"type": "text"}),
            1,
        );
        check(json!({"type": "text", "similarity": "default"}), json!({"type": "text"}), 1);
        check(
            json!({"type": "text", "similarity": "BM25"}),
            json!({"type": "text", "similarity": "BM25"}),
            0,
        );
        check(json!({"properties": {}, "path": "just_name"}), json!({"properties": {}}), 1);
        check(
            json!({"type": "alias", "path": "full"}),
            json!({"type": "alias", "path": "full"}),
            0,
        );
    }
}
