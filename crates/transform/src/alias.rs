//! Aliases: what they say of an index, and the filters that they have.

use serde_json::{Map, Value};

use crate::{Made, Target, Version, catalogue::RuleLine, query, report::Rules};

/// (key, the first OpenSearch and the first Elasticsearch that take it, why)
type Key = (&'static str, (u32, u32), (u32, u32), &'static str);

const KEYS: &[Key] = &[
    ("filter", (1, 0), (1, 0), "an alias shows only what its filter finds"),
    ("routing", (1, 0), (1, 0), "the target's version takes no routing"),
    ("index_routing", (1, 0), (1, 0), "the target's version takes no routing"),
    ("search_routing", (1, 0), (1, 0), "the target's version takes no routing"),
    (
        "is_write_index",
        (1, 0),
        (6, 4),
        "an alias has no index to write to before Elasticsearch 6.4",
    ),
    ("is_hidden", (1, 0), (7, 7), "an alias can't be hidden before Elasticsearch 7.7"),
];

const UNKNOWN: &str = "the target's aliases know no such key";

/// Turns what `GET _alias` says of an alias of an index into what the target's `_aliases` takes for it.
pub fn alias(body: &Map<String, Value>, source: Version, target: Target) -> Made {
    let mut rules = Rules::new(Some(source), target);
    let made = one("alias", body, &mut rules);
    rules.made(Value::Object(made))
}

/// The aliases of an index or of a template, by name.
pub(crate) fn all(aliases: &Map<String, Value>, rules: &mut Rules) -> Map<String, Value> {
    let each = aliases.iter().map(|(name, body)| {
        let made = match body {
            Value::Object(body) => Value::Object(one(&format!("aliases.{name}"), body, rules)),
            other => other.clone(),
        };
        (name.clone(), made)
    });
    each.collect()
}

fn one(path: &str, body: &Map<String, Value>, rules: &mut Rules) -> Map<String, Value> {
    let mut made = Map::new();
    for (key, value) in body {
        let path = format!("{path}.{key}");
        let known = KEYS.iter().find(|(known, ..)| known == key);
        match known {
            Some((_, opensearch, elasticsearch, _))
                if rules.target.at_least(*opensearch)
                    || rules.target.elasticsearch_from(*elasticsearch) =>
            {
                let mut value = value.clone();
                if key == "filter" {
                    query::transform(&path, &mut value, rules);
                }
                made.insert(key.clone(), value);
            }
            Some((.., why)) => rules.changed(path, why),
            None => rules.changed(path, UNKNOWN),
        }
    }
    made
}

/// What these tables say, for the documentation.
pub(crate) fn catalogue() -> Vec<RuleLine> {
    let keys =
        KEYS.iter().filter(|(_, _, since, _)| *since > (1, 0)).map(|(key, _, since, why)| {
            let versions = format!("Elasticsearch before {}.{}", since.0, since.1);
            RuleLine::new("aliases", *key, versions, "-".into(), why)
        });
    keys.chain(query::catalogue()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_key_stays_where_the_target_takes_it() {
        let source = Version::elasticsearch(7, 17);
        for (key, opensearch, (major, minor), _) in KEYS {
            let body = Map::from_iter([((*key).to_owned(), json!(true))]);
            for target in [
                Target::opensearch(opensearch.0, opensearch.1),
                Target::elasticsearch(*major, *minor),
            ] {
                let made = alias(&body, source, target);
                assert_eq!((made.body, made.changes.len()), (json!({*key: true}), 0), "{key}");
            }
            if (*major, *minor) > (1, 0) {
                let made = alias(&body, source, Target::elasticsearch(6, 0));
                assert_eq!((made.body, made.changes.len()), (json!({}), 1), "{key}");
            }
        }
        let made =
            alias(&Map::from_iter([("new".to_owned(), json!(1))]), source, Target::default());
        assert_eq!((made.body, made.changes[0].path.as_str()), (json!({}), "alias.new"));
    }

    #[test]
    fn filters_are_queries_that_the_target_has() {
        let body = json!({"filter": {"and": [{"term": {"a": 1}}, {"missing": {"field": "b"}}]}});
        let made =
            alias(body.as_object().unwrap(), Version::elasticsearch(1, 7), Target::default());
        let missing = json!({"bool": {"must_not": [{"exists": {"field": "b"}}]}});
        assert_eq!(made.body, json!({"filter": {"bool": {"must": [{"term": {"a": 1}}, missing]}}}));
        assert_eq!(made.changes.len(), 2);
    }
}
