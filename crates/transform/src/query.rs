//! Queries of old versions, in the filters of aliases.

use serde_json::{Map, Value, json};

use crate::{catalogue::RuleLine, report::Rules};

/// What stands in for a query.
#[derive(Clone, Copy)]
enum To {
    /// A `bool` with all of its parts in this clause.
    Bool(&'static str),
    /// Its `query` as it must match, its `filter` as it must pass.
    Filtered,
    /// No value in the field.
    Missing,
    /// What is inside.
    Inner,
    /// Another name.
    Name(&'static str),
    Refused,
}

/// (query, what stands for it, why): none of the targets has them.
const QUERIES: &[(&str, To, &str)] = &[
    ("and", To::Bool("must"), "bool says it since Elasticsearch 5"),
    ("or", To::Bool("should"), "bool says it since Elasticsearch 5"),
    ("not", To::Bool("must_not"), "bool says it since Elasticsearch 5"),
    ("filtered", To::Filtered, "bool says it since Elasticsearch 5"),
    ("missing", To::Missing, "a bool around exists says it since Elasticsearch 5"),
    ("query", To::Inner, "queries are filters since Elasticsearch 2"),
    ("fquery", To::Inner, "queries are filters since Elasticsearch 2"),
    ("in", To::Name("terms"), "terms says it since Elasticsearch 6"),
    ("type", To::Refused, "there are no types any more"),
    ("indices", To::Refused, "removed in Elasticsearch 6"),
    ("limit", To::Refused, "removed in Elasticsearch 6"),
    ("fuzzy_like_this", To::Refused, "removed in Elasticsearch 2"),
    ("fuzzy_like_this_field", To::Refused, "removed in Elasticsearch 2"),
    ("top_children", To::Refused, "removed in Elasticsearch 5"),
    ("geohash_cell", To::Refused, "removed in Elasticsearch 6"),
    ("template", To::Refused, "removed in Elasticsearch 6"),
];

/// Keys that hold a query, or a list of them, within one that stays.
const WITHIN: &[&str] = &[
    "must",
    "must_not",
    "should",
    "filter",
    "query",
    "positive",
    "negative",
    "queries",
    "no_match_query",
];

/// Queries that hold others. Below any other are fields, which may be called as a query is.
const COMPOUND: &[&str] = &[
    "bool",
    "constant_score",
    "boosting",
    "dis_max",
    "nested",
    "has_child",
    "has_parent",
    "function_score",
    "script_score",
];

/// As deep as a cluster takes queries; what is deeper is left as it is.
const DEEPEST: usize = 64;

pub(crate) fn transform(path: &str, query: &mut Value, rules: &mut Rules) {
    below(path, query, rules, 0);
}

fn below(path: &str, query: &mut Value, rules: &mut Rules, depth: usize) {
    if depth > DEEPEST {
        return;
    }
    let list = match query {
        Value::Array(list) => {
            for (at, item) in list.iter_mut().enumerate() {
                below(&format!("{path}[{at}]"), item, rules, depth + 1);
            }
            return;
        }
        Value::Object(query) => query,
        _ => return,
    };
    for name in list.keys().cloned().collect::<Vec<_>>() {
        let path = format!("{path}.{name}");
        match QUERIES.iter().find(|(old, ..)| *old == name) {
            Some((_, To::Refused, why)) => {
                list.remove(&name);
                list.insert("match_none".into(), json!({}));
                rules.refuse(path, format!("[{name}] is no query of the target's: {why}"));
            }
            Some((_, to, why)) => {
                let Some(old) = list.remove(&name) else { continue };
                rules.changed(&path, why);
                let mut new = stand_in(*to, old);
                below(&path, &mut new, rules, depth + 1);
                if let Value::Object(new) = new {
                    list.extend(new);
                }
            }
            None if COMPOUND.contains(&name.as_str()) => {
                let Some(Value::Object(inner)) = list.get_mut(&name) else { continue };
                for key in WITHIN {
                    if let Some(inner) = inner.get_mut(*key) {
                        below(&format!("{path}.{key}"), inner, rules, depth + 1);
                    }
                }
            }
            None => {}
        }
    }
}

fn stand_in(to: To, mut old: Value) -> Value {
    match to {
        To::Bool(clause) => {
            // `{"and": [...]}`, `{"and": {"filters": [...]}}`, `{"not": {"filter": {...}}}`.
            let parts = match old.as_object_mut() {
                Some(inner) => inner.remove("filters").or_else(|| inner.remove("filter")),
                None => None,
            };
            let parts = match parts.unwrap_or(old) {
                Value::Array(list) => list,
                one => vec![one],
            };
            json!({"bool": {clause: parts}})
        }
        To::Filtered => {
            let mut made = Map::new();
            for (from, clause) in [("query", "must"), ("filter", "filter")] {
                if let Some(part) = old.get_mut(from) {
                    made.insert(clause.into(), part.take());
                }
            }
            json!({"bool": made})
        }
        To::Missing => {
            let field = old.get_mut("field").map(Value::take).unwrap_or_default();
            json!({"bool": {"must_not": [{"exists": {"field": field}}]}})
        }
        To::Inner => match old.get_mut("query") {
            Some(inner) => inner.take(),
            None => old,
        },
        To::Name(name) => json!({name: old}),
        To::Refused => Value::Null,
    }
}

/// What the table says, for the documentation.
pub(crate) fn catalogue() -> Vec<RuleLine> {
    let line = |(name, to, why): &(&str, To, &'static str)| {
        let becomes = match to {
            To::Bool(clause) => format!("bool.{clause}"),
            To::Filtered => "bool.must, bool.filter".into(),
            To::Missing => "bool.must_not of exists".into(),
            To::Inner => "what is inside".into(),
            To::Name(name) => (*name).to_owned(),
            To::Refused => "refused (match_none)".into(),
        };
        RuleLine::new("filters of aliases", *name, "all".into(), becomes, why)
    };
    QUERIES.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Target;

    fn made(mut query: Value) -> (Value, Rules) {
        let mut rules = Rules::new(None, Target::default());
        transform("filter", &mut query, &mut rules);
        (query, rules)
    }

    #[test]
    fn each_old_query_has_a_stand_in_or_is_refused() {
        for (name, to, _) in QUERIES {
            let (query, rules) = made(
                json!({"bool": {"must": [{*name: {"field": "f", "query": {"term": {"a": 1}}}}]}}),
            );
            let inner = query["bool"]["must"][0].as_object().unwrap();
            assert!(!inner.contains_key(*name), "{name}");
            let refused = matches!(to, To::Refused);
            assert_eq!(
                (rules.refused.len(), rules.changes.is_empty()),
                (refused.into(), refused),
                "{name}"
            );
            assert_eq!(inner.contains_key("match_none"), refused, "{name}");
        }
    }

    #[test]
    fn stand_ins_mean_the_same() {
        let check = |from: Value, to: Value| assert_eq!(made(from).0, to);
        let (a, b) = (json!({"term": {"a": 1}}), json!({"term": {"b": 2}}));
        check(json!({"or": {"filters": [a, b]}}), json!({"bool": {"should": [a, b]}}));
        check(json!({"not": a}), json!({"bool": {"must_not": [a]}}));
        check(json!({"not": {"filter": a}}), json!({"bool": {"must_not": [a]}}));
        check(
            json!({"filtered": {"query": a, "filter": {"and": [b]}}}),
            json!({"bool": {"must": a, "filter": {"bool": {"must": [b]}}}}),
        );
        check(json!({"fquery": {"query": a, "_cache": true}}), a.clone());
        check(json!({"in": {"a": [1]}}), json!({"terms": {"a": [1]}}));
        // Fields may be called as queries are.
        check(json!({"term": {"type": "x"}}), json!({"term": {"type": "x"}}));
    }

    #[test]
    fn a_query_deeper_than_clusters_take_ends() {
        let mut query = json!({"term": {}});
        for _ in 0..1_000 {
            query = json!({"bool": {"must": query}});
        }
        assert_eq!(made(query).1.refused.len(), 0);
    }
}
