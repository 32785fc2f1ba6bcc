//! Which parameters each type of the target takes.

use serde_json::{Map, Value};

use crate::{catalogue::RuleLine, report::Rules};

/// What every type with a value takes (even where it means nothing).
const ALL: &[&str] = &[
    "type",
    "boost",
    "copy_to",
    "fields",
    "index",
    "index_options",
    "meta",
    "similarity",
    "store",
];

const NUMBER_TYPES: &[&str] = &[
    "byte",
    "short",
    "integer",
    "long",
    "unsigned_long",
    "half_float",
    "float",
    "double",
    "scaled_float",
];
const RANGE_TYPES: &[&str] =
    &["integer_range", "long_range", "float_range", "double_range", "date_range", "ip_range"];
const NUMBERS: &[&str] =
    &["coerce", "doc_values", "ignore_malformed", "null_value", "scaling_factor", "skip_list"];
const DATES: &[&str] = &[
    "doc_values",
    "format",
    "ignore_malformed",
    "locale",
    "null_value",
    "print_format",
    "skip_list",
];
const RANGES: &[&str] = &["coerce", "doc_values", "format", "ignore_malformed", "locale"];
const FULL_TEXT: &[&str] = &[
    "analyzer",
    "eager_global_ordinals",
    "fielddata",
    "fielddata_frequency_filter",
    "index_phrases",
    "index_prefixes",
    "norms",
    "position_increment_gap",
    "search_analyzer",
    "search_quote_analyzer",
    "term_vector",
];

/// What a type takes besides [`ALL`], as the servers answer.
const TAKES: &[(&[&str], &[&str])] = &[
    (&["text", "match_only_text"], FULL_TEXT),
    (
        &["keyword", "wildcard"],
        &[
            "doc_values",
            "eager_global_ordinals",
            "ignore_above",
            "normalizer",
            "norms",
            "null_value",
            "split_queries_on_whitespace",
        ],
    ),
    (NUMBER_TYPES, NUMBERS),
    (&["boolean"], &["doc_values", "null_value"]),
    (&["date", "date_nanos"], DATES),
    (&["ip"], &["doc_values", "ignore_malformed", "null_value"]),
    (&["binary"], &["doc_values"]),
    (&["geo_point"], &["doc_values", "ignore_malformed", "ignore_z_value", "null_value"]),
    (
        &["geo_shape"],
        &[
            "coerce",
            "distance_error_pct",
            "doc_values",
            "ignore_malformed",
            "ignore_z_value",
            "orientation",
            "points_only",
            "precision",
            "strategy",
            "tree",
            "tree_levels",
        ],
    ),
    (
        &["completion"],
        &[
            "analyzer",
            "contexts",
            "max_input_length",
            "preserve_position_increments",
            "preserve_separators",
            "search_analyzer",
        ],
    ),
    (
        &["token_count"],
        &["analyzer", "doc_values", "enable_position_increments", "null_value", "skip_list"],
    ),
    (RANGE_TYPES, RANGES),
    (&["rank_feature", "rank_features"], &["positive_score_impact"]),
];

/// What objects take; nothing of [`ALL`].
const OBJECT: &[&str] =
    &["type", "dynamic", "enabled", "include_in_parent", "include_in_root", "properties"];

/// Parameters that came late: (types, parameter, the first version of OpenSearch that takes it).
const LATE: &[(&[&str], &str, (u32, u32))] = &[
    (&["rank_features"], "positive_score_impact", (2, 12)),
    (&["date", "date_nanos"], "print_format", (2, 12)),
    (RANGE_TYPES, "ignore_malformed", (2, 19)),
    (NUMBER_TYPES, "skip_list", (3, 3)),
    (&["date", "date_nanos", "token_count"], "skip_list", (3, 3)),
];

/// Drops what the target's version doesn't take yet, whoever said it.
pub(super) fn drop_late(path: &str, field: &mut Map<String, Value>, rules: &mut Rules) {
    for (kinds, parameter, since) in LATE {
        if field.contains_key(*parameter)
            && field.get("type").and_then(Value::as_str).is_some_and(|kind| kinds.contains(&kind))
            && !rules.target.at_least(*since)
        {
            field.remove(*parameter);
            rules.changed(
                format!("{path}.{parameter}"),
                "the target's version takes no such parameter",
            );
        }
    }
}

