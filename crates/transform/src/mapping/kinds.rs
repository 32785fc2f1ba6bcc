//! Field types that the target has not: the nearest that it has.

use serde_json::{Map, Value, json};

use super::knn;
use crate::{catalogue::RuleLine, report::Rules};

/// What stands in for a type.
#[derive(Clone, Copy)]
enum To {
    /// Another type, with those of its parameters that both take.
    Type(&'static str),
    /// Kept in `_source`, neither indexed nor looked into: takes any value.
    Opaque,
    /// An object with these fields.
    Object(&'static [(&'static str, &'static str)]),
}

/// `(type, the first version of OpenSearch that has it, what stands in for it before, why)`.
type Kind = (&'static str, Option<(u32, u32)>, To, &'static str);

const KINDS: &[Kind] = &[
    ("flattened", None, To::Type("flat_object"), "OpenSearch calls it flat_object"),
    ("flat_object", Some((2, 7)), To::Opaque, "the target has no flat_object; only stored"),
    ("wildcard", Some((2, 15)), To::Type("keyword"), "the target has no wildcard"),
    ("constant_keyword", Some((2, 14)), To::Type("keyword"), "the target has no constant_keyword"),
    ("version", Some((3, 2)), To::Type("keyword"), "the target has no version; it sorts as text"),
    ("unsigned_long", Some((2, 8)), To::Type("keyword"), "the target has no unsigned_long"),
    ("match_only_text", Some((2, 12)), To::Type("text"), "the target has no match_only_text"),
    ("patterned_text", None, To::Type("text"), "the target has no patterned_text"),
    ("annotated_text", None, To::Type("text"), "annotations are indexed as the text they are in"),
    ("counted_keyword", None, To::Type("keyword"), "the target has no counted_keyword"),
    ("sparse_vector", None, To::Type("rank_features"), "the target has no sparse_vector"),
    ("passthrough", None, To::Type("object"), "the target has no passthrough objects"),
    ("semantic_text", None, To::Opaque, "the target does not know inference fields; only stored"),
    (
        "histogram",
        None,
        To::Object(&[("values", "double"), ("counts", "long")]),
        "the target has no histogram fields",
    ),
    ("aggregate_metric_double", None, To::Opaque, "the target has no such type; only stored"),
    ("exponential_histogram", None, To::Opaque, "the target has no such type; only stored"),
    ("dense_vector", None, To::Opaque, "the target has no k-NN plugin; only stored"),
    ("rank_vectors", None, To::Opaque, "the target has no such type; only stored"),
    ("shape", None, To::Opaque, "the target has no cartesian shapes; only stored"),
    ("point", None, To::Opaque, "the target has no cartesian points; only stored"),
    ("attachment", None, To::Opaque, "attachments are read by a pipeline now; only stored"),
    ("murmur3", None, To::Opaque, "the target has no murmur3 fields; only stored"),
];

/// Types above that an Elasticsearch has, from which version on.
const ELASTICSEARCH: &[(&str, (u32, u32))] = &[
    ("flattened", (7, 3)),
    ("shape", (7, 4)),
    ("dense_vector", (7, 6)),
    ("histogram", (7, 6)),
    ("constant_keyword", (7, 7)),
    ("point", (7, 8)),
    ("wildcard", (7, 9)),
    ("version", (7, 10)),
    ("unsigned_long", (7, 10)),
    ("aggregate_metric_double", (7, 11)),
    ("match_only_text", (7, 14)),
    ("sparse_vector", (8, 11)),
    ("counted_keyword", (8, 13)),
    ("passthrough", (8, 15)),
    ("semantic_text", (8, 15)),
    ("rank_vectors", (8, 18)),
    ("patterned_text", (9, 2)),
    ("exponential_histogram", (9, 3)),
];

/// Types of OpenSearch that no Elasticsearch has.
const OPENSEARCH: &[(&str, To, &str)] = &[
    ("flat_object", To::Type("flattened"), "Elasticsearch calls it flattened"),
    ("knn_vector", To::Opaque, "Elasticsearch has no knn_vector; only stored"),
    ("semantic", To::Opaque, "Elasticsearch does not know OpenSearch's models; only stored"),
];

/// What stands in for a type that the target hasn't, and why.
fn stand_in(kind: &str, no_value: bool, rules: &Rules) -> Option<(To, &'static str)> {
    if rules.target.is_elasticsearch()
        && let Some((_, to, why)) = OPENSEARCH.iter().find(|(from, ..)| *from == kind)
        && !matches!(to, To::Type(to) if !has(to, None, false, rules))
    {
        return Some((*to, why));
    }
    let (_, _, to, why) = KINDS
        .iter()
        .find(|(from, since, ..)| *from == kind && !has(kind, *since, no_value, rules))?;
    Some((*to, why))
}

/// True where the target has the type. `no_value`: a constant that its first document sets.
fn has(kind: &str, since: Option<(u32, u32)>, no_value: bool, rules: &Rules) -> bool {
    if rules.target.is_elasticsearch() {
        return ELASTICSEARCH
            .iter()
            .any(|(name, since)| *name == kind && rules.target.elasticsearch_from(*since));
    }
    // Its value may come with the first document in Elasticsearch, never in OpenSearch.
    !no_value && since.is_some_and(|since| rules.target.at_least(since))
}

/// Puts in what stands for the field's type. `false`: nothing does where it is (a multi-field can't be an
/// object), so the field has to go.
pub(super) fn replace(
    path: &str,
    field: &mut Map<String, Value>,
    multi: bool,
    rules: &mut Rules,
) -> bool {
    let is = |field: &Map<String, Value>, name: &str| field.get("type").is_some_and(|k| k == name);
    if is(field, "dense_vector") && rules.target.knn && !multi {
        return knn::from_dense(path, field, rules);
    }
    if is(field, "knn_vector") && !rules.target.is_elasticsearch() {
        knn::method(path, field, rules);
    }
    // A stand-in may itself need one: flattened, flat_object, only stored.
    while let Some(kind) = field.get("type").and_then(Value::as_str) {
        let no_value = kind == "constant_keyword" && !field.contains_key("value");
        let Some((to, why)) = stand_in(kind, no_value, rules) else { return true };
        if multi && !matches!(to, To::Type(_)) {
            rules
                .changed(path, "the target has no such type, and an object can't be a multi-field");
            return false;
        }
        rules.changed(path, why);
        match to {
            To::Type(to) => {
                field.insert("type".into(), json!(to));
                super::takes::keep_known(path, field, rules);
            }
            To::Opaque => *field = object(json!({"type": "object", "enabled": false})),
            To::Object(members) => {
                let members: Map<_, _> = members
                    .iter()
                    .map(|(name, kind)| ((*name).to_owned(), json!({"type": kind})))
                    .collect();
                *field = object(json!({"properties": members}));
            }
        }
    }
    true
}

/// What these tables say, for the documentation.
pub(crate) fn catalogue() -> Vec<RuleLine> {
    let line = |(name, since, to, why): &Kind| {
        let versions = match since {
            None => "OpenSearch".to_owned(),
            Some((major, minor)) => format!("OpenSearch before {major}.{minor}"),
        };
        let versions = match ELASTICSEARCH.iter().find(|(of, _)| of == name) {
            Some((_, (major, minor))) => {
                format!("{versions}, Elasticsearch before {major}.{minor}")
            }
            None if *name == "flat_object" => versions,
            None => format!("{versions}, Elasticsearch"),
        };
        let becomes = match to {
            To::Type(to) => (*to).to_owned(),
            To::Opaque => "object, not enabled".into(),
            To::Object(members) => {
                let members: Vec<_> =
                    members.iter().map(|(name, kind)| format!("{name}: {kind}")).collect();
                format!("object of {}", members.join(", "))
            }
        };
        RuleLine::new("field types", *name, versions, becomes, why)
    };
    let theirs = OPENSEARCH.iter().map(|(name, to, why)| {
        let becomes = match to {
            To::Type(to) => (*to).to_owned(),
            To::Opaque | To::Object(_) => "object, not enabled".to_owned(),
        };
        RuleLine::new("field types", *name, "Elasticsearch".into(), becomes, why)
    });
    KINDS.iter().map(line).chain(theirs).collect()
}

pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Target, Version};

