//! Field types that the target has not: the nearest that it has.

use serde_json::{Map, Value, json};

use crate::report::Rules;

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

/// Puts in what stands for the field's type. `false`: nothing does where it is (a multi-field can't be an
/// object), so the field has to go.
pub(super) fn replace(
    path: &str,
    field: &mut Map<String, Value>,
    multi: bool,
    rules: &mut Rules,
) -> bool {
    if field.get("type").is_some_and(|kind| kind == "dense_vector") && rules.target.knn && !multi {
        return vector(path, field, rules);
    }
    // A stand-in may itself need one: flattened, flat_object, only stored.
    while let Some(kind) = field.get("type").and_then(Value::as_str) {
        // Its value may come with the first document in Elasticsearch, never in OpenSearch.
        let no_value = kind == "constant_keyword" && !field.contains_key("value");
        let Some((_, _, to, why)) = KINDS.iter().find(|(from, since, ..)| {
            *from == kind && (no_value || !since.is_some_and(|since| rules.target.at_least(since)))
        }) else {
            return true;
        };
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

/// `dense_vector` → `knn_vector`, its similarity as the space.
fn vector(path: &str, field: &mut Map<String, Value>, rules: &mut Rules) -> bool {
    let Some(dims) = field.get("dims").filter(|dims| dims.is_u64()).cloned() else {
        rules.refuse(path, "a dense_vector without dims has no dimension for a knn_vector");
        *field = object(json!({"type": "object", "enabled": false}));
        return true;
    };
    let space = match field.get("similarity").and_then(Value::as_str) {
        Some("l2_norm") => "l2",
        Some("dot_product" | "max_inner_product") => "innerproduct",
        _ => "cosinesimil",
    };
    let method = json!({"name": "hnsw", "engine": "lucene", "space_type": space});
    *field = object(json!({"type": "knn_vector", "dimension": dims, "method": method}));
    rules.changed(path, "OpenSearch calls it knn_vector");
    true
}

fn object(value: Value) -> Map<String, Value> {
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
    fn vectors_become_k_nn_where_the_plugin_is() {
        let knn = Target { knn: true, ..Target::opensearch(2, 19) };
        let method = json!({"name": "hnsw", "engine": "lucene", "space_type": "l2"});
        check(
            knn,
            json!({"type": "dense_vector", "dims": 3, "similarity": "l2_norm", "index": true}),
            json!({"type": "knn_vector", "dimension": 3, "method": method}),
        );
        let mut rules = Rules::new(None, knn);
        assert!(replace("f", &mut object(json!({"type": "dense_vector"})), false, &mut rules));
        assert_eq!(rules.refused.len(), 1);
    }

    #[test]
    fn a_multi_field_that_would_be_an_object_goes() {
        let mut rules = Rules::new(None, Target::default());
        assert!(!replace("f.hash", &mut object(json!({"type": "murmur3"})), true, &mut rules));
        assert_eq!(rules.changes.len(), 1);
    }
}