/// What the tables say, for the documentation.
pub(crate) fn catalogue() -> Vec<RuleLine> {
    let why = "the target's version takes no such parameter";
    let late = LATE.iter().map(|(kinds, parameter, (major, minor))| {
        let what = format!("{parameter} of {}", kinds.join(", "));
        let versions = format!("OpenSearch before {major}.{minor}");
        RuleLine::new("parameters of fields", what, versions, "-".into(), why)
    });
    let rest = RuleLine::new(
        "parameters of fields",
        "any other that the field's type does not take",
        "OpenSearch, from Elasticsearch".into(),
        "-".into(),
        "the target's type takes no such parameter",
    );
    late.chain([rest]).collect()
}

fn takes(kind: &str, parameter: &str) -> Option<bool> {
    match kind {
        "object" | "nested" => return Some(OBJECT.contains(&parameter)),
        "flat_object" => return Some(parameter == "type"),
        _ => {}
    }
    let (_, own) = TAKES.iter().find(|(kinds, _)| kinds.contains(&kind))?;
    Some(ALL.contains(&parameter) || own.contains(&parameter))
}

/// Drops what the field's type does not take. A type that isn't in the tables keeps everything.
pub(super) fn keep_known(path: &str, field: &mut Map<String, Value>, rules: &mut Rules) {
    let kind = match field.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        Some(_) => return,
        None => "object".to_owned(),
    };
    field.retain(|parameter, _| {
        let kept = takes(&kind, parameter) != Some(false);
        if !kept {
            rules.changed(
                format!("{path}.{parameter}"),
                "the target's type takes no such parameter",
            );
        }
        kept
    });
    let index_options = field.get("index_options").and_then(Value::as_str);
    if matches!(kind.as_str(), "keyword" | "wildcard")
        && matches!(index_options, Some("positions" | "offsets"))
    {
        field.remove("index_options");
        rules.changed(format!("{path}.index_options"), "a keyword has no positions");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Target;

    fn check(from: Value, to: Value, changed: usize) {
        let mut rules = Rules::new(None, Target::default());
        let mut field = from.as_object().cloned().unwrap();
        keep_known("f", &mut field, &mut rules);
        assert_eq!(Value::Object(field), to, "{from}");
        assert_eq!(rules.changes.len(), changed, "{from}: {:?}", rules.changes);
    }

    #[test]
    fn each_type_keeps_each_parameter_that_it_takes_and_no_other() {
        for (kinds, own) in TAKES {
            for kind in *kinds {
                for parameter in own.iter().chain(ALL).filter(|parameter| **parameter != "type") {
                    let field = json!({"type": kind, *parameter: true});
                    check(field.clone(), field, 0);
                }
                check(json!({"type": kind, "of_another": 1}), json!({"type": kind}), 1);
            }
        }
    }

    #[test]
    fn what_came_late_is_for_late_targets() {
        for (kinds, parameter, (major, minor)) in LATE {
            for (target, stays) in
                [(Target::opensearch(*major, *minor), true), (Target::opensearch(1, 3), false)]
            {
                let mut rules = Rules::new(None, target);
                let mut field = json!({"type": kinds[0], *parameter: true});
                drop_late("f", field.as_object_mut().unwrap(), &mut rules);
                assert_eq!(field.get(parameter).is_some(), stays, "{parameter}");
                assert_eq!(rules.changes.is_empty(), stays, "{parameter}");
            }
        }
    }

    #[test]
    fn types_keep_what_they_take() {
        check(json!({"type": "keyword", "analyzer": "a"}), json!({"type": "keyword"}), 1);
        check(
            json!({"type": "keyword", "index_options": "offsets"}),
            json!({"type": "keyword"}),
            1,
        );
        check(json!({"type": "geo_point", "coerce": true}), json!({"type": "geo_point"}), 1);
        check(json!({"type": "text", "null_value": "x"}), json!({"type": "text"}), 1);
        check(json!({"type": "boolean", "coerce": true}), json!({"type": "boolean"}), 1);
        let of_a_plugin = json!({"type": "of_a_plugin", "anything": {"at": "all"}});
        check(of_a_plugin.clone(), of_a_plugin, 0);
    }
}