    fn check(target: Target, from: Value, to: Value) {
        let mut rules = Rules::new(Some(Version::elasticsearch(8, 7)), target);
        let mut field = object(from.clone());
        assert!(replace("f", &mut field, false, &mut rules));
        assert_eq!(Value::Object(field), to, "{from} for {target:?}");
        assert_eq!(from == to, rules.changes.is_empty(), "{from} for {target:?}");
    }

    #[test]
    fn each_type_that_a_target_lacks_has_a_stand_in() {
        let (one, two, three) =
            (Target::opensearch(1, 3), Target::opensearch(2, 19), Target::opensearch(3, 8));
        let opaque = || json!({"type": "object", "enabled": false});
        let plain = |kind: &str| json!({"type": kind});
        check(three, json!({"type": "flattened", "depth_limit": 2}), plain("flat_object"));
        check(one, plain("flattened"), opaque());
        check(one, plain("flat_object"), opaque());
        check(
            one,
            json!({"type": "wildcard", "ignore_above": 9}),
            json!({"type": "keyword", "ignore_above": 9}),
        );
        check(two, plain("wildcard"), plain("wildcard"));
        check(Target::opensearch(2, 14), plain("wildcard"), plain("keyword"));
        let constant = json!({"type": "constant_keyword", "value": "x"});
        check(one, constant.clone(), plain("keyword"));
        check(two, constant.clone(), constant);
        check(two, plain("constant_keyword"), plain("keyword"));
        check(two, plain("version"), plain("keyword"));
        check(three, plain("version"), plain("version"));
        check(one, plain("unsigned_long"), plain("keyword"));
        check(two, plain("unsigned_long"), plain("unsigned_long"));
        check(one, plain("match_only_text"), plain("text"));
        check(two, plain("match_only_text"), plain("match_only_text"));
        check(two, plain("patterned_text"), plain("text"));
        check(two, plain("annotated_text"), plain("text"));
        check(two, plain("counted_keyword"), plain("keyword"));
        check(two, plain("sparse_vector"), plain("rank_features"));
        check(two, plain("passthrough"), plain("object"));
        let histogram =
            json!({"properties": {"values": {"type": "double"}, "counts": {"type": "long"}}});
        check(two, plain("histogram"), histogram);
        for kind in [
            "semantic_text",
            "aggregate_metric_double",
            "exponential_histogram",
            "dense_vector",
            "rank_vectors",
            "shape",
            "point",
            "attachment",
            "murmur3",
        ] {
            check(three, json!({"type": kind, "dims": 3, "metrics": ["min"]}), opaque());
        }
        for kind in ["text", "keyword", "join", "nested", "alias", "rank_features", "date_nanos"] {
            check(one, plain(kind), plain(kind));
        }
    }

    #[test]
    fn an_elasticsearch_keeps_the_types_of_its_version() {
        for (kind, (major, minor)) in ELASTICSEARCH {
            let field = json!({"type": kind});
            check(Target::elasticsearch(*major, *minor), field.clone(), field);
        }
        let plain = |kind: &str| json!({"type": kind});
        for (name, to, _) in OPENSEARCH {
            let made = match to {
                To::Type(to) => plain(to),
                To::Opaque | To::Object(_) => json!({"type": "object", "enabled": false}),
            };
            check(Target::elasticsearch(8, 19), plain(name), made);
            check(Target::opensearch(3, 8), plain(name), plain(name));
        }
        check(Target::elasticsearch(7, 8), plain("wildcard"), plain("keyword"));
        let opaque = json!({"type": "object", "enabled": false});
        check(Target::elasticsearch(7, 2), plain("flattened"), opaque.clone());
        check(Target::elasticsearch(7, 2), plain("flat_object"), opaque);
    }

    #[test]
    fn a_multi_field_that_would_be_an_object_goes() {
        let mut rules = Rules::new(None, Target::default());
        assert!(!replace("f.hash", &mut object(json!({"type": "murmur3"})), true, &mut rules));
        assert_eq!(rules.changes.len(), 1);
    }
}
